#!/bin/bash
# The plot command: files, options, mistakes; graphviz reads the DOT text and XML tools the SVG.
. "$(dirname "$0")/../support/program.sh" || exit 1
for tool in xmllint dot; do command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }; done
examples=$support/../../examples

cat >odd.ini <<'INI'
[run]
name = "<odd> \"name\" & \\ more"
[block pair]
params = n
a = Dense(${n})
b = Dense(${n})
[input x]
shape = 4
[layers]
body = pair(4, repeat=2)
[train]
loss = mse
INI

files() {
  expect 0 "a shared layer" 0 plot "$support/../golden/summary/shared.ini" -o shared.svg
  has shared.svg "Dense, shares encode"
  [ "$(grep -c '272 params' shared.svg)" = 2 ] || fail "a shared layer's params stand at other calls"
  expect 0 "default file" 0 plot odd.ini
  [ -s model.svg ] || fail "no model.svg"
  has model.svg "&lt;odd&gt;"
  has model.svg '<title>body.0/a (Dense): (None, 4) · 20 params</title>'
  has model.svg "body.1 · pair · 2 of 2"
  expect 0 "under mpirun" 2 plot odd.ini -o ranks.svg
  same model.svg ranks.svg "the same picture"
  expect 0 "folded" 0 plot odd.ini -o folded.svg --depth 1
  has folded.svg "pair ×2"
  grep -q 'class="g"' folded.svg && fail "a folded picture has frames"
  for name in odd.dot odd.gv; do
    expect 0 "DOT" 0 plot odd.ini -o $name --direction LR
    has $name 'digraph "<odd> \"name\" & \\ more" {'
    has $name 'rankdir=LR'
    has $name 'subgraph cluster_1 {'
    [ "$(grep -c ' -> ' $name)" = 4 ] || fail "$name: not four edges"
  done
  printf '[layer body.1/b]\nunits = 7\n' >>one.ini
  expect 0 "one copy changed" 0 plot odd.ini one.ini -o other.svg
  has other.svg "(None, 7) · 35 params"
}

tools() {
  for name in resnet50 fashion_mlp; do
    for direction in TB LR; do
      expect 0 "$name" 0 plot "$examples/$name.ini" -o p.svg --direction=$direction
      expect 0 "$name" 0 plot "$examples/$name.ini" -o p.dot --direction=$direction
      xmllint --noout p.svg || fail "$name.svg is not XML"
      dot -Tplain p.dot >plain || fail "graphviz refuses $name.dot"
    done
  done
  xmllint --noout model.svg folded.svg || fail "odd names break XML"
  dot -Tplain odd.dot >plain || fail "odd names break DOT"
}

many() {
  { printf '[input x]\nshape = 4\n[layers]\n'; for i in $(seq 10000); do echo "d$i = Dense(4)"; done; } >deep.ini
  limit=10
  expect 0 "10,000 layers" 0 plot deep.ini -o deep.svg
  [ "$(grep -c '<g>' deep.svg)" = 10001 ] || fail "not all layers are drawn"
}

mistakes() {
  rm -f p.svg
  expect 2 "unknown suffix" 0 plot odd.ini -o p.png
  has err "-o p.png: the name must end with .svg, .dot or .gv"
  expect 2 "no suffix" 0 plot odd.ini -o a.svg/model
  expect 2 "depth" 0 plot odd.ini -o p.svg --depth 0
  expect 2 "direction" 0 plot odd.ini -o p.svg --direction up
  expect 2 "no file" 0 plot nowhere.ini -o p.svg
  [ -e p.svg ] && fail "a file after a mistake"
  expect 1 "no such folder" 0 plot odd.ini -o nowhere/p.svg
  has err "nowhere/p.svg"
  mkdir folder.svg
  expect 1 "a folder is in the way" 0 plot odd.ini -o folder.svg
  expect 0 "help" 0 help plot
  has out "--direction"
}

files
tools
many
mistakes
finish
