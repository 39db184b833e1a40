// A small problem to train on. For tests only.
#pragma once

#include "privdnn/torch/train.h"

namespace privdnn {

// Images of 6x6 whose class is the quadrant that is bright.
ImageSet Quadrants(int64_t count, uint64_t seed);
// conv 3x3 -> batch norm -> square -> average pool -> linear, for Quadrants.
Graph SmallNetwork();
// The same with an asymmetrically padded convolution.
Graph PaddedNetwork();
TrainOptions SmallOptions();

}  // namespace privdnn
