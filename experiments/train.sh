#!/bin/sh
# One training, as the scripts beside this one run it: `privdnn train OPTIONS...`, to OUTPUT_DIRECTORY/NAME.onnx.
#
#   PRIVDNN_DATA=~/data experiments/train.sh OUTPUT_DIRECTORY NAME OPTIONS...
#
# Stopped, it goes on where it was when it is started again. PRIVDNN names another program than build/release/privdnn.
set -eu
# shellcheck source=experiments/help.sh
. "$(dirname "$0")/help.sh"
[ $# -ge 4 ] || wrong_usage 'needs OUTPUT_DIRECTORY, NAME and options of privdnn train'
: "${PRIVDNN_DATA:?set it to the data root, see privdnn data list}"
out=$1
name=$2
shift 2
mkdir -p "$out"
# Waiting threads sleep rather than turn, and OpenBLAS uses AVX-512 on processors that it does not know.
export OMP_WAIT_POLICY=passive
export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE-SkylakeX}"
exec "${PRIVDNN:-$(dirname "$0")/../build/release/privdnn}" train "$@" \
  --checkpoint "$out/$name.state" --out "$out/$name.onnx" --json
