#include "privdnn/selection/outcome_source.h"

namespace privdnn {

absl::Status CheckImageList(std::span<const int64_t> images, int64_t count) {
  if (images.empty()) return InvalidArgument("no images");
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i] < 0 || images[i] >= count || (i > 0 && images[i] <= images[i - 1])) {
      return InvalidArgument("image {} of {}, or not in ascending order", images[i], count);
    }
  }
  return absl::OkStatus();
}

}  // namespace privdnn
