#!/bin/sh
# LeNet-5 (MNIST's architecture) on Fashion-MNIST.
#
#   PRIVDNN_DATA=~/data experiments/train-lenet5-fashion.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
exec "$(dirname "$0")/train.sh" "${1:-models}" lenet5-fashion --arch lenet5-mnist --data-set fashion-mnist \
  --epochs 20 --no-augmentation --flip 0.5
