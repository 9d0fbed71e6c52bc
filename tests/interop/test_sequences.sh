#!/bin/bash
# Weights files of recurrent and attention layers and of wrappers go from Keras to kdist and back.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
exec "$KDIST_PYTHON" "$(dirname "$0")/check_sequences.py" "$KDIST"
