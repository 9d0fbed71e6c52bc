#!/bin/bash
# The build with and without CUDA: OFF, AUTO and ON without a compiler, AUTO with one where there is one.
command -v cmake >/dev/null || { echo "skipped: no cmake"; exit 77; }
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kdist-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  failures=$((failures + 1))
  echo "FAILED: $*"
}

# configure NAME CODE TEXT ARGUMENT...: cmake ends with the code and says the text.
configure() {
  local name=$1 code=$2 text=$3 got
  shift 3
  cmake -S "$source" -B "$work/$name" "$@" >"$work/$name.log" 2>&1
  got=$?
  { [ $got = "$code" ] || { [ "$code" != 0 ] && [ $got != 0 ]; }; } || fail "$name: exit code $got"
  tr -s ' \n' ' ' <"$work/$name.log" | grep -qF "$text" || fail "$name: does not say '$text'"
}

none=-DCMAKE_CUDA_COMPILER=CMAKE_CUDA_COMPILER-NOTFOUND # as CMake says it when there is none
configure off 0 'CUDA plug-in: not built (KDIST_WITH_CUDA=OFF)' -DKDIST_WITH_CUDA=OFF
configure auto-without 0 'CUDA plug-in: not built (no nvcc' $none
configure on-without 1 'KDIST_WITH_CUDA=ON: no nvcc' -DKDIST_WITH_CUDA=ON $none
if command -v nvcc >/dev/null; then
  configure auto 0 'CUDA plug-in: 90-real' -DCMAKE_CUDA_ARCHITECTURES=90-real
else
  echo "no nvcc: builds with a compiler were not tried"
fi
[ $failures = 0 ] && echo "all passed" || echo "$failures failures"
exit $((failures > 0))
