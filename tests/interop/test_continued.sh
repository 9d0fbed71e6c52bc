#!/bin/bash
# kdist goes on with the optimizer of a model that Keras has saved.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
exec "$KDIST_PYTHON" "$(dirname "$0")/check_continued.py" "$KDIST"
