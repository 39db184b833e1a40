#!/bin/sh
# VGG16 on CIFAR-10.
#
#   PRIVDNN_DATA=~/data experiments/train-vgg16-cifar10.sh [OUTPUT_DIRECTORY]
#
# Stopped, it goes on where it was when it is started again.
set -eu
: "${PRIVDNN_DATA:?set it to the data root, see privdnn data list}"
out=${1:-models}
program=${PRIVDNN:-$(dirname "$0")/../build/release/privdnn}
mkdir -p "$out"
# Waiting threads sleep rather than turn, and OpenBLAS uses AVX-512 on processors that it does not know.
export OMP_WAIT_POLICY=passive
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE-SkylakeX}"
exec "$program" train --arch vgg16-cifar10 \
  --checkpoint "$out/vgg16-cifar10.state" --out "$out/vgg16-cifar10.onnx" --json
