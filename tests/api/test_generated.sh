#!/usr/bin/env bash
# The committed typed layers are what api/generate.sh makes of the present option tables.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || { echo "skipped: no clang-format"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
api/generate.sh "$folder"
status=0
for file in include/kdist_layers_convolution.h api/layers.def; do
  [ "$(grep -c 'onv2d' "$folder/$file")" -gt 2 ] || { echo "$file: nothing was generated"; status=1; }
done
for file in $({ ls include/kdist_layers*.h api/layers.def; (cd "$folder" && ls include/*.h); } | sort -u); do
  diff -uN "$file" "$folder/$file" || { echo "$file is old: run api/generate.sh"; status=1; }
done
# Every class has a macro: a typed one, one for merging, or kd_net_input.
for class in $("$KDIST" layers | sed -n '/^layers:/,/^$/s/^  \([A-Za-z0-9]*\) .*/\1/p'); do
  [ "$class" = InputLayer ] || grep -q "^LAYER([a-z0-9_]*, \"$class\"\|KD_MERGE_(\"$class\"" api/layers.def include/kdist.h ||
    { echo "class $class has no macro in the C API"; status=1; }
done
exit $status
