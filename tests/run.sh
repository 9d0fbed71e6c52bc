#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test through ctest. Python peers (Keras) go into .venv with pinned versions.
#   tests/run.sh            everything
#   tests/run.sh -R world   what ctest's -R selects
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc g++ make cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-dev libdnnl-dev libxxhash-dev libzip-dev
  libjson-c-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev dataset-fashion-mnist libcmocka-dev clang-14 clang-format-14 libclang-rt-14-dev
  python3 python3-venv unzip libxml2-utils graphviz git bible-kjv bible-kjv-text)
. tests/support/packages.sh
install_missing "${packages[@]}"

echo "== Python peers"
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import keras, h5py, onnxruntime, tensorflow' >/dev/null 2>&1; then
  python3 -m venv .venv
  .venv/bin/pip install --quiet -r tests/requirements.txt
fi

echo "== source rules"
tests/check_source.sh

echo "== build"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DKDIST_WITH_TESTS=ON >/dev/null
ninja -C build
echo "== build with sanitizers"
cmake -S . -B build-sanitize -G Ninja -DCMAKE_BUILD_TYPE=Debug -DKDIST_WITH_TESTS=ON -DKDIST_SANITIZE=ON >/dev/null
ninja -C build-sanitize
echo "== build of the fuzz targets"
CC=clang-14 cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DKDIST_FUZZ=ON >/dev/null
ninja -C build-fuzz

echo "== tests"
export KDIST_PYTHON="$PWD/.venv/bin/python"
status=0
ctest --test-dir build -j2 --output-on-failure "$@" || status=$?
echo "== tests with sanitizers"
ctest --test-dir build-sanitize -j2 --output-on-failure -LE release "$@" || status=$?
echo "== fuzzing, a short run each"
tests/fuzz/run.sh build-fuzz || status=$?
exit $status
