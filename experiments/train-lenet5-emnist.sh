#!/bin/sh
# LeNet-5 on EMNIST letters a to m.
#
#   PRIVDNN_DATA=~/data experiments/train-lenet5-emnist.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
exec "$(dirname "$0")/train.sh" "${1:-models}" lenet5-emnist --arch lenet5-emnist --data-set emnist-letters13
