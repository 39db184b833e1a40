// Segments of the paper's networks, for tests.
#pragma once

#include "privdnn/segment/geometry.h"

namespace privdnn {

// LeNet-5's segment, as in the design document.
inline SegmentSpec LeNetSpec(uint32_t outputs = 1) {
  SegmentSpec s;
  s.input = {28, 28};
  s.kernel1 = {5, 5};
  s.pool1 = s.pool1_stride = {2, 2};
  s.groups = {{outputs, {6, 6}, {2, 2}, {0, 0}, {4, 4}}};  // 5x5, then an average pool of 2x2
  s.input_scale = 1.0 / 254;
  s.zero_point = -127;
  return s;
}

// VGG16's first two layers, half of the second encrypted.
inline SegmentSpec VggSpec(uint32_t outputs = 32) {
  SegmentSpec s;
  s.channels = 3;
  s.input = {32, 32};
  s.kernel1 = {3, 3};
  s.pads1 = s.pads2 = {1, 1, 1, 1};
  s.groups = {{outputs, {3, 3}, {1, 1}, {0, 0}, {32, 32}}};
  return s;
}

// A first block of ResNet18: a 3x3 convolution and a shortcut behind the square, on 64x64 images.
inline SegmentSpec ResNetSpec() {
  SegmentSpec s = VggSpec();
  s.input = {64, 64};
  s.groups = {{32, {3, 3}, {1, 1}, {0, 0}, {64, 64}}, {32, {1, 1}, {1, 1}, {1, 1}, {64, 64}}};
  return s;
}

}  // namespace privdnn
