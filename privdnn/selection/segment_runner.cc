#include "privdnn/selection/segment_runner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

std::vector<int64_t> All(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// The second layer, folded, on the squares: "square" -> "sum".
Graph SecondLayer(const Segment& segment, bool with_bias) {
  const FoldedLayer& layer = segment.layer;
  Graph graph;
  graph.name = "second layer";
  graph.inputs = {{"square", {-1, segment.square_shape[0], segment.square_shape[1], segment.square_shape[2]}}};
  Tensor weights{{layer.outputs, layer.inputs, layer.window.kernel[0], layer.window.kernel[1]}, {}};
  weights.values.assign(layer.weights.begin(), layer.weights.end());
  graph.initializers["weights"] = std::move(weights);
  std::vector<std::string> inputs = {"square", "weights"};
  if (with_bias) {
    Tensor bias{{layer.outputs}, {}};
    bias.values.assign(layer.bias.begin(), layer.bias.end());
    graph.initializers["bias"] = std::move(bias);
    inputs.push_back("bias");
  }
  graph.nodes.push_back({"conv", op::Conv{layer.window, 1}, inputs, "conv.out"});
  graph.nodes.push_back({"pool", op::AveragePool{layer.pool, false}, {"conv.out"}, "sum"});
  graph.outputs = {{"sum", {-1, segment.output_shape[0], segment.output_shape[1], segment.output_shape[2]}}};
  return graph;
}

// The top_k-th largest of the scores but the label's; what is not a number is larger than nothing. `scratch`: of any
// size.
float LargestOther(std::span<const float> scores, size_t label, int64_t top_k, std::vector<float>& scratch) {
  constexpr float kLess = -std::numeric_limits<float>::infinity();
  if (top_k == 1) {
    float largest = kLess;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (i != label && scores[i] > largest) largest = scores[i];
    }
    return largest;
  }
  scratch.clear();
  for (size_t i = 0; i < scores.size(); ++i) {
    if (i != label) scratch.push_back(std::isnan(scores[i]) ? kLess : scores[i]);
  }
  const auto place = scratch.begin() + (top_k - 1);
  std::nth_element(scratch.begin(), place, scratch.end(), std::greater<>());
  return *place;
}

// How far the label's score is above that: OutcomeSource's margin.
float MarginOf(std::span<const float> scores, size_t label, int64_t top_k, std::vector<float>& scratch) {
  constexpr float kLeast = std::numeric_limits<float>::min(), kMost = std::numeric_limits<float>::max();
  const bool found = RankOf(scores, label) < top_k;
  if (static_cast<size_t>(top_k) == scores.size()) return found ? kMost : -kMost;
  const float margin = scores[label] - LargestOther(scores, label, top_k, scratch);
  // Equal scores, and what has no distance, are as RankOf has them.
  if (std::isnan(margin)) return found ? kLeast : -kMost;
  return found ? std::clamp(margin, kLeast, kMost) : std::clamp(margin, -kMost, -kLeast);
}

}  // namespace

absl::Status SegmentRunner::FindLayers(const Graph& graph, const EvaluatorOptions& options) {
  const std::vector<Layer> layers = privdnn::FindLayers(graph);
  const auto find = [&](int64_t number) -> absl::StatusOr<Layer> {
    if (number >= 1 && number <= static_cast<int64_t>(layers.size())) return layers[static_cast<size_t>(number - 1)];
    return InvalidArgument("graph '{}' has layers 1 to {}, {} is not among them", graph.name, layers.size(), number);
  };
  if (options.layers != 1 && options.layers != 2) {
    return InvalidArgument("{} layers; a segment has 1 or 2", options.layers);
  }
  Selection all;
  if (options.layers == 1) {
    PRIVDNN_ASSIGN_OR_RETURN(const Layer layer, find(options.first_layer == 0 ? 1 : options.first_layer));
    all.layers[layer.number] = All(layer.neurons);
  } else {
    if (options.first_layer == 0) {
      const auto pair = FindQuadraticPair(graph);
      if (absl::IsNotFound(pair.status())) {
        return NotFound("{}; layers = 1 chooses from a single layer (--layers 1 --first-layer N, N from 1 to {})",
                        Message(pair.status()), layers.size());
      }
      PRIVDNN_RETURN_IF_ERROR(pair.status());
      all.layers = {{pair->first.number, All(pair->first.neurons)}, {pair->second.number, All(pair->second.neurons)}};
    } else {
      PRIVDNN_ASSIGN_OR_RETURN(const Layer front_layer, find(options.first_layer));
      PRIVDNN_ASSIGN_OR_RETURN(const Layer back_layer, find(options.first_layer + 1));
      all.layers = {{front_layer.number, All(front_layer.neurons)}, {back_layer.number, All(back_layer.neurons)}};
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, all));
  if (segments.size() != 1) {
    return InvalidArgument("graph '{}': no square joins layers {} and {}; choose them one at a time (1 layer)",
                           graph.name, all.layers.begin()->first, all.layers.rbegin()->first);
  }
  segment_ = segments[0];
  if (options.layers == 1 && segment_.first) {
    return InvalidArgument("graph '{}': layer {} reads the square of layer {}; choose both together (2 layers)",
                           graph.name, segment_.layer_number, segment_.first_number);
  }
  second_neurons_ = segment_.layer.outputs;
  output_area_ = segment_.output_shape[1] * segment_.output_shape[2];
  if (segment_.first) {
    first_neurons_ = segment_.first->outputs;
    square_area_ = segment_.square_shape[1] * segment_.square_shape[2];
  }
  return absl::OkStatus();
}

absl::Status SegmentRunner::Build(const Graph& graph) {
  image_input_ = graph.inputs[0].name;
  logits_ = graph.outputs[0].name;
  std::vector<std::string> values = {segment_.output};
  if (first_neurons_ > 0) values.push_back(segment_.square_output);
  PRIVDNN_ASSIGN_OR_RETURN(const Graph before, Extract(graph, values));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, {segment_}));
  PRIVDNN_ASSIGN_OR_RETURN(const Graph behind, Extract(rest, {logits_}));
  for (const ValueInfo& input : behind.inputs) {
    if (!IsSegmentInput(input.name)) {
      return InvalidArgument("graph '{}': '{}' is read behind layer {} too; candidates can't be told apart there",
                             graph.name, input.name, segment_.layer_number);
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(front_, Executor::Create(before));
  PRIVDNN_ASSIGN_OR_RETURN(tail_, Executor::Create(behind));
  if (first_neurons_ > 0) {
    PRIVDNN_ASSIGN_OR_RETURN(second_, Executor::Create(SecondLayer(segment_, true)));
    PRIVDNN_ASSIGN_OR_RETURN(unbiased_, Executor::Create(SecondLayer(segment_, false)));
  }
  return absl::OkStatus();
}

absl::Status SegmentRunner::Contribute(const std::function<bool()>& go_on, SegmentValues& values) const {
  const auto count = static_cast<size_t>(values.images);
  const auto size = static_cast<size_t>(square_values()), area = static_cast<size_t>(square_area_);
  values.contributions.reserve(static_cast<size_t>(first_neurons_ * output_values()) * count);
  for (size_t i = 0; i < static_cast<size_t>(first_neurons_); ++i) {
    if (!go_on()) return absl::CancelledError("interrupted");
    Tensor alone = Tensor::Zeros(SquareMap(values.images));
    for (size_t k = 0; k < count; ++k) {
      std::copy_n(values.squares.values.data() + k * size + i * area, area, alone.values.data() + k * size + i * area);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto sum, unbiased_->Run({{"square", std::move(alone)}}));
    const std::vector<float>& added = sum.at("sum").values;
    values.contributions.insert(values.contributions.end(), added.begin(), added.end());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> SegmentRunner::Partial(const SegmentValues& values,
                                                          const std::vector<int64_t>& core) const {
  if (core.empty()) return values.full.values;
  const auto count = static_cast<size_t>(values.images);
  if (values.contributions.empty()) {
    Tensor squares{SquareMap(values.images), values.squares.values};
    for (size_t k = 0; k < count; ++k) {
      for (const int64_t i : core) {
        std::fill_n(squares.values.begin() + static_cast<int64_t>(k) * square_values() + i * square_area_, square_area_,
                    0.0F);
      }
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto sum, second_->Run({{"square", std::move(squares)}}));
    return std::move(sum.at("sum").values);
  }
  // The fewer of the core's and the others' contributions, taken from all or added to the bias.
  std::vector<float> out;
  const bool subtract = 2 * static_cast<int64_t>(core.size()) <= first_neurons_;
  if (subtract) {
    out = values.full.values;
  } else {
    out.resize(values.full.values.size());
    const auto area = static_cast<size_t>(output_area_);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(segment_.layer.bias[i / area % static_cast<size_t>(second_neurons_)]);
    }
  }
  for (int64_t i = 0; i < first_neurons_; ++i) {
    if (std::binary_search(core.begin(), core.end(), i) != subtract) continue;
    const float* added = values.contributions.data() + static_cast<size_t>(i) * out.size();
    for (size_t v = 0; v < out.size(); ++v) out[v] += subtract ? -added[v] : added[v];
  }
  return out;
}

absl::StatusOr<std::vector<float>> SegmentRunner::RunTail(Tensor outputs, Tensor shortcut,
                                                          std::span<const int32_t> labels) const {
  std::map<std::string, Tensor> inputs;
  inputs[SegmentInputName(0)] = std::move(outputs);
  if (!segment_.shortcut.empty()) inputs[ShortcutInputName(0)] = std::move(shortcut);
  PRIVDNN_ASSIGN_OR_RETURN(const auto results, tail_->Run(inputs));
  const Tensor& scores = results.at(logits_);
  const auto classes = static_cast<size_t>(scores.size()) / labels.size();
  std::vector<float> margins(labels.size()), scratch;
  for (size_t k = 0; k < labels.size(); ++k) {
    const auto row = std::span(scores.values).subspan(k * classes, classes);
    margins[k] = MarginOf(row, static_cast<size_t>(labels[k]), top_k_, scratch);
  }
  return margins;
}

absl::StatusOr<std::vector<float>> SegmentRunner::Original(const SegmentValues& values,
                                                           std::span<const int32_t> labels) const {
  return RunTail(values.full, values.squares, labels);
}

absl::StatusOr<std::vector<float>> SegmentRunner::Margins(const SegmentValues& values,
                                                          const std::vector<float>& partial, const Candidate& candidate,
                                                          View view, std::span<const int32_t> labels) const {
  const auto count = static_cast<size_t>(values.images), area = static_cast<size_t>(output_area_),
             size = static_cast<size_t>(output_values());
  Tensor outputs{values.full.shape, partial};
  for (size_t k = 0; k < count; ++k) {
    for (const int64_t f : candidate.second) {
      const size_t at = k * size + static_cast<size_t>(f) * area;
      if (view == View::kSeparated) {
        std::copy_n(values.full.values.data() + at, area, outputs.values.data() + at);
      } else {
        std::fill_n(outputs.values.data() + at, area, 0.0F);
      }
    }
  }
  Tensor shortcut;
  if (!segment_.shortcut.empty()) {
    shortcut = values.squares;
    for (size_t k = 0; view == View::kRemoved && k < count; ++k) {
      for (const int64_t i : candidate.first) {
        std::fill_n(shortcut.values.begin() + static_cast<int64_t>(k) * square_values() + i * square_area_,
                    square_area_, 0.0F);
      }
    }
  }
  return RunTail(std::move(outputs), std::move(shortcut), labels);
}

absl::StatusOr<SegmentRunner> SegmentRunner::Create(const Graph& graph, const EvaluatorOptions& options) {
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1 || graph.outputs[0].shape.size() != 2) {
    return InvalidArgument(
        "graph '{}' has {} inputs and {} outputs; needs one of each, the output of shape (N, classes)", graph.name,
        graph.inputs.size(), graph.outputs.size());
  }
  const int64_t classes = graph.outputs[0].shape[1];
  if (options.top_k < 1 || options.top_k > classes) {
    return InvalidArgument("top {} of {} classes; must be 1 to {}", options.top_k, classes, classes);
  }
  SegmentRunner runner;
  runner.top_k_ = options.top_k;
  PRIVDNN_RETURN_IF_ERROR(runner.FindLayers(graph, options));
  PRIVDNN_RETURN_IF_ERROR(runner.Build(graph));
  return runner;
}

absl::StatusOr<SegmentValues> SegmentRunner::Front(Tensor images) const {
  SegmentValues values;
  values.images = images.shape[0];
  PRIVDNN_ASSIGN_OR_RETURN(auto found, front_->Run({{image_input_, std::move(images)}}));
  values.full = std::move(found.at(segment_.output));
  if (first_neurons_ > 0) values.squares = std::move(found.at(segment_.square_output));
  return values;
}

}  // namespace privdnn
