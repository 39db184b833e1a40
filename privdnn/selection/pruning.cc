#include "privdnn/selection/pruning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "privdnn/torch/executor.h"
#include "privdnn/torch/matrix_rank.h"

namespace privdnn {
namespace {

// Images that criteria look at in all, and at a time.
constexpr int64_t kImages = 500, kBatch = 50;

constexpr std::array<std::pair<const char*, PruningCriterion>, 4> kNames = {{
    {"norm", PruningCriterion::kNorm},
    {"fpgm", PruningCriterion::kFpgm},
    {"hrank", PruningCriterion::kHrank},
    {"greedy-forward", PruningCriterion::kGreedyForward},
}};

// Largest first, of equals the lower index.
std::vector<int64_t> Order(const std::vector<double>& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  return order;
}

// The weights of each neuron.
std::vector<std::vector<double>> Filters(const Graph& graph, const Layer& layer) {
  const Node& node = graph.nodes[layer.node];
  const Tensor& weights = graph.initializers.at(node.inputs[1]);
  // Neurons are the rows of a weight, or the columns of what a row of inputs is multiplied by.
  const auto* gemm = std::get_if<op::Gemm>(&node.op);
  const bool rows = std::holds_alternative<op::Conv>(node.op) || (gemm != nullptr && gemm->trans_b);
  const int64_t size = weights.size() / layer.neurons;
  std::vector<std::vector<double>> filters(static_cast<size_t>(layer.neurons));
  for (int64_t i = 0; i < weights.size(); ++i) {
    filters[static_cast<size_t>(rows ? i / size : i % layer.neurons)].push_back(weights.values[static_cast<size_t>(i)]);
  }
  return filters;
}

double SquaredDistance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::vector<double> Norms(const std::vector<std::vector<double>>& filters) {
  std::vector<double> norms;
  for (const auto& filter : filters) norms.push_back(SquaredDistance(filter, std::vector<double>(filter.size())));
  return norms;  // squared: the order is the same
}

std::vector<double> Distances(const std::vector<std::vector<double>>& filters) {
  std::vector<double> sums(filters.size());
  for (size_t i = 0; i < filters.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const double distance = std::sqrt(SquaredDistance(filters[i], filters[k]));
      sums[i] += distance;
      sums[k] += distance;
    }
  }
  return sums;
}

// Sums of the ranks of what the layer's own node gives, before anything that follows.
absl::StatusOr<std::vector<double>> Ranks(const Graph& graph, const Layer& layer, const ImageSet& images,
                                          const ProgressFn& progress) {
  const std::string& value = graph.nodes[layer.node].output;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph front, Extract(graph, {value}));
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(front));
  std::vector<double> sums(static_cast<size_t>(layer.neurons));
  for (int64_t begin = 0; begin < images.count; begin += kBatch) {
    const int64_t end = std::min(begin + kBatch, images.count);
    PRIVDNN_ASSIGN_OR_RETURN(auto values, executor.Run({{graph.inputs[0].name, images.Batch(begin, end)}}));
    Tensor maps = std::move(values.at(value));
    if (maps.shape.size() == 2) maps.shape.insert(maps.shape.end(), {1, 1});
    PRIVDNN_ASSIGN_OR_RETURN(const auto ranks, MapRanks(maps));
    for (size_t i = 0; i < ranks.size(); ++i) sums[i % sums.size()] += static_cast<double>(ranks[i]);
    if (!Proceeds(progress, static_cast<uint64_t>(end), static_cast<uint64_t>(images.count))) {
      return absl::CancelledError("interrupted");
    }
  }
  return sums;
}

// Sum of -log softmax(scores)[label]; infinite if that isn't a number.
double CrossEntropy(const Tensor& scores, std::span<const int32_t> labels) {
  const size_t classes = scores.values.size() / labels.size();
  double sum = 0;
  for (size_t k = 0; k < labels.size(); ++k) {
    const auto row = std::span(scores.values).subspan(k * classes, classes);
    const double largest = *std::max_element(row.begin(), row.end());
    double exponentials = 0;
    for (const double score : row) exponentials += std::exp(score - largest);
    sum += std::log(exponentials) + largest - row[static_cast<size_t>(labels[k])];
  }
  return std::isfinite(sum) ? sum : std::numeric_limits<double>::infinity();
}

// The network behind a layer, and what the layer gives for a batch of images.
struct Behind {
  Executor executor;
  std::string input, output;
  bool reads_images = false;  // as well as the layer
};

absl::StatusOr<Behind> Cut(const Graph& graph, const Segment& segment) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, {segment}));
  const std::string& last = graph.outputs[0].name;
  // Cross-entropy is of what a softmax reads.
  const Node* producer = rest.Producer(last);
  const bool softmax = producer != nullptr && std::holds_alternative<op::Softmax>(producer->op);
  const std::string output = softmax ? producer->inputs[0] : last;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph behind, Extract(rest, {output}));
  PRIVDNN_ASSIGN_OR_RETURN(Executor executor, Executor::Create(behind));
  const bool reads_images = std::any_of(behind.inputs.begin(), behind.inputs.end(),
                                        [](const ValueInfo& input) { return !IsSegmentInput(input.name); });
  return Behind{std::move(executor), SegmentInputName(0), output, reads_images};
}

absl::StatusOr<std::vector<int64_t>> GreedyForward(const Graph& graph, const Layer& layer, const ImageSet& images,
                                                   int64_t count, const ProgressFn& progress) {
  Selection all;
  std::vector<int64_t>& neurons = all.layers[layer.number];
  neurons.resize(static_cast<size_t>(layer.neurons));
  std::iota(neurons.begin(), neurons.end(), 0);
  std::vector<int64_t> left = neurons, chosen;
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, FindSegments(graph, all));
  const std::string& value = segments[0].output;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph front, Extract(graph, {value}));
  PRIVDNN_ASSIGN_OR_RETURN(const Executor front_executor, Executor::Create(front));
  PRIVDNN_ASSIGN_OR_RETURN(const Behind behind, Cut(graph, segments[0]));
  const std::string& image_input = graph.inputs[0].name;
  std::vector<Tensor> full;
  for (int64_t begin = 0; begin < images.count; begin += kBatch) {
    PRIVDNN_ASSIGN_OR_RETURN(
        auto values, front_executor.Run({{image_input, images.Batch(begin, std::min(begin + kBatch, images.count))}}));
    full.push_back(std::move(values.at(value)));
  }

  // Loss on all images with these neurons in place, the others zero.
  const auto loss = [&](const std::vector<int64_t>& kept) -> absl::StatusOr<double> {
    double sum = 0;
    for (size_t b = 0; b < full.size(); ++b) {
      Tensor some = Tensor::Zeros(full[b].shape);
      const auto batch = static_cast<size_t>(some.dim(0));
      const size_t area = some.values.size() / batch / static_cast<size_t>(layer.neurons);
      for (size_t k = 0; k < batch; ++k) {
        for (const int64_t neuron : kept) {
          const size_t at = (k * static_cast<size_t>(layer.neurons) + static_cast<size_t>(neuron)) * area;
          std::copy_n(full[b].values.data() + at, area, some.values.data() + at);
        }
      }
      const int64_t begin = static_cast<int64_t>(b) * kBatch, end = begin + static_cast<int64_t>(batch);
      std::map<std::string, Tensor> inputs = {{behind.input, std::move(some)}};
      if (behind.reads_images) inputs[image_input] = images.Batch(begin, end);
      PRIVDNN_ASSIGN_OR_RETURN(const auto scores, behind.executor.Run(inputs));
      sum +=
          CrossEntropy(scores.at(behind.output), std::span(images.labels).subspan(static_cast<size_t>(begin), batch));
    }
    return sum;
  };

  uint64_t done = 0, total = 0;
  for (int64_t step = 0; step < count; ++step) total += static_cast<uint64_t>((layer.neurons - step) * images.count);
  while (static_cast<int64_t>(chosen.size()) < count) {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < left.size(); ++i) {
      chosen.push_back(left[i]);
      PRIVDNN_ASSIGN_OR_RETURN(const double with, loss(chosen));
      chosen.pop_back();
      if (with < least) {
        least = with;
        best = i;
      }
      done += static_cast<uint64_t>(images.count);
      if (!Proceeds(progress, done, total)) return absl::CancelledError("interrupted");
    }
    chosen.push_back(left[best]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
  }
  chosen.insert(chosen.end(), left.begin(), left.end());
  return chosen;
}

}  // namespace

absl::StatusOr<PruningCriterion> ParsePruningCriterion(const std::string& name) {
  for (const auto& [known, criterion] : kNames) {
    if (name == known) return criterion;
  }
  return InvalidArgument("criterion '{}' is not known; there are norm, fpgm, hrank and greedy-forward", name);
}

absl::StatusOr<std::vector<int64_t>> RankNeurons(const Graph& graph, int64_t layer, PruningCriterion criterion,
                                                 const ImageSet& images, int64_t count, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());  // finite weights, too
  const auto layers = FindLayers(graph);
  if (layer < 1 || layer > static_cast<int64_t>(layers.size())) {
    return InvalidArgument("rank: graph '{}' has layers 1 to {}, {} is not among them", graph.name, layers.size(),
                           layer);
  }
  const Layer& found = layers[static_cast<size_t>(layer - 1)];
  if (criterion == PruningCriterion::kNorm) return Order(Norms(Filters(graph, found)));
  if (criterion == PruningCriterion::kFpgm) return Order(Distances(Filters(graph, found)));
  if (images.count == 0) return InvalidArgument("rank: no images; this criterion needs some");
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckOneInput(graph), "rank"));
  const ImageSet some = images.Head(kImages);
  if (criterion == PruningCriterion::kHrank) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto ranks, Ranks(graph, found, some, progress));
    return Order(ranks);
  }
  if (count < 0 || count > found.neurons) {
    return InvalidArgument("rank: layer {} has {} neurons, {} were asked for", layer, found.neurons, count);
  }
  if (graph.outputs[0].shape.size() != 2) {
    return InvalidArgument("rank: the output of graph '{}' has {} dimensions; needs (N, classes)", graph.name,
                           graph.outputs[0].shape.size());
  }
  const int64_t classes = graph.outputs[0].shape[1];
  for (const int32_t label : some.labels) {
    if (label < 0 || label >= classes) {
      return InvalidArgument("rank: an image has label {}, the graph has {} classes", label, classes);
    }
  }
  return GreedyForward(graph, found, some, count, progress);
}

}  // namespace privdnn
