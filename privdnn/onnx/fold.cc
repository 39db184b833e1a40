#include "privdnn/onnx/fold.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

namespace privdnn {
namespace {

using Offsets = std::vector<std::vector<uint32_t>>;

std::vector<uint32_t> Strides(const std::vector<int64_t>& shape) {
  std::vector<uint32_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * static_cast<uint32_t>(shape[i]);
  return strides;
}

std::vector<uint32_t> Multiples(int64_t count, uint32_t stride) {
  std::vector<uint32_t> multiples;
  for (int64_t i = 0; i < count; ++i) multiples.push_back(static_cast<uint32_t>(i) * stride);
  return multiples;
}

absl::Status CheckNotEmpty(const std::vector<int64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0) == shape.end()) return absl::OkStatus();
  return InvalidArgument("a constant of shape ({}) is empty", fmt::join(shape, ", "));
}

// Each dimension of a constant that isn't empty, but for `without`.
Offsets OffsetsOf(const std::vector<int64_t>& shape, std::optional<size_t> without = std::nullopt) {
  const auto strides = Strides(shape);
  Offsets offsets;
  for (size_t i = 0; i < shape.size(); ++i) {
    offsets.push_back(i == without ? std::vector<uint32_t>() : Multiples(shape[i], strides[i]));
  }
  return offsets;
}

// Sums of one offset for each dimension, the last dimension fastest.
std::vector<uint32_t> Positions(const Offsets& offsets) {
  if (std::any_of(offsets.begin(), offsets.end(), [](const auto& o) { return o.empty(); })) return {};
  std::vector<uint32_t> positions = {0};
  for (const auto& dimension : offsets) {
    std::vector<uint32_t> next;
    next.reserve(positions.size() * dimension.size());
    for (const uint32_t position : positions) {
      for (const uint32_t offset : dimension) next.push_back(position + offset);
    }
    positions = std::move(next);
  }
  return positions;
}

bool OverflowsInt64(const Op& op, int64_t a, int64_t b, int64_t& result) {
  if (std::holds_alternative<op::Add>(op)) return __builtin_add_overflow(a, b, &result);
  if (std::holds_alternative<op::Sub>(op)) return __builtin_sub_overflow(a, b, &result);
  if (std::holds_alternative<op::Mul>(op)) return __builtin_mul_overflow(a, b, &result);
  if (std::holds_alternative<op::Div>(op)) {
    if (b == 0 || (a == INT64_MIN && b == -1)) return true;
    result = a / b;
    return false;
  }
  result = std::holds_alternative<op::Max>(op) ? std::max(a, b) : std::min(a, b);
  return false;
}

// Whether the operator leaves `a` as it is for this `b`.
bool IsNeutral(const Op& op, int64_t b) {
  if (std::holds_alternative<op::Add>(op) || std::holds_alternative<op::Sub>(op)) return b == 0;
  return (std::holds_alternative<op::Mul>(op) || std::holds_alternative<op::Div>(op)) && b == 1;
}

float Apply(const Op& op, float x, float y) {
  const double a = x, b = y;
  if (std::holds_alternative<op::Add>(op)) return static_cast<float>(a + b);
  if (std::holds_alternative<op::Sub>(op)) return static_cast<float>(a - b);
  if (std::holds_alternative<op::Mul>(op)) return static_cast<float>(a * b);
  if (std::holds_alternative<op::Div>(op)) return static_cast<float>(a / b);
  return static_cast<float>(std::holds_alternative<op::Max>(op) ? std::max(a, b) : std::min(a, b));
}

}  // namespace

absl::Status FoldBudget::Spend(const std::vector<int64_t>& shape) {
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (count > left_) {
    return InvalidArgument("a constant of {} elements: folded constants are too large for the model", count);
  }
  left_ -= count;
  return absl::OkStatus();
}

absl::StatusOr<size_t> ConstantAxis(int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) return InvalidArgument("axis {} lies outside [-{}, {})", axis, r, r);
  return static_cast<size_t>(axis < 0 ? axis + r : axis);
}

absl::StatusOr<std::vector<size_t>> SortedAxes(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> positive;
  for (const int64_t axis : axes) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t counted, ConstantAxis(axis, rank));
    positive.push_back(counted);
  }
  std::sort(positive.begin(), positive.end());
  if (std::adjacent_find(positive.begin(), positive.end()) != positive.end())
    return InvalidArgument("an axis is given twice");
  return positive;
}

absl::Status CheckPermutation(const std::vector<int64_t>& permutation, size_t rank) {
  std::vector<int64_t> sorted = permutation, expected(rank);
  std::sort(sorted.begin(), sorted.end());
  std::iota(expected.begin(), expected.end(), 0);
  if (sorted == expected) return absl::OkStatus();
  return InvalidArgument("permutation ({}) is not one of {} dimensions", fmt::join(permutation, ", "), rank);
}

absl::StatusOr<Rearrangement> TransposeElements(const std::vector<int64_t>& shape,
                                                const std::vector<int64_t>& permutation, FoldBudget& budget) {
  PRIVDNN_RETURN_IF_ERROR(CheckNotEmpty(shape));
  PRIVDNN_RETURN_IF_ERROR(budget.Spend(shape));
  PRIVDNN_RETURN_IF_ERROR(CheckPermutation(permutation, shape.size()));
  const Offsets offsets = OffsetsOf(shape);
  Rearrangement result;
  Offsets permuted;
  for (const int64_t from : permutation) {
    result.shape.push_back(shape[static_cast<size_t>(from)]);
    permuted.push_back(offsets[static_cast<size_t>(from)]);
  }
  result.from = Positions(permuted);
  return result;
}

absl::StatusOr<Rearrangement> GatherElements(const std::vector<int64_t>& shape, size_t axis, const IntTensor& indices,
                                             FoldBudget& budget) {
  PRIVDNN_RETURN_IF_ERROR(CheckNotEmpty(shape));
  const auto at = [axis](auto& values) { return values.begin() + static_cast<std::ptrdiff_t>(axis); };
  Rearrangement result{shape, {}};
  result.shape.erase(at(result.shape));
  result.shape.insert(at(result.shape), indices.shape.begin(), indices.shape.end());
  PRIVDNN_RETURN_IF_ERROR(budget.Spend(result.shape));
  // As long as the result at the most: a constant may be long, and many nodes may take a value out of it.
  Offsets offsets = OffsetsOf(shape, axis);
  std::vector<uint32_t>& gathered = offsets[axis];
  const uint32_t stride = Strides(shape)[axis];
  const int64_t extent = shape[axis];
  for (size_t i = 0; i < indices.values.size(); ++i) {
    const int64_t index = indices.values[i];
    if (indices.IsBatch(i) || index < -extent || index >= extent) {
      return InvalidArgument("index {} lies outside [-{}, {})", index, extent, extent);
    }
    gathered.push_back(static_cast<uint32_t>(index < 0 ? index + extent : index) * stride);
  }
  result.from = Positions(offsets);
  return result;
}

absl::StatusOr<Rearrangement> ExpandElements(const std::vector<int64_t>& shape, const std::vector<int64_t>& target,
                                             FoldBudget& budget) {
  PRIVDNN_RETURN_IF_ERROR(CheckNotEmpty(shape));
  PRIVDNN_RETURN_IF_ERROR(CheckNotEmpty(target));
  PRIVDNN_RETURN_IF_ERROR(budget.Spend(target));
  const Offsets own = OffsetsOf(shape);
  Offsets offsets;
  const size_t added = target.size() - shape.size();
  for (size_t i = 0; i < target.size(); ++i) {
    const bool repeated = i < added || shape[i - added] != target[i];
    offsets.push_back(repeated ? Multiples(target[i], 0) : own[i - added]);
  }
  return Rearrangement{target, Positions(offsets)};
}

Tensor Rearrange(const Tensor& tensor, const Rearrangement& order) {
  Tensor result{order.shape, {}};
  for (const uint32_t i : order.from) result.values.push_back(tensor.values[i]);
  return result;
}

IntTensor Rearrange(const IntTensor& tensor, const Rearrangement& order) {
  IntTensor result{order.shape, {}};
  for (const uint32_t i : order.from) {
    result.values.push_back(tensor.values[i]);
    result.batch.push_back(tensor.IsBatch(i));
  }
  return result;
}

absl::StatusOr<std::vector<int64_t>> BroadcastShape(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> out = a.size() < b.size() ? b : a;
  const std::vector<int64_t>& other = a.size() < b.size() ? a : b;
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t& d = out[i + out.size() - other.size()];
    if (d != other[i] && d != 1 && other[i] != 1) {
      return InvalidArgument("cannot broadcast ({}) and ({})", fmt::join(a, ", "), fmt::join(b, ", "));
    }
    if (d == 1) d = other[i];
  }
  return out;
}

absl::StatusOr<Tensor> FoldArithmetic(const Op& op, const Tensor& a, const Tensor& b, FoldBudget& budget) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, BroadcastShape(a.shape, b.shape));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement left, ExpandElements(a.shape, shape, budget));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement right, ExpandElements(b.shape, shape, budget));
  Tensor result{shape, {}};
  for (size_t i = 0; i < left.from.size(); ++i) {
    result.values.push_back(Apply(op, a.values[left.from[i]], b.values[right.from[i]]));
  }
  return result;
}

absl::StatusOr<IntTensor> FoldArithmetic(const Op& op, const IntTensor& a, const IntTensor& b, FoldBudget& budget) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto shape, BroadcastShape(a.shape, b.shape));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement left, ExpandElements(a.shape, shape, budget));
  PRIVDNN_ASSIGN_OR_RETURN(const Rearrangement right, ExpandElements(b.shape, shape, budget));
  IntTensor result{shape, {}};
  for (size_t i = 0; i < left.from.size(); ++i) {
    const size_t l = left.from[i], r = right.from[i];
    const bool batch = a.IsBatch(l) || b.IsBatch(r);
    const bool commutes = std::holds_alternative<op::Add>(op) || std::holds_alternative<op::Mul>(op);
    const bool unchanged =
        (!b.IsBatch(r) && IsNeutral(op, b.values[r])) || (!a.IsBatch(l) && commutes && IsNeutral(op, a.values[l]));
    int64_t value = 0;
    if (batch && !unchanged) return InvalidArgument("computes with the size of the batch");
    if (!batch && OverflowsInt64(op, a.values[l], b.values[r], value)) {
      return InvalidArgument("{} of {} and {} is not a 64-bit integer", OpName(op), a.values[l], b.values[r]);
    }
    result.values.push_back(value);
    result.batch.push_back(batch);
  }
  return result;
}

absl::StatusOr<std::vector<int64_t>> ReshapedShape(const std::vector<int64_t>& shape, std::vector<int64_t> target,
                                                   bool allow_zero) {
  const absl::Status mismatch =
      InvalidArgument("target ({}) does not fit its input ({})", fmt::join(target, ", "), fmt::join(shape, ", "));
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(shape));
  std::vector<int64_t> known;
  int64_t* inferred = nullptr;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && !allow_zero && i < shape.size()) target[i] = shape[i];
    if (target[i] < -1 || (target[i] == -1 && inferred != nullptr)) return mismatch;
    if (target[i] == -1) {
      inferred = &target[i];
    } else {
      known.push_back(target[i]);
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(known));
  if (inferred == nullptr ? count != elements : count == 0 || elements % count != 0) return mismatch;
  if (inferred != nullptr) *inferred = elements / count;
  return target;
}

}  // namespace privdnn
