// Images for tests.
#pragma once

#include "privdnn/data/dataset.h"

namespace privdnn {

// Returns 28x28 pixels without meaning, always the same, and labels 0 to 9 in turn.
inline ImageSet RandomImages(int64_t count) {
  ImageSet set{count, 1, 28, 28, {}, {}, 10};
  uint32_t state = 1;
  for (int64_t i = 0; i < count * 784; ++i) {
    state = state * 1664525 + 1013904223;
    set.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  for (int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<int32_t>(i % 10));
  return set;
}

}  // namespace privdnn
