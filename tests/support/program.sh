# Functions for the scripts that drive the built program; sourced by tests/*/test_*.sh. Everything happens in a folder of its own,
# which goes when the script ends.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$support/mpi_environment.sh"
export OMPI_MCA_odls_base_sigkill_timeout=0 OMPI_MCA_mpi_yield_when_idle=1
export LC_ALL=C HOME=/nonexistent OMP_WAIT_POLICY=passive
unset KDIST_SET KDIST_TRANSPORT NO_COLOR FORCE_COLOR
work=$(mktemp -d "${TMPDIR:-/tmp}/kdist-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
limit=60 # seconds after which a run counts as hanging

fail() {
  failures=$((failures + 1))
  echo "FAILED: $(cut -c1-400 <<<"$*")"
}

finish() {
  [ $failures = 0 ] && echo "all passed in $SECONDS s" || echo "$failures failures in $SECONDS s"
  exit $((failures > 0))
}

# kdist RANKS ARGUMENT...: 0 ranks: without mpirun.
kdist() {
  local ranks=$1
  shift
  if [ "$ranks" = 0 ]; then
    timeout -k 5 $limit "$KDIST" "$@"
  else
    timeout -k 5 $limit mpirun -np "$ranks" "$KDIST" "$@"
  fi
}

# expect CODE TEXT RANKS ARGUMENT...: runs and compares the exit code; output in the files `out` and `err`.
expect() {
  local code=$1 text=$2 got
  shift 2
  kdist "$@" >out 2>err
  got=$?
  [ $got = "$code" ] && return 0
  fail "$text: exit code $got, not $code: kdist $*"
  tail -n 5 err
  return 1
}

# has FILE TEXT: the file holds the text.
has() {
  grep -qF -e "$2" "$1" && return 0
  fail "$1 lacks '$2':"
  head -n 5 "$1"
  return 1
}

same() { cmp -s "$1" "$2" || fail "${3:-files}: $1 and $2 differ"; }

# equal A B: what the runs in runs/A and runs/B left, as far as it is compared, is the same bytes.
compared=(model.weights.h5 log.csv)
equal() {
  for file in "${compared[@]}"; do same runs/$1/$file runs/$2/$file "run $2"; done
}

# --- data ---

# csv ROWS SEED: four numbers and a label of three classes that follows from them.
csv() {
  awk -v n="$1" -v seed="$2" 'BEGIN {
    srand(seed)
    print "a,b,c,d,label"
    for (i = 0; i < n; i++) {
      a = rand(); b = rand(); c = rand(); d = rand()
      printf "%.6f,%.6f,%.6f,%.6f,%d\n", a, b, c, d, (a > b) + (c > d)
    }
  }'
}

# bytes: decimal numbers from stdin as bytes.
bytes() { printf '%b' "$(awk '{ for (i = 1; i <= NF; i++) printf "\\0%03o", $i }')"; }

# idx_images ROWS SEED, idx_labels ROWS SEED: 8 x 8 images of unsigned bytes, a bright stripe at the label's place; 4 classes.
idx_images() {
  awk -v n="$1" -v seed="$2" 'BEGIN {
    srand(seed)
    print "0 0 8 3 0 0", int(n / 256), n % 256, "0 0 0 8 0 0 0 8"
    for (i = 0; i < n; i++)
      for (p = 0; p < 64; p++) printf "%d ", int(rand() * 120) + 120 * (int(p / 16) == i % 4)
  }' | bytes
}
idx_labels() {
  awk -v n="$1" 'BEGIN {
    print "0 0 8 1 0 0", int(n / 256), n % 256
    for (i = 0; i < n; i++) printf "%d ", i % 4
  }' | bytes
}
