#!/usr/bin/env bash
# Everything that needs a GPU, in a few minutes: kernels against the interpreter, whole runs against the CPU, compute-sanitizer
# where it is installed. Without a GPU each part says why it was skipped.
#   tests/gpu.sh [BUILD]      the build folder, default: build (made here when it is not there)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DKDIST_WITH_TESTS=ON -DKDIST_WITH_CUDA=ON >/dev/null || exit 1
ninja -C "$build" >/dev/null || exit 1
export KDIST=$PWD/$build/bin/kdist
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# part NAME COMMAND...: counts by the exit code, 77: skipped; shows the end of what it says unless it passed.
part() {
  local name=$1 start=$SECONDS
  shift
  "$@" >"$log" 2>&1
  case $? in
    0) passed=$((passed + 1)) && echo "passed   $name ($((SECONDS - start)) s)" ;;
    77) skipped=$((skipped + 1)) && echo "skipped  $name: $(sed -n 's/^skipped: //p' "$log" | head -n 1)" ;;
    *) failed=$((failed + 1)) && echo "FAILED   $name" && tail -n 20 "$log" ;;
  esac
}

"$KDIST" info | sed -n '/cuda/p'
for program in ops steps; do
  [ -x "$build/tests/cuda_test_${program}_gpu" ] || { echo "skipped: this build has no CUDA plug-in"; exit 77; }
  part "$program against the interpreter" "$build/tests/cuda_test_${program}_gpu"
done
part "runs against the CPU, losses of 50 steps against PyTorch, run to run, recorded against plain, 1 to 3 ranks on one GPU" \
  env KD_TEST_GPU=1 bash tests/cuda/test_runs.sh
if command -v compute-sanitizer >/dev/null && [ $skipped = 0 ]; then
  for tool in memcheck racecheck; do
    part "compute-sanitizer $tool" compute-sanitizer --tool $tool --error-exitcode 1 "$build/tests/cuda_test_ops_gpu"
  done
else
  skipped=$((skipped + 2))
  echo "skipped  compute-sanitizer: not installed, or no GPU"
fi
echo "$passed passed, $failed failed, $skipped skipped in $SECONDS s"
exit $((failed > 0))
