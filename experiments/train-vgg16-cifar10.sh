#!/bin/sh
# VGG16 on CIFAR-10.
#
#   PRIVDNN_DATA=~/data experiments/train-vgg16-cifar10.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
at_most 1 "$@"
exec "$(dirname "$0")/train.sh" "${1:-models}" vgg16-cifar10 --arch vgg16-cifar10
