#!/usr/bin/env bash
# The complete configurations in the documents (code blocks whose first line names a file) are right, and so are examples/.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk -v folder="$folder" '
  /^```ini$/ { inside = 1; file = ""; next }
  /^```$/ { inside = 0; file = "" }
  inside == 1 { inside = 2; if ($1 == "#" && $2 ~ /\.ini:?$/) { file = $2; sub(/:$/, "", file) } }
  file != "" { print > (folder "/" file) }' README.md docs/*.md
status=0
count=0
for file in "$folder"/*.ini examples/*.ini; do
  "$KDIST" summary "$file" >"$folder/out" 2>&1 || { cat "$folder/out"; echo "$file: not right"; status=1; }
  ! grep warning "$folder/out" || { echo "$file: has warnings"; status=1; }
  "$KDIST" config "$file" >"$folder/printed" && "$KDIST" config "$folder/printed" | cmp - "$folder/printed" ||
    { echo "$file: what 'kdist config' prints is not read back alike"; status=1; }
  count=$((count + 1))
done
[ "$count" -ge 6 ] || { echo "only $count configurations were found"; status=1; }
exit $status
