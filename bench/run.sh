#!/usr/bin/env bash
# kdist against PyTorch and Keras on the same work in turn: bench/run.sh [--quick] [--nets mlp:32,cnn] [--threads 1,2] ...
# The peers come from PyPI into .venv-bench (several GB: PyTorch's package brings CUDA libraries, which stay unused).
set -e
cd "$(dirname "$0")/.."
cmake -S . -B build -G Ninja >/dev/null
ninja -C build kdist bench
[ -x .venv-bench/bin/python ] || python3 -m venv .venv-bench
if ! cmp -s bench/requirements.txt .venv-bench/installed.txt; then
  .venv-bench/bin/pip install -q -r bench/requirements.txt
  cp bench/requirements.txt .venv-bench/installed.txt
fi
exec .venv-bench/bin/python bench/bench.py "$@"
