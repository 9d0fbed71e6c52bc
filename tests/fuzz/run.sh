#!/usr/bin/env bash
# A short run of every fuzz target: tests/fuzz/run.sh BUILD_FOLDER [SECONDS]. Starts from the seeds of tests/fuzz/corpus; what libFuzzer
# finds on the way stays in a temporary folder. Ends with the closing line "N passed, N failed".
set -u
build=$(cd "${1:?build folder}" && pwd)
seconds=${2:-10}
cd "$(dirname "$0")" || exit 1
passed=0 failed=0
# The folder when it exists: a target may have no seeds.
existing() { [ -d "$1" ] && echo "$1"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "$build"/fuzz/fuzz_*; do
  name=$(basename "$target")
  mkdir -p "$work/$name"
  seeds=corpus/${name#fuzz_}
  if (cd "$work" && timeout $((seconds + 60)) "$target" -max_total_time="$seconds" -rss_limit_mb=4096 -print_final_stats=0 -verbosity=0 \
    "$work/$name" $(existing "$OLDPWD/$seeds")) >"$work/$name.log" 2>&1; then
    echo "$name: $seconds s, nothing found"
    passed=$((passed + 1))
  else
    echo "$name: FAILED"
    tail -n 30 "$work/$name.log"
    failed=$((failed + 1))
  fi
done
echo "fuzzing: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
