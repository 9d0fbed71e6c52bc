#!/usr/bin/env bash
# docs/parity.md names every class of the program, and no difference from Keras is larger than it says.
exec "$(dirname "$0")/../../docs/parity.sh" --check
