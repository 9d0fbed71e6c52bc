#!/bin/bash
# 50 steps from the same weights on the same batches have the losses that PyTorch computed, alone and on two ranks. Statistics of
# batch normalisation are those of a rank's rows, so the convolutional net is the same on one rank alone.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/curves.sh" || exit 1
curves 0 "cnn lstm transformer"
curves 2 "lstm transformer" distributed.determinism=run
finish
