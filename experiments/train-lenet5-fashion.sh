#!/bin/sh
# LeNet-5 (MNIST's architecture) on Fashion-MNIST.
#
#   PRIVDNN_DATA=~/data experiments/train-lenet5-fashion.sh [OUTPUT_DIRECTORY]
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
exec "$program" train --arch lenet5-mnist --data-set fashion-mnist --epochs 20 --no-augmentation --flip 0.5 \
  --checkpoint "$out/lenet5-fashion.state" --out "$out/lenet5-fashion.onnx" --json
