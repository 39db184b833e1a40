// What a segment's replies tell of its kernels to the user who gets them, given what that user has in plaintext.
#pragma once

#include <cstdint>

#include "privdnn/partition/partition.h"
#include "privdnn/segment/planner.h"

namespace privdnn {

// How few images' replies give a segment's kernels away.
struct Exposure {
  // By linear algebra: all of them, and the first of them (those of outputs away from the border, or of a shortcut).
  ExtractionCount kernels;
  // Numbers behind an output that the user doesn't have: weights and bias of its neuron and of the first layer's core
  // neurons. Their equations aren't linear: as many as there are numbers may determine them.
  uint64_t parameters = 0, images_by_parameter_count = 0;
};

// `plan`: of `segment`, for its geometry and what linear algebra alone tells (SegmentPlan::extraction).
//
// A user who has the whole first layer in plaintext (no core neurons in it) computes the squares itself: to it the
// second layer is linear in them, and its own weights and bias are all the unknowns. Where that is fewer than the
// unknowns of the lifted kernel, it counts. Squares that are decrypted for a shortcut tell the first layer's neurons
// one by one, each as a kernel of its own.
Exposure CountExposure(const Segment& segment, const SegmentPlan& plan);

}  // namespace privdnn
