#!/bin/bash
# The models of examples/*.ini learn what Keras's learn: see check_example_models.py.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
. "$(dirname "$0")/../support/mpi_environment.sh"
exec "$KDIST_PYTHON" "$(dirname "$0")/check_example_models.py" "$KDIST" "$(dirname "$0")/../../examples"
