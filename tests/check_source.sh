#!/usr/bin/env bash
# Rules of the source that a compiler does not see: format, direction of dependencies, third-party headers in their place,
# banned calls, sizes of files, no path of one machine. Prints every breach; exit 1 when there is one.
set -u
cd "$(dirname "$0")/.." || exit 1
fail=0
breach() {
  printf '%s\n' "$1" | sed "s|^|$2: |"
  fail=1
}
# report TEXT LINES: a breach when LINES is not empty
report() { [ -z "$2" ] || breach "$2" "$1"; }

all=$(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' '*.cu' '*.cuh')
code=$(printf '%s\n' "$all" | grep -vE '^(tests|bench|examples)/')

# --- format
if command -v clang-format >/dev/null; then
  bad=$(printf '%s\n' "$all" | xargs -d '\n' clang-format --dry-run 2>&1 | grep -oE '^[^:]+\.(c|h|cu|cuh)' | sort -u)
  report "not formatted (clang-format -i)" "$bad"
else
  echo "check_source: skipped format: no clang-format"
fi

# --- direction of dependencies: what each folder may include
allowed() {
  case $1 in
    device) echo 'device' ;;
    layers) echo 'device|layers' ;;
    comm) echo 'device|comm' ;;
    io) echo 'device|layers|io' ;;
    trainer) echo 'device|layers|io|comm|trainer' ;;
    launch) echo 'device|layers|io|comm|trainer|launch' ;;
    api) echo 'device|layers|io|comm|trainer|launch|api' ;;
  esac
}
for folder in device layers comm io trainer launch api; do
  files=$(printf '%s\n' "$code" | grep "^$folder/")
  [ -n "$files" ] || continue
  bad=$(printf '%s\n' "$files" | xargs -d '\n' grep -nE '^#include "(device|layers|comm|io|trainer|launch|api)/' |
    grep -vE "#include \"($(allowed $folder))/")
  report "include against the direction of dependencies" "$bad"
done

# --- third-party headers in their place
only_in() { # PATTERN FOLDERS...
  local pattern=$1 where
  shift
  where=$(printf '|^%s' "$@")
  bad=$(printf '%s\n' "$code" | xargs -d '\n' grep -nE "^#include <($pattern)" | grep -vE "${where:1}")
  report "header outside $*" "$bad"
}
only_in 'mpi\.h|nccl\.h' comm/
only_in 'dnnl|oneapi' device/cpu/
only_in 'hdf5\.h|zip\.h|json|zlib\.h|protobuf-c' io/
only_in 'hwloc' launch/
only_in 'cuda|cudnn|cublas|nvrtc' device/cuda/
only_in 'xxhash\.h' device/base/

# --- banned calls
bad=$(printf '%s\n' "$code" | grep -vE '^launch/|^device/base/log\.c$|^device/base/memory\.c$' |
  xargs -d '\n' grep -nE '(^|[^a-z_])(printf|puts|putchar|perror)\(')
report "prints outside launch and device/base/log.c" "$bad"
bad=$(printf '%s\n' "$code" | grep -v '^device/base/memory\.c$' |
  xargs -d '\n' grep -nE '(^|[^a-z_])(malloc|calloc|realloc|strdup)\(')
report "allocation outside device/base/memory.c" "$bad"
bad=$(printf '%s\n' "$code" | grep -v '^launch/\|^device/base/memory\.c$\|^comm/\|^io/hdf5_probe\.c$' |
  xargs -d '\n' grep -nE '(^|[^a-z_])(exit|abort|_exit)\(')
report "ends the process inside the library" "$bad"
bad=$(printf '%s\n' "$code" | xargs -d '\n' grep -nE '(^|[^a-z_])(strcpy|strcat|gets|system|popen)\(' |
  grep -vE 'strcpy\([]a-z_>.[-]+, "[^"]*"\)')
report "unbounded copy or shell" "$bad"
bad=$(printf '%s\n' "$all" | xargs -d '\n' grep -nE '\<(TODO|FIXME|XXX|HACK)\>')
report "work left open in a comment" "$bad"

# --- sizes
bad=$(printf '%s\n' "$all" | xargs -d '\n' wc -l | awk '$2 != "total" && $1 > 500 {print $2 " has " $1 " lines"}')
report "longer than 500 lines" "$bad"

# --- paths of one machine, registry hosts
bad=$(git grep -nIE '/(work|root|farm)/[a-z]|deb\.debian\.org|pypi\.org|files\.pythonhosted' -- . ':!tests/check_source.sh')
report "path of one machine or registry host" "$bad"

if [ "$fail" = 0 ]; then
  echo "check_source: $(printf '%s\n' "$code" | wc -l) files keep the rules"
fi
exit $fail
