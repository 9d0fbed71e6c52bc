#!/bin/bash
# Models that Keras saves: kdist computes, takes compile settings, trains and gives weights back.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
exec "$KDIST_PYTHON" "$(dirname "$0")/check_keras_models.py" "$KDIST"
