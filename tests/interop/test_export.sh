#!/bin/bash
# Models that kdist exports are the same models in Keras: predictions, compile settings, and training that goes on.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
. "$(dirname "$0")/../support/mpi_environment.sh"
exec "$KDIST_PYTHON" "$(dirname "$0")/check_export.py" "$KDIST" "$(dirname "$0")/../golden"
