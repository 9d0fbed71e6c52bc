# Losses of 50 steps against those of PyTorch (tests/golden/make_curves.py); sourced behind program.sh.

# curves RANKS NETS OVERRIDE...: trains the nets from the same weights on the same batches.
curves() {
  local ranks=$1 nets=$2 net
  shift 2
  [ -d curves ] || cp -r "$support/../golden/curves" .
  cd curves || exit 1
  for net in $nets; do
    rm -rf curve
    expect 0 "the curve of $net: $*" "$ranks" fit "$net.ini" run.dir=curve train.save=none "$@"
    paste -d, "$net.csv" <(tail -n +2 curve/log.csv) |
      awk -F, '{ d = $1 - $3; if (d * d > (1e-4 + 1e-3 * $1) ^ 2) { print "step " NR ": " $3 ", PyTorch " $1; exit 1 } }
        END { if (NR != 50) { print NR " steps"; exit 1 } }' >difference ||
      fail "the curve of $net, $*: $(tail -n 1 difference)"
  done
  cd ..
}
