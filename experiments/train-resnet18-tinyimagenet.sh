#!/bin/sh
# ResNet18 on Tiny ImageNet.
#
#   PRIVDNN_DATA=~/data experiments/train-resnet18-tinyimagenet.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
exec "$(dirname "$0")/train.sh" "${1:-models}" resnet18-tinyimagenet --arch resnet18-tinyimagenet
