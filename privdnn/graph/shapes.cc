#include "privdnn/graph/shapes.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace privdnn {

using Shape = std::vector<int64_t>;

absl::Status NodeError(const std::string& name, const std::string& op, const absl::Status& status) {
  return Annotate(status, fmt::format("node '{}' ({})", name, op));
}

absl::StatusOr<size_t> NonBatchAxis(int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) return InvalidArgument("axis {} lies outside [-{}, {})", axis, r, r);
  const int64_t positive = axis < 0 ? axis + r : axis;
  if (positive == 0) return InvalidArgument("axis {} is the batch", axis);
  return static_cast<size_t>(positive);
}

namespace {

std::string Text(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

absl::Status CheckOperandCount(std::span<const Operand> operands, size_t min, size_t max) {
  if (operands.size() >= min && operands.size() <= max) return absl::OkStatus();
  if (min == max) return InvalidArgument("has {} inputs, takes {}", operands.size(), min);
  return InvalidArgument("has {} inputs, takes {} to {}", operands.size(), min, max);
}

absl::Status CheckRank(const Shape& shape, size_t rank) {
  if (shape.size() == rank) return absl::OkStatus();
  return InvalidArgument("its input has shape {}, needs {} dimensions", Text(shape), rank);
}

// Operand `index` must be an initializer of shape `expected` (-1: any).
absl::Status CheckConstant(std::span<const Operand> operands, size_t index, const Shape& expected) {
  const Operand& operand = operands[index];
  if (operand.constant == nullptr) return InvalidArgument("input {} must be an initializer", index);
  bool fits = operand.shape.size() == expected.size();
  for (size_t i = 0; fits && i < expected.size(); ++i) fits = expected[i] == -1 || operand.shape[i] == expected[i];
  if (fits) return absl::OkStatus();
  return InvalidArgument("input {} has shape {}, needs {}", index, Text(operand.shape), Text(expected));
}

// (N, C, H, W) -> (N, channels, H', W'), H' = floor((H + pads - kernel) / stride) + 1.
absl::StatusOr<Shape> SlideWindow(const Shape& x, const Window& window, int64_t channels) {
  PRIVDNN_RETURN_IF_ERROR(CheckRank(x, 4));
  Shape out = {x[0], channels, 0, 0};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t kernel = window.kernel[i], stride = window.strides[i], begin = window.pads[i],
                  end = window.pads[i + 2];
    if (kernel < 1 || kernel > kMaxExtent) return InvalidArgument("kernel side {} lies outside [1, 2^31]", kernel);
    if (stride < 1 || stride > kMaxExtent) return InvalidArgument("stride {} lies outside [1, 2^31]", stride);
    if (std::min(begin, end) < 0 || std::max(begin, end) > kMaxExtent) {
      return InvalidArgument("pads {} and {} lie outside [0, 2^31]", begin, end);
    }
    const int64_t padded = x[i + 2] + begin + end;
    if (padded < kernel) return InvalidArgument("kernel side {} exceeds the padded input side {}", kernel, padded);
    out[i + 2] = (padded - kernel) / stride + 1;
  }
  return out;
}

// A window of padding only has no maximum, and no average when padding isn't counted.
absl::Status CheckPadsBelowKernel(const Window& window) {
  for (size_t i = 0; i < 4; ++i) {
    if (window.pads[i] >= window.kernel[i % 2]) {
      return InvalidArgument("pad {} is not below the kernel side {}", window.pads[i], window.kernel[i % 2]);
    }
  }
  return absl::OkStatus();
}

// Product of all dimensions but the batch.
absl::StatusOr<int64_t> ElementsPerImage(const Shape& shape) {
  return ElementCount(Shape(shape.begin() + 1, shape.end()));
}

struct Rule {
  std::span<const Operand> operands;

  const Shape& x() const { return operands[0].shape; }

  absl::Status Unary() const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 1, 1));
    return Dynamic(0);
  }
  absl::StatusOr<Shape> SameAsInput() const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    return x();
  }
  absl::Status Dynamic(size_t index) const {
    if (operands[index].constant == nullptr) return absl::OkStatus();
    return InvalidArgument("input {} is an initializer; it must depend on the graph's input", index);
  }

  absl::StatusOr<Shape> operator()(const op::Conv& conv) const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 2, 3));
    PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
    PRIVDNN_RETURN_IF_ERROR(CheckRank(x(), 4));
    if (conv.groups < 1 || x()[1] % conv.groups != 0) {
      return InvalidArgument("group {} does not divide the {} input channels", conv.groups, x()[1]);
    }
    PRIVDNN_RETURN_IF_ERROR(
        CheckConstant(operands, 1, {-1, x()[1] / conv.groups, conv.window.kernel[0], conv.window.kernel[1]}));
    const int64_t filters = operands[1].shape[0];
    if (filters % conv.groups != 0)
      return InvalidArgument("group {} does not divide the {} filters", conv.groups, filters);
    if (operands.size() == 3) PRIVDNN_RETURN_IF_ERROR(CheckConstant(operands, 2, {filters}));
    return SlideWindow(x(), conv.window, filters);
  }

  absl::StatusOr<Shape> operator()(const op::BatchNormalization& norm) const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 5, 5));
    PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
    if (x().size() < 2) return InvalidArgument("its input has shape {}, needs at least 2 dimensions", Text(x()));
    for (size_t i = 1; i < 5; ++i) PRIVDNN_RETURN_IF_ERROR(CheckConstant(operands, i, {x()[1]}));
    if (!std::isfinite(norm.epsilon) || norm.epsilon < 0)
      return InvalidArgument("epsilon {} is not >= 0", norm.epsilon);
    for (const float variance : operands[4].constant->values) {
      if (!(variance + norm.epsilon > 0)) return InvalidArgument("variance {} + epsilon is not positive", variance);
    }
    return x();
  }

  absl::StatusOr<Shape> operator()(const op::AveragePool& pool) const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    PRIVDNN_RETURN_IF_ERROR(CheckRank(x(), 4));
    if (!pool.count_include_pad) PRIVDNN_RETURN_IF_ERROR(CheckPadsBelowKernel(pool.window));
    return SlideWindow(x(), pool.window, x()[1]);
  }
  absl::StatusOr<Shape> operator()(const op::MaxPool& pool) const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    PRIVDNN_RETURN_IF_ERROR(CheckRank(x(), 4));
    PRIVDNN_RETURN_IF_ERROR(CheckPadsBelowKernel(pool.window));
    return SlideWindow(x(), pool.window, x()[1]);
  }
  absl::StatusOr<Shape> operator()(const op::Relu&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::LeakyRelu& relu) const {
    if (!std::isfinite(relu.alpha)) return InvalidArgument("alpha {} is not finite", relu.alpha);
    return SameAsInput();
  }
  absl::StatusOr<Shape> operator()(const op::Clip& clip) const {
    if (!std::isfinite(clip.min) || !std::isfinite(clip.max) || clip.min > clip.max) {
      return InvalidArgument("min {} and max {} are not finite numbers in this order", clip.min, clip.max);
    }
    return SameAsInput();
  }
  absl::StatusOr<Shape> operator()(const op::Sigmoid&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Tanh&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::HardSigmoid& sigmoid) const {
    if (!std::isfinite(sigmoid.alpha) || !std::isfinite(sigmoid.beta))
      return InvalidArgument("alpha or beta is not finite");
    return SameAsInput();
  }
  absl::StatusOr<Shape> operator()(const op::HardSwish&) const { return SameAsInput(); }
  absl::StatusOr<Shape> operator()(const op::Square&) const { return SameAsInput(); }

  absl::StatusOr<Shape> operator()(const op::Flatten& flatten) const {
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
  absl::StatusOr<Shape> operator()(const op::Reshape& reshape) const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t elements, ElementsPerImage(x()));
    if (reshape.shape.empty() || (reshape.shape[0] != 0 && reshape.shape[0] != -1)) {
      return InvalidArgument("target {} must begin with 0 or -1, the batch", Text(reshape.shape));
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
        return InvalidArgument("target {} does not fit its input {}", Text(reshape.shape), Text(x()));
      } else {
        known *= d;
      }
      out.push_back(d);
    }
    if (inferred != 0 ? elements % known != 0 : elements != known) {
      return InvalidArgument("target {} does not fit its input {}", Text(reshape.shape), Text(x()));
    }
    if (inferred != 0) out[inferred] = elements / known;
    return out;
  }

  absl::StatusOr<Shape> operator()(const op::Gemm& gemm) const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 2, 3));
    PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
    PRIVDNN_RETURN_IF_ERROR(CheckRank(x(), 2));
    if (gemm.trans_a) return InvalidArgument("transA = 1 would transpose the batch");
    if (!std::isfinite(gemm.alpha) || !std::isfinite(gemm.beta)) return InvalidArgument("alpha or beta is not finite");
    PRIVDNN_RETURN_IF_ERROR(CheckConstant(operands, 1, gemm.trans_b ? Shape{-1, x()[1]} : Shape{x()[1], -1}));
    const int64_t outputs = operands[1].shape[gemm.trans_b ? 0 : 1];
    if (operands.size() == 3) {
      if (operands[2].constant == nullptr) return InvalidArgument("input 2 must be an initializer");
      const Shape& c = operands[2].shape;
      const bool fits =
          c.size() <= 2 && (c.empty() || c.back() == 1 || c.back() == outputs) && (c.size() < 2 || c[0] == 1);
      if (!fits) return InvalidArgument("input 2 has shape {}, needs ({}) or (1, {})", Text(c), outputs, outputs);
    }
    return Shape{x()[0], outputs};
  }

  absl::StatusOr<Shape> operator()(const op::MatMul&) const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 2, 2));
    PRIVDNN_RETURN_IF_ERROR(Dynamic(0));
    if (x().size() < 2) return InvalidArgument("its input has shape {}, needs at least 2 dimensions", Text(x()));
    PRIVDNN_RETURN_IF_ERROR(CheckConstant(operands, 1, {x().back(), -1}));
    Shape out = x();
    out.back() = operands[1].shape[1];
    return out;
  }

  absl::StatusOr<Shape> operator()(const op::Add&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Sub&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Mul&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Div&) const {
    PRIVDNN_ASSIGN_OR_RETURN(Shape shape, Broadcast());
    if (operands[1].constant != nullptr) {
      const auto& values = operands[1].constant->values;
      const auto zero = std::find(values.begin(), values.end(), 0.0f);
      if (zero != values.end()) return InvalidArgument("divides by zero: element {} of input 1", zero - values.begin());
    }
    return shape;
  }

  absl::StatusOr<Shape> operator()(const op::Max&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Min&) const { return Broadcast(); }
  absl::StatusOr<Shape> operator()(const op::Sqrt&) const { return SameAsInput(); }

  absl::StatusOr<Shape> operator()(const op::ReduceMean& mean) const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    if (mean.axes.empty()) return InvalidArgument("a mean over all dimensions mixes the images");
    std::set<size_t> axes;
    for (const int64_t axis : mean.axes) {
      PRIVDNN_ASSIGN_OR_RETURN(const size_t positive, NonBatchAxis(axis, x().size()));
      if (!axes.insert(positive).second) return InvalidArgument("axis {} is given twice", axis);
    }
    Shape out;
    for (size_t i = 0; i < x().size(); ++i) {
      if (!axes.contains(i)) out.push_back(x()[i]);
      if (axes.contains(i) && mean.keep_dims) out.push_back(1);
    }
    return out;
  }

  // NumPy broadcasting that leaves the batch where it is.
  absl::StatusOr<Shape> Broadcast() const {
    PRIVDNN_RETURN_IF_ERROR(CheckOperandCount(operands, 2, 2));
    if (operands[0].constant != nullptr) PRIVDNN_RETURN_IF_ERROR(Dynamic(1));
    const Operand& a = operands[0].constant == nullptr ? operands[0] : operands[1];
    const Operand& b = operands[0].constant == nullptr ? operands[1] : operands[0];
    const absl::Status mismatch = InvalidArgument("cannot broadcast {} and {}", Text(a.shape), Text(b.shape));
    if (b.constant == nullptr ? a.shape.size() != b.shape.size() : b.shape.size() > a.shape.size()) return mismatch;
    Shape out = a.shape;
    const size_t offset = a.shape.size() - b.shape.size();
    for (size_t i = 0; i < b.shape.size(); ++i) {
      int64_t& d = out[i + offset];
      const bool is_batch = i + offset == 0;
      if (b.shape[i] == d || b.shape[i] == 1) {
        if (!is_batch || b.constant == nullptr || b.shape[i] == 1) continue;
        return mismatch;  // an initializer with a row for each image of this particular batch
      }
      if (d != 1 || is_batch) return mismatch;
      d = b.shape[i];
    }
    return out;
  }

  absl::StatusOr<Shape> operator()(const op::Softmax& softmax) const {
    PRIVDNN_RETURN_IF_ERROR(Unary());
    PRIVDNN_RETURN_IF_ERROR(NonBatchAxis(softmax.axis, x().size()).status());
    return x();
  }

  absl::StatusOr<Shape> operator()(const op::Concat& concat) const {
    if (operands.empty()) return InvalidArgument("has no inputs");
    PRIVDNN_ASSIGN_OR_RETURN(const size_t axis, NonBatchAxis(concat.axis, x().size()));
    Shape out = x();
    out[axis] = 0;
    for (size_t i = 0; i < operands.size(); ++i) {
      PRIVDNN_RETURN_IF_ERROR(Dynamic(i));
      Shape other = operands[i].shape;
      if (other.size() == out.size()) {
        out[axis] += other[axis];  // at most 2^31 terms of at most 2^31 each
        other[axis] = out[axis];
      }
      if (other != out) return InvalidArgument("cannot concatenate {} and {}", Text(x()), Text(operands[i].shape));
    }
    return out;
  }

  absl::StatusOr<Shape> operator()(const op::Gather& gather) const {
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

  absl::StatusOr<Shape> operator()(const op::Pad& pad) const {
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

  absl::StatusOr<Shape> operator()(const op::FakeQuantize& quantize) const {
    if (!std::isfinite(quantize.scale) || quantize.scale <= 0) {
      return InvalidArgument("scale {} is not a positive number", quantize.scale);
    }
    if (quantize.zero_point < quantize.min() || quantize.zero_point > quantize.max()) {
      return InvalidArgument("zero point {} lies outside [{}, {}]", quantize.zero_point, quantize.min(),
                             quantize.max());
    }
    return SameAsInput();
  }

  absl::StatusOr<Shape> operator()(const op::Dropout& dropout) const {
    if (!(dropout.ratio >= 0 && dropout.ratio < 1)) return InvalidArgument("ratio {} is not in [0, 1)", dropout.ratio);
    return SameAsInput();
  }
};

}  // namespace

absl::StatusOr<Shape> InferNodeShape(const Node& node, std::span<const Operand> operands) {
  auto check = [&]() -> absl::StatusOr<Shape> {
    for (const Operand& operand : operands) {
      if (operand.constant == nullptr && operand.shape.empty())
        return InvalidArgument("an input has no batch dimension");
    }
    PRIVDNN_ASSIGN_OR_RETURN(Shape shape, std::visit(Rule{operands}, node.op));
    PRIVDNN_RETURN_IF_ERROR(ElementCount(shape).status());
    return shape;
  };
  absl::StatusOr<Shape> shape = check();
  if (!shape.ok()) return NodeError(node.name, OpName(node.op), shape.status());
  return shape;
}

}  // namespace privdnn
