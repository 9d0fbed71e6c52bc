#!/usr/bin/env bash
# The committed reference pages are what docs/generate.sh makes of the present option tables.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
docs/generate.sh "$folder"
status=0
for page in layers.md config.md; do
  # An empty page would agree with an empty page.
  grep -q '^## ' "$folder/$page" || { echo "$page: nothing was generated"; status=1; }
  diff -u "docs/$page" "$folder/$page" || { echo "docs/$page is old: run docs/generate.sh"; status=1; }
done
exit $status
