#!/bin/sh
# AlexNet on GTSRB.
#
#   PRIVDNN_DATA=~/data experiments/train-alexnet-gtsrb.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
out=${1:-models}
train=$(dirname "$0")/train.sh
# Twice 12 epochs: the second run starts from the first one's model, at the full learning rate again.
"$train" "$out" alexnet-gtsrb-first --arch alexnet-gtsrb
exec "$train" "$out" alexnet-gtsrb --arch alexnet-gtsrb --init "$out/alexnet-gtsrb-first.onnx" --seed 2
