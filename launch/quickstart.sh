#!/usr/bin/env bash
# From a bare Debian 12 machine to a trained model: installs the packages that are missing, builds a release build into build/,
# trains a CNN on Fashion-MNIST on two ranks and evaluates it. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc make cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-dev libdnnl-dev libxxhash-dev
  libzip-dev libjson-c-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev dataset-fashion-mnist)
. tests/support/packages.sh
install_missing "${packages[@]}"

echo "== build"
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release >build-configure.log 2>&1 || {
  tail -n 20 build-configure.log
  exit 1
}
rm -f build-configure.log
ninja -C build kdist

echo "== train on two ranks: examples/fashion_mnist.ini"
. tests/support/mpi_environment.sh
start=$(date +%s)
mpirun -np 2 build/bin/kdist fit examples/fashion_mnist.ini --overwrite
echo "== evaluate on the 10,000 test images"
mpirun -np 2 build/bin/kdist evaluate examples/fashion_mnist.ini
end=$(date +%s)

cat <<TEXT

Done in $((end - start)) s. The model is runs/fashion-cnn/model.weights.h5 (Keras reads it), the logs runs/fashion-cnn/log.csv.
Try next:
  build/bin/kdist summary examples/fashion_mnist.ini
  build/bin/kdist fit examples/fashion_mlp.ini train.epochs=3 run.name=my-first
  build/bin/kdist predict examples/fashion_mnist.ini -o predictions.csv
TEXT
