#!/bin/sh
# LeNet-5 on MNIST: the network that the program carries (assets/lenet5-mnist).
#
#   PRIVDNN_DATA=~/data experiments/train-lenet5-mnist.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
exec "$(dirname "$0")/train.sh" "${1:-models}" lenet5-mnist --arch lenet5-mnist --seed 1 --hold-out 5000
