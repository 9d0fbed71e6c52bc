#!/bin/bash
# SavedModels of whole models: see check_saved_model_models.py.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: tensorflow (KDIST_PYTHON is not set)"; exit 77; }
exec "$KDIST_PYTHON" "$(dirname "$0")/check_saved_model_models.py" "$KDIST" "$(dirname "$0")/../../examples"
