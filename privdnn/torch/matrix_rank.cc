#include "privdnn/torch/matrix_rank.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <exception>

namespace privdnn {

absl::StatusOr<std::vector<int64_t>> MapRanks(const Tensor& maps) {
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(maps.shape));
  if (maps.shape.size() != 4 || count == 0 || count != maps.size()) {
    return InvalidArgument("ranks: {} values of shape ({}); needs (N, C, H, W)", maps.size(),
                           fmt::join(maps.shape, ", "));
  }
  if (!std::all_of(maps.values.begin(), maps.values.end(), [](float v) { return std::isfinite(v); })) {
    return InvalidArgument("ranks: values are not finite");
  }
  const c10::InferenceMode inference;
  try {
    const at::Tensor values = at::from_blob(const_cast<float*>(maps.values.data()), maps.shape, at::kFloat);
    const at::Tensor ranks = at::linalg_matrix_rank(values).to(at::kLong).contiguous();
    return std::vector<int64_t>(ranks.data_ptr<int64_t>(), ranks.data_ptr<int64_t>() + ranks.numel());
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("ranks: {}", e.what()));
  }
}

}  // namespace privdnn
