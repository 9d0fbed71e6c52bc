#!/bin/bash
# The optimizer's variables in kdist's weights files are Keras's, in Keras's order.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
exec "$KDIST_PYTHON" "$(dirname "$0")/check_optimizer.py" "$KDIST"
