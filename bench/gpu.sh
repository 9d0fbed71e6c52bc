#!/usr/bin/env bash
# kdist against PyTorch, eager and compiled, on the GPU of this machine, in turn: steps, start-up, memory.
#   bench/gpu.sh [--quick] [--nets resnet50_bf16:64,mlp] [--parts steps,startup] ...
# PYTHON names an interpreter that has PyTorch for CUDA; without it bench/run.sh installs one.
set -e
cd "$(dirname "$0")/.."
nvidia-smi >/dev/null 2>&1 || { echo "skipped: no CUDA device (nvidia-smi finds no driver)"; exit 77; }
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader
if [ -n "${PYTHON:-}" ]; then
  cmake -S . -B build -G Ninja -DKDIST_WITH_CUDA=ON >/dev/null
  ninja -C build kdist
  exec "$PYTHON" bench/bench.py --device cuda --json runs/bench-gpu.json "$@"
fi
exec bench/run.sh --device cuda --json runs/bench-gpu.json "$@"
