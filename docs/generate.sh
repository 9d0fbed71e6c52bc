#!/usr/bin/env bash
# Writes the reference pages that are made from the program's option tables: layers.md and config.md.
#   docs/generate.sh            into docs/
#   docs/generate.sh FOLDER     elsewhere (tests/docs/test_generated.sh compares)
# The program is $KDIST, else build/bin/kdist.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/docs}
kdist=${KDIST:-$root/build/bin/kdist}
[ -x "$kdist" ] || { echo "generate.sh: $kdist is not there: build it, or set KDIST" >&2; exit 1; }

# The block of one kind: a name may stand in several families (MeanSquaredError is a loss and a metric).
block() { # NAME NOUN
  "$kdist" layers "$1" | awk -v head="$1 ($2): " '
    index($0, head) == 1 { on = 1; next }
    /^$/ { on = 0 }
    on { sub(/ +$/, ""); print }'
}

layers() {
  cat <<'TEXT'
# Layers, losses, optimizers and everything else with a name

Made by `docs/generate.sh` from the option tables: change those, not this page. `kdist layers NAME` prints the same.
Columns: option (Keras's argument), type and range, default, meaning. Options are given by name, or by position
in the order shown; what is marked `call:` stands behind the inputs, by name (language.md).
TEXT
  "$kdist" layers | awk '/^[a-z]+:$/ { family = substr($0, 1, length($0) - 1); next }
    /^  / { print family, $1 }' | while read -r family name; do
    if [ "$family" != "${last:-}" ]; then
      printf '\n## %s%s\n' "$(printf '%s' "${family:0:1}" | tr '[:lower:]' '[:upper:]')" "${family:1}"
      last=$family
    fi
    noun=${family%s}
    [ "$family" = losses ] && noun=loss
    help=$("$kdist" layers "$name" | sed -n "s/^$name ($noun): //p")
    # shellcheck disable=SC2016
    printf '\n### %s\n\n%s.\n\n```\n%s\n```\n' "$name" "${help^}" "$(block "$name" "$noun")"
  done
}

config() {
  cat <<'TEXT'
# Sections and keys of a configuration

Made by `docs/generate.sh` from the option tables: change those, not this page. `kdist config --schema` prints the
same. Columns: key, type and range, default, meaning. `[layer NAME]`, `[layers]`, `[block NAME]`, `[defaults TYPE]`
and `[callbacks]` take what [layers.md](layers.md) lists; `[data]` also takes `map.NAME = dataset or columns`. Keys
that begin with `x-` are the user's own.
TEXT
  "$kdist" config --schema | awk '
    /^\[/ { if (open) print "```"; split($0, part, "] "); printf "\n## %s]\n\n%s.\n\n```\n", part[1],
            toupper(substr(part[2], 1, 1)) substr(part[2], 2); open = 1; next }
    { sub(/ +$/, ""); print }
    END { if (open) print "```" }'
}

mkdir -p "$out"
layers >"$out/layers.md"
config >"$out/config.md"
