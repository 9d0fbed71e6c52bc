#!/bin/bash
# Weights of samples and classes, and weighted metrics: fit gives the losses and metrics that Keras's fit gives.
[ -x "$KDIST" ] || { echo "skipped: set KDIST to the built program"; exit 77; }
[ -n "$KDIST_PYTHON" ] || { echo "skipped: Keras itself (KDIST_PYTHON is not set)"; exit 77; }
. "$(dirname "$0")/../support/mpi_environment.sh"
exec "$KDIST_PYTHON" "$(dirname "$0")/check_sample_weights.py" "$KDIST"
