#include "privdnn/lifting/seal.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "privdnn/graph/shapes.h"
#include "privdnn/rlwe/parameters.h"
#include "privdnn/sealed/simulate.h"

namespace privdnn {
namespace {

template <typename... Ops>
bool IsAny(const Op& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}

absl::Status CheckOptions(const SealOptions& o) {
  const auto in = [](const char* what, int value, int least, int most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return InvalidArgument("sealed: {} bits are {}, must be {} to {}", what, value, least, most);
  };
  PRIVDNN_RETURN_IF_ERROR(in("value", o.value_bits, 6, 24));
  PRIVDNN_RETURN_IF_ERROR(in("weight", o.weight_bits, 4, 16));
  return in("input", o.input_bits, 4, 24);
}

// Which nodes compute on shares: those of chosen layers and all that read what these give.
std::vector<bool> OnShares(const Graph& graph, const Selection& selection) {
  std::vector<bool> on_shares(graph.nodes.size());
  const std::vector<Layer> layers = FindLayers(graph);
  for (const auto& [number, neurons] : selection.layers) on_shares[layers[static_cast<size_t>(number - 1)].node] = true;
  std::set<std::string> shared;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    on_shares[i] =
        on_shares[i] || std::ranges::any_of(node.inputs, [&](const auto& in) { return shared.contains(in); });
    if (on_shares[i]) shared.insert(node.output);
  }
  return on_shares;
}

absl::StatusOr<MapShape> ShapeOf(const Shapes& shapes, const std::string& value) {
  const std::vector<int64_t>& shape = shapes.at(value);
  MapShape map;
  uint32_t* const sides[] = {&map.channels, &map.height, &map.width};
  if (shape.size() < 2 || shape.size() > 4) {
    return InvalidArgument("'{}' has shape ({}), needs 2 to 4 dimensions", value, fmt::join(shape, ", "));
  }
  for (size_t i = 1; i < shape.size(); ++i) *sides[i - 1] = static_cast<uint32_t>(shape[i]);
  if (shape.size() == 3) std::swap(map.height, map.width);  // (C, W): one row
  return map;
}

// A layer as numbers.
struct RealLayer {
  SealedWindow window;
  uint32_t groups = 1;
  std::vector<double> weights;  // [output][channel of its group][row][column]
  std::vector<double> bias;     // [output]
};

absl::StatusOr<SealedWindow> ToWindow(const Window& w) {
  if (w.dilations != std::array<int64_t, 2>{1, 1}) return InvalidArgument("dilations are not supported on shares");
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  return SealedWindow{{u(w.kernel[0]), u(w.kernel[1])},
                      {u(w.strides[0]), u(w.strides[1])},
                      {u(w.pads[0]), u(w.pads[1]), u(w.pads[2]), u(w.pads[3])}};
}

// The constants of node's inputs.
class Constants {
 public:
  Constants(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}
  absl::StatusOr<const Tensor*> operator[](size_t i) const {
    const auto found = i < node_.inputs.size() ? graph_.initializers.find(node_.inputs[i]) : graph_.initializers.end();
    if (found == graph_.initializers.end()) return InvalidArgument("input {} is no constant", i);
    return &found->second;
  }

 private:
  const Graph& graph_;
  const Node& node_;
};

absl::StatusOr<RealLayer> ConvLayer(const Graph& graph, const Node& node, const op::Conv& conv) {
  const Constants constants(graph, node);
  RealLayer layer;
  PRIVDNN_ASSIGN_OR_RETURN(layer.window, ToWindow(conv.window));
  layer.groups = static_cast<uint32_t>(conv.groups);
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor* w, constants[1]);
  layer.weights.assign(w->values.begin(), w->values.end());
  layer.bias.resize(static_cast<size_t>(w->dim(0)));
  if (node.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor* b, constants[2]);
    layer.bias.assign(b->values.begin(), b->values.end());
  }
  return layer;
}

// A row times a matrix, [input][output] or, transposed, [output][input].
absl::StatusOr<RealLayer> MatrixLayer(const Tensor& w, bool transposed, double alpha, const Tensor* bias, double beta) {
  if (w.shape.size() != 2) return InvalidArgument("a matrix of {} dimensions", w.shape.size());
  const auto outputs = static_cast<size_t>(w.dim(transposed ? 0 : 1)),
             inputs = static_cast<size_t>(w.dim(transposed ? 1 : 0));
  RealLayer layer;
  layer.weights.resize(outputs * inputs);
  for (size_t f = 0; f < outputs; ++f) {
    for (size_t i = 0; i < inputs; ++i) {
      layer.weights[f * inputs + i] = alpha * double{w.values[transposed ? f * inputs + i : i * outputs + f]};
    }
  }
  layer.bias.resize(outputs);
  for (size_t f = 0; bias && f < outputs; ++f) {
    if (bias->values.size() != 1 && bias->values.size() != outputs) return InvalidArgument("a bias of another shape");
    layer.bias[f] = beta * double{bias->values[bias->values.size() == 1 ? 0 : f]};
  }
  return layer;
}

absl::StatusOr<RealLayer> GemmLayer(const Graph& graph, const Node& node, const op::Gemm& gemm) {
  if (gemm.trans_a) return InvalidArgument("transA is not supported on shares");
  const Constants constants(graph, node);
  PRIVDNN_ASSIGN_OR_RETURN(const Tensor* w, constants[1]);
  const Tensor* bias = nullptr;
  if (node.inputs.size() > 2) {
    PRIVDNN_ASSIGN_OR_RETURN(bias, constants[2]);
  }
  return MatrixLayer(*w, gemm.trans_b, double{gemm.alpha}, bias, double{gemm.beta});
}

absl::StatusOr<RealLayer> AverageLayer(const op::AveragePool& pool, uint32_t channels) {
  if (pool.window.pads != std::array<int64_t, 4>{} && !pool.count_include_pad) {
    return InvalidArgument("an average that leaves padding out is not supported on shares");
  }
  RealLayer layer;
  PRIVDNN_ASSIGN_OR_RETURN(layer.window, ToWindow(pool.window));
  layer.groups = channels;
  const uint64_t area = layer.window.kernel.area();
  layer.weights.assign(channels * area, 1 / static_cast<double>(area));
  layer.bias.resize(channels);
  return layer;
}

// 2^e with the largest e such that magnitudes up to `largest` stay within `bits`, sign included.
int ExponentFor(double largest, int bits) {
  if (!(largest > 0)) return bits - 1;
  const double room = std::ldexp(1.0, bits - 1) - 1;
  return std::clamp(static_cast<int>(std::floor(std::log2(room / largest))), -40, 40);
}

class Sealer {
 public:
  Sealer(const Graph& graph, const Selection& selection, const SealOptions& options)
      : graph_(graph), options_(options), on_shares_(OnShares(graph, selection)) {
    for (const Layer& layer : FindLayers(graph)) {
      const auto chosen = selection.layers.find(layer.number);
      if (chosen != selection.layers.end()) encrypted_[layer.node] = {chosen->second.begin(), chosen->second.end()};
    }
  }

  // Walks the network. Without ranges it finds what values they are needed of.
  absl::Status Walk(const std::map<std::string, MeasuredRange>* ranges) {
    ranges_ = ranges;
    PRIVDNN_ASSIGN_OR_RETURN(shapes_, InferShapes(graph_));
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!on_shares_[i]) continue;
      const Node& node = graph_.nodes[i];
      const absl::Status added = AddNode(i, node);
      if (added.ok()) continue;
      return Annotate(added, fmt::format("sealed: node '{}' ({})", node.name, OpName(node.op)));
    }
    if (!ids_.contains(graph_.outputs[0].name))
      return InvalidArgument("sealed: the output does not depend on an encrypted layer");
    return absl::OkStatus();
  }

  absl::StatusOr<SealedModel> Take() && {
    PRIVDNN_RETURN_IF_ERROR(MoveAnswerToTheEnd());
    PRIVDNN_RETURN_IF_ERROR(ChooseBits());
    model_.program.reveal = options_.reveal;
    model_.program.answer_bits = options_.value_bits;
    model_.graph = graph_;
    return std::move(model_);
  }
  const std::vector<std::string>& needed() const { return needed_; }

 private:
  absl::StatusOr<double> Largest(const std::string& value) {
    if (std::ranges::find(needed_, value) == needed_.end()) needed_.push_back(value);
    if (ranges_ == nullptr) return 1;
    const auto found = ranges_->find(value);
    if (found == ranges_->end()) return InvalidArgument("the range of '{}' is not known", value);
    const double largest = std::max(std::fabs(found->second.min), std::fabs(found->second.max));
    if (!std::isfinite(largest)) return InvalidArgument("'{}' takes values that are not finite", value);
    return largest;
  }
  // Of a value that is rounded to value_bits.
  absl::StatusOr<int> ExponentOf(const std::string& value) {
    PRIVDNN_ASSIGN_OR_RETURN(const double largest, Largest(value));
    return ExponentFor(largest, options_.value_bits - kSealMarginBits);
  }

  ValueId Put(SealedStep step, const MapShape& shape, int exponent, const std::string& name) {
    model_.program.steps.push_back(std::move(step));
    model_.program.values.push_back({shape, 0, exponent});
    const auto id = static_cast<ValueId>(model_.program.steps.size() - 1);
    ids_[name] = id;
    return id;
  }

  // The number of a value; one that the user computes enters here.
  absl::StatusOr<ValueId> Read(const std::string& value) {
    const auto found = ids_.find(value);
    if (found != ids_.end()) return found->second;
    if (graph_.initializers.contains(value)) return InvalidArgument("'{}' is a constant", value);
    PRIVDNN_ASSIGN_OR_RETURN(const double largest, Largest(value));
    PRIVDNN_ASSIGN_OR_RETURN(const MapShape shape, ShapeOf(shapes_, value));
    const InputStep step{static_cast<uint32_t>(model_.front.size()), options_.input_bits};
    model_.front.push_back(value);
    return Put(step, shape, ExponentFor(largest, options_.input_bits), value);
  }

  // Sums are modulo more bits than their inputs' range needs. Inputs and rectifiers give as many as are asked for;
  // other values are extended.
  ValueId Extended(ValueId id) {
    ValueId source = id;
    while (const auto* reshape = std::get_if<ReshapeStep>(&model_.program.steps[source])) source = reshape->input;
    const SealedStep& step = model_.program.steps[source];
    const bool free = std::holds_alternative<InputStep>(step) || std::holds_alternative<ReluStep>(step) ||
                      std::holds_alternative<ExtendStep>(step);
    if (free) return id;
    const auto known = extended_.find(id);
    if (known != extended_.end()) return known->second;
    const SealedValue value = ValueOf(id);
    model_.program.steps.emplace_back(ExtendStep{id, options_.value_bits + 1});
    model_.program.values.push_back({value.shape, 0, value.exponent});
    return extended_[id] = static_cast<ValueId>(model_.program.steps.size() - 1);
  }

  const SealedValue& ValueOf(ValueId id) const { return model_.program.values[id]; }

  absl::Status AddNode(size_t index, const Node& node) {
    if (IsAny<op::Dropout>(node.op) || (IsAny<op::Softmax>(node.op) && node.output == graph_.outputs[0].name)) {
      PRIVDNN_ASSIGN_OR_RETURN(ids_[node.output], Read(node.inputs[0]));
      return absl::OkStatus();
    }
    if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
      PRIVDNN_ASSIGN_OR_RETURN(const RealLayer layer, ConvLayer(graph_, node, *conv));
      return AddLayer(index, node, layer);
    }
    if (const auto* gemm = std::get_if<op::Gemm>(&node.op)) {
      PRIVDNN_ASSIGN_OR_RETURN(const RealLayer layer, GemmLayer(graph_, node, *gemm));
      return AddLayer(index, node, layer);
    }
    if (IsAny<op::MatMul>(node.op)) {
      PRIVDNN_ASSIGN_OR_RETURN(const Tensor* w, Constants(graph_, node)[1]);
      PRIVDNN_ASSIGN_OR_RETURN(const RealLayer layer, MatrixLayer(*w, false, 1, nullptr, 0));
      return AddLayer(index, node, layer);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const ValueId input, Read(node.inputs[0]));
    PRIVDNN_ASSIGN_OR_RETURN(const MapShape shape, ShapeOf(shapes_, node.output));
    if (const auto* pool = std::get_if<op::AveragePool>(&node.op)) {
      PRIVDNN_ASSIGN_OR_RETURN(const RealLayer layer, AverageLayer(*pool, ValueOf(input).shape.channels));
      return AddLayer(index, node, layer);
    }
    if (IsAny<op::Relu>(node.op)) return AddRelu(node, input, shape);
    if (const auto* pool = std::get_if<op::MaxPool>(&node.op)) return AddMaxPool(node, *pool, input, shape);
    if (IsAny<op::Square>(node.op)) {
      PRIVDNN_ASSIGN_OR_RETURN(const int exponent, ExponentOf(node.output));
      const int exact = 2 * ValueOf(input).exponent, kept = std::min(exact, exponent);
      Put(SquareStep{Extended(input), exact - kept}, shape, kept, node.output);
      return absl::OkStatus();
    }
    if (IsAny<op::Add>(node.op)) return AddSum(node, input, shape);
    if (IsAny<op::Flatten, op::Reshape>(node.op)) {
      // Shares know no order but that of the numbers, which these keep.
      Put(ReshapeStep{input}, shape, ValueOf(input).exponent, node.output);
      return absl::OkStatus();
    }
    return InvalidArgument(
        "is not computed on shares; encrypt layers behind it only, or replace it (by Relu, MaxPool, AveragePool, "
        "Square, "
        "Add)");
  }

  absl::Status AddLayer(size_t index, const Node& node, const RealLayer& layer) {
    PRIVDNN_ASSIGN_OR_RETURN(ValueId input, Read(node.inputs[0]));
    input = Extended(input);
    PRIVDNN_ASSIGN_OR_RETURN(const MapShape shape, ShapeOf(shapes_, node.output));
    PRIVDNN_ASSIGN_OR_RETURN(const int wanted, ExponentOf(node.output));
    double largest = 0;
    for (const double w : layer.weights) largest = std::max(largest, std::fabs(w));
    const int weight_exponent = ExponentFor(largest, options_.weight_bits);
    const int exact = ValueOf(input).exponent + weight_exponent, kept = std::min(exact, wanted), drop = exact - kept;
    LinearStep step;
    step.input = input;
    step.window = layer.window;
    step.groups = layer.groups;
    step.drop = drop;
    const auto chosen = encrypted_.find(index);
    if (chosen != encrypted_.end() && layer.groups != 1) {
      return InvalidArgument("layers in groups can't be encrypted on shares");
    }
    QuantizedSegment segment;
    const auto outputs = static_cast<uint32_t>(layer.bias.size());
    const size_t fan_in = layer.weights.size() / outputs;
    std::vector<int64_t> secret_bias;
    for (uint32_t f = 0; f < outputs; ++f) {
      std::vector<int32_t> kernel;
      for (size_t i = 0; i < fan_in; ++i) {
        kernel.push_back(static_cast<int32_t>(std::lround(std::ldexp(layer.weights[f * fan_in + i], weight_exponent))));
      }
      // Shares lose one unit on average when their low bits are dropped.
      const double bias = std::nearbyint(std::ldexp(layer.bias[f], exact)) + (drop > 0 ? std::ldexp(1.0, drop) : 0);
      if (!(std::fabs(bias) < 0x1p62)) return InvalidArgument("the bias of neuron {} is too large", f);
      if (chosen == encrypted_.end() || !chosen->second.contains(f)) {
        step.plain.push_back(f);
        step.weights.insert(step.weights.end(), kernel.begin(), kernel.end());
        step.bias.push_back(static_cast<int64_t>(bias));
        continue;
      }
      step.encrypted.push_back(f);
      segment.neurons.push_back(f);
      segment.kernels.emplace_back(kernel.size());
      std::ranges::copy(kernel, segment.kernels.back().RevealMutable().begin());
      secret_bias.push_back(static_cast<int64_t>(bias));
    }
    if (!step.encrypted.empty()) {
      const MapShape& in = ValueOf(input).shape;
      segment.spec.kind = SegmentKind::kLinear;
      segment.spec.channels = in.channels;
      segment.spec.input = {in.height, in.width};
      segment.spec.pads1 = layer.window.pads;
      segment.spec.groups = {{static_cast<uint32_t>(step.encrypted.size()),
                              layer.window.kernel,
                              layer.window.stride,
                              {0, 0},
                              {shape.height, shape.width}}};
      segment.output_scale.assign(step.encrypted.size(), std::ldexp(1.0, -exact));
      segment.bias = Secret<int64_t>(secret_bias.size());
      std::ranges::copy(secret_bias, segment.bias.RevealMutable().begin());
      step.segment = static_cast<uint32_t>(model_.segments.size());
      model_.segments.push_back(std::move(segment));
    }
    Put(std::move(step), shape, kept, node.output);
    return absl::OkStatus();
  }

  // A rectifier that only a max pool reads comes behind it, where there are fewer values.
  absl::Status AddRelu(const Node& node, ValueId input, const MapShape& shape) {
    const std::vector<size_t> readers = graph_.Consumers(node.output);
    const bool is_output = node.output == graph_.outputs[0].name;
    if (readers.size() == 1 && !is_output && IsAny<op::MaxPool>(graph_.nodes[readers[0]].op)) {
      ids_[node.output] = input;
      rectified_.insert(node.output);
      return absl::OkStatus();
    }
    Put(ReluStep{input, options_.value_bits}, shape, ValueOf(input).exponent, node.output);
    return absl::OkStatus();
  }

  absl::Status AddMaxPool(const Node& node, const op::MaxPool& pool, ValueId input, const MapShape& shape) {
    MaxPoolStep step{input, {}};
    PRIVDNN_ASSIGN_OR_RETURN(step.window, ToWindow(pool.window));
    const ValueId pooled = Put(step, shape, ValueOf(input).exponent, node.output);
    if (rectified_.contains(node.inputs[0])) {
      Put(ReluStep{pooled, options_.value_bits}, shape, ValueOf(pooled).exponent, node.output);
    }
    return absl::OkStatus();
  }

  absl::Status AddSum(const Node& node, ValueId first, const MapShape& shape) {
    PRIVDNN_ASSIGN_OR_RETURN(const ValueId second, Read(node.inputs[1]));
    if (ValueOf(first).shape != shape || ValueOf(second).shape != shape) {
      return InvalidArgument("broadcasts, which is not supported on shares");
    }
    PRIVDNN_ASSIGN_OR_RETURN(const int wanted, ExponentOf(node.output));
    const int kept = std::min({wanted, ValueOf(first).exponent, ValueOf(second).exponent});
    Put(AddStep{first, second, ValueOf(first).exponent - kept, ValueOf(second).exponent - kept}, shape, kept,
        node.output);
    return absl::OkStatus();
  }

  // The answer is the last value. What comes behind it in the program leads nowhere.
  absl::Status MoveAnswerToTheEnd() {
    const ValueId answer = ids_.at(graph_.outputs[0].name);
    if (answer + 1 == model_.program.steps.size()) return absl::OkStatus();
    return InvalidArgument("sealed: layers behind the output '{}'", graph_.outputs[0].name);
  }

  // From the answer back: each value has the bits that its readers need, and value_bits at the least.
  absl::Status ChooseBits() {
    SealedProgram& program = model_.program;
    std::vector<int> need(program.steps.size(), options_.value_bits);
    for (size_t at = program.steps.size(); at-- > 0;) {
      program.values[at].bits = need[at];
      const auto ask = [&](ValueId id, int bits) { need[id] = std::max(need[id], bits); };
      if (const auto* linear = std::get_if<LinearStep>(&program.steps[at])) {
        ask(linear->input, need[at] + linear->drop);
        if (!linear->encrypted.empty()) {
          const int bits = need[at] + linear->drop;
          QuantizedSegment& segment = model_.segments[linear->segment];
          segment.spec.input_bits = static_cast<uint32_t>(bits);
          for (int64_t& bias : segment.bias.RevealMutable()) {
            bias = Centre(bias, bits);
          }
        }
      } else if (const auto* square = std::get_if<SquareStep>(&program.steps[at])) {
        ask(square->input, need[at] + square->drop);
      } else if (const auto* extend = std::get_if<ExtendStep>(&program.steps[at])) {
        ask(extend->input, extend->range_bits);
        program.values[at].bits = need[at] = std::max(need[at], extend->range_bits + 1);
      } else if (const auto* pool = std::get_if<MaxPoolStep>(&program.steps[at])) {
        ask(pool->input, need[at]);
      } else if (const auto* reshape = std::get_if<ReshapeStep>(&program.steps[at])) {
        ask(reshape->input, need[at]);
      } else if (const auto* sum = std::get_if<AddStep>(&program.steps[at])) {
        ask(sum->first, need[at] + sum->drop_first);
        ask(sum->second, need[at] + sum->drop_second);
      }
      if (need[at] <= kMaxShareBits) continue;
      return InvalidArgument(
          "sealed: step {} ({}) needs {} bits, at most {} fit: take fewer value, weight or input bits", at,
          StepName(program.steps[at]), need[at], kMaxShareBits);
    }
    for (size_t at = 0; at < program.steps.size(); ++at) {
      if (auto* input = std::get_if<InputStep>(&program.steps[at])) {
        program.values[at].bits = std::max(program.values[at].bits, input->range_bits);
      }
    }
    std::vector<SegmentSpec> specs;
    for (const QuantizedSegment& segment : model_.segments) specs.push_back(segment.spec);
    return CheckProgram(program, specs);
  }

  const Graph& graph_;
  const SealOptions options_;
  const std::vector<bool> on_shares_;
  std::map<size_t, std::set<uint32_t>> encrypted_;  // by node
  const std::map<std::string, MeasuredRange>* ranges_ = nullptr;
  Shapes shapes_;
  std::map<std::string, ValueId> ids_;
  std::set<std::string> rectified_;  // values whose Relu comes behind the pool that reads them
  std::map<ValueId, ValueId> extended_;
  std::vector<std::string> needed_;
  SealedModel model_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ValuesToSeal(const Graph& folded, const Selection& selection) {
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(folded, selection));
  Sealer sealer(folded, selection, {});
  PRIVDNN_RETURN_IF_ERROR(sealer.Walk(nullptr));
  return sealer.needed();
}

absl::StatusOr<SealedModel> Seal(const Graph& folded, const Selection& selection,
                                 const std::map<std::string, MeasuredRange>& ranges, const SealOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(options));
  PRIVDNN_RETURN_IF_ERROR(CheckSelection(folded, selection));
  PRIVDNN_RETURN_IF_ERROR(CheckHidden(folded, selection));
  if (selection.layers.empty()) return InvalidArgument("sealed: no layer is selected");
  Sealer sealer(folded, selection, options);
  PRIVDNN_RETURN_IF_ERROR(sealer.Walk(&ranges));
  return std::move(sealer).Take();
}

}  // namespace privdnn
