// What a segment's replies reveal of its kernels to their user, given what that user has in plaintext.
#pragma once

#include <cstdint>

#include "privdnn/partition/partition.h"
#include "privdnn/segment/planner.h"

namespace privdnn {

// The fewest images whose replies reveal a segment's kernels.
struct Exposure {
  // By linear algebra: all kernels, and the first ones (those of outputs away from the border, or of a shortcut).
  ExtractionCount kernels;
  // The numbers behind an output that the user lacks: weights and bias of its neuron and of the first layer's core
  // neurons. Their equations aren't linear; as many equations as numbers may determine them.
  uint64_t parameters = 0, images_by_parameter_count = 0;
};

// Counts the exposure of `segment`. `plan` is its plan, and gives the geometry and the result of linear algebra alone
// (SegmentPlan::extraction).
//
// If the first layer has no core neurons, the user has all of it in plaintext and computes the squares. The second
// layer is then linear in the squares, and its weights and bias are the only unknowns. The count uses these unknowns if
// they are fewer than those of the lifted kernel. Squares that are decrypted for a shortcut reveal the first layer's
// neurons one by one, each as its own kernel.
Exposure CountExposure(const Segment& segment, const SegmentPlan& plan);

}  // namespace privdnn
