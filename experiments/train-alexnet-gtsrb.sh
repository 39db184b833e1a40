#!/bin/sh
# AlexNet on GTSRB.
#
#   PRIVDNN_DATA=~/data experiments/train-alexnet-gtsrb.sh [OUTPUT_DIRECTORY]
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
# Twice 12 epochs: the second run starts from the first one's model, at the full learning rate again.
"$program" train --arch alexnet-gtsrb \
  --checkpoint "$out/alexnet-gtsrb-first.state" --out "$out/alexnet-gtsrb-first.onnx" --json
exec "$program" train --arch alexnet-gtsrb --init "$out/alexnet-gtsrb-first.onnx" --seed 2 \
  --checkpoint "$out/alexnet-gtsrb.state" --out "$out/alexnet-gtsrb.onnx" --json
