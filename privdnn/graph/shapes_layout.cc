// The shape rules of operators that move, join or reduce elements.
#include <algorithm>
#include <set>

#include "privdnn/graph/shape_rule.h"

namespace privdnn {
namespace {

// Product of all dimensions but the batch.
absl::StatusOr<int64_t> ElementsPerImage(const Shape& shape) {
  return ElementCount(Shape(shape.begin() + 1, shape.end()));
}

}  // namespace

absl::StatusOr<Shape> ShapeRule::operator()(const op::Flatten& flatten) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  const auto rank = static_cast<int64_t>(x().size());
  if (flatten.axis != 1 && (rank < 2 || flatten.axis != 1 - rank)) {
    return InvalidArgument("axis {} mixes the batch with other dimensions; only axis 1 is supported", flatten.axis);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t elements, ElementsPerImage(x()));
  return Shape{x()[0], elements};
}

// The first dimension must stay the batch, for every batch: 0 says so, and so does -1 if the others take all elements
// of an image.
absl::StatusOr<Shape> ShapeRule::operator()(const op::Reshape& reshape) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t elements, ElementsPerImage(x()));
  if (reshape.shape.empty() || (reshape.shape[0] != 0 && reshape.shape[0] != -1)) {
    return InvalidArgument("target {} must begin with 0 or -1, the batch", ShapeText(reshape.shape));
  }
  Shape out = {x()[0]};
  size_t inferred = 0;  // position of a -1 among the others; 0: none
  int64_t known = 1;
  for (size_t i = 1; i < reshape.shape.size(); ++i) {
    int64_t d = reshape.shape[i];
    if (d == 0 && i < x().size()) d = x()[i];
    if (d == -1 && inferred == 0 && reshape.shape[0] != -1) {
      inferred = i;
    } else if (d < 1 || d > elements / known) {
      return InvalidArgument("target {} does not fit its input {}", ShapeText(reshape.shape), ShapeText(x()));
    } else {
      known *= d;
    }
    out.push_back(d);
  }
  if (inferred != 0 ? elements % known != 0 : elements != known) {
    return InvalidArgument("target {} does not fit its input {}", ShapeText(reshape.shape), ShapeText(x()));
  }
  if (inferred != 0) out[inferred] = elements / known;
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Transpose& transpose) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  const std::vector<int64_t>& order = transpose.permutation;
  if (order.size() != x().size())
    return InvalidArgument("permutation {} is not one of {} dimensions", ShapeText(order), x().size());
  Shape out;
  for (const int64_t from : order) {
    if (from < 0 || from >= static_cast<int64_t>(order.size()) || std::count(order.begin(), order.end(), from) != 1)
      return InvalidArgument("permutation {} is not one of {} dimensions", ShapeText(order), x().size());
    out.push_back(x()[static_cast<size_t>(from)]);
  }
  if (order[0] != 0) return InvalidArgument("permutation {} moves the batch", ShapeText(order));
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Slice& slice) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(slice.axis, x().size()));
  if (slice.start < 0 || slice.start >= slice.end || slice.end > x()[axis]) {
    return InvalidArgument("{} to {} is not a part of the {} of axis {}", slice.start, slice.end, x()[axis],
                           slice.axis);
  }
  if (slice.step < 1 || slice.step > kMaxExtent) return InvalidArgument("step {} lies outside [1, 2^31]", slice.step);
  Shape out = x();
  out[axis] = (slice.end - slice.start - 1) / slice.step + 1;
  return out;
}

absl::StatusOr<Shape> ShapeRule::Reduce(const std::vector<int64_t>& reduced, bool keep_dims) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  if (reduced.empty()) return InvalidArgument("over all dimensions mixes the images");
  std::set<size_t> axes;
  for (const int64_t axis : reduced) {
    PRIVDNN_ASSIGN_OR_RETURN(const size_t positive, NonBatchAxis(axis, x().size()));
    if (!axes.insert(positive).second) return InvalidArgument("axis {} is given twice", axis);
  }
  Shape out;
  for (size_t i = 0; i < x().size(); ++i) {
    if (!axes.contains(i)) out.push_back(x()[i]);
    if (axes.contains(i) && keep_dims) out.push_back(1);
  }
  return out;
}

absl::StatusOr<Shape> ShapeRule::AlongAxis(int64_t axis) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_RETURN_IF_ERROR(NonBatchAxis(axis, x().size()).status());
  return x();
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Concat& concat) const {
  if (operands.empty()) return InvalidArgument("has no inputs");
  const auto first = std::find_if(operands.begin(), operands.end(), [](auto& o) { return o.constant == nullptr; });
  if (first == operands.end()) return Dynamic(0);
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(concat.axis, first->shape.size()));
  Shape out = first->shape;
  out[axis] = 0;
  for (const Operand& operand : operands) {
    Shape other = operand.shape;
    const bool repeated = operand.constant != nullptr && !other.empty() && other[0] == 1;  // the same for every image
    if (repeated) other[0] = out[0];
    if (other.size() == out.size() && (operand.constant == nullptr || repeated)) {
      out[axis] += other[axis];  // at most 2^31 terms of at most 2^31 each
      other[axis] = out[axis];
    }
    if (other != out) {
      return InvalidArgument("cannot concatenate {} and {}", ShapeText(first->shape), ShapeText(operand.shape));
    }
  }
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Gather& gather) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(gather.axis, x().size()));
  if (gather.indices.empty()) return InvalidArgument("has no indices");
  const int64_t extent = x()[axis];
  for (const int64_t index : gather.indices) {
    if (index < -extent || index >= extent) {
      return InvalidArgument("index {} lies outside [-{}, {})", index, extent, extent);
    }
  }
  Shape out = x();
  out[axis] = static_cast<int64_t>(gather.indices.size());
  return out;
}

absl::StatusOr<Shape> ShapeRule::operator()(const op::Pad& pad) const {
  PRIVDNN_RETURN_IF_ERROR(Unary());
  const size_t rank = x().size();
  if (pad.pads.size() != 2 * rank) return InvalidArgument("{} pads for {} dimensions", pad.pads.size(), rank);
  if (pad.pads[0] != 0 || pad.pads[rank] != 0) return InvalidArgument("pads the batch");
  if (!std::isfinite(pad.value)) return InvalidArgument("pads with {}, not a finite number", pad.value);
  Shape out = x();
  for (size_t i = 0; i < pad.pads.size(); ++i) {
    if (pad.pads[i] < 0 || pad.pads[i] > kMaxExtent)
      return InvalidArgument("pad {} lies outside [0, 2^31]", pad.pads[i]);
    out[i % rank] += pad.pads[i];
  }
  return out;
}

}  // namespace privdnn
