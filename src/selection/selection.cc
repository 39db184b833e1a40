#include "selection/selection.h"

#include <algorithm>
#include <numeric>

#include "nn/executor.h"
#include "nn/train.h"

namespace privdnn {
namespace {

// Images evaluated at a time.
constexpr int64_t kBatch = 250;

// Indices of the `count` filters (first dimension) with the largest sum of squares, ascending.
absl::StatusOr<std::vector<int64_t>> Largest(const nn::Tensor& weights, int64_t count, int layer) {
  const int64_t filters = weights.dim(0);
  if (count < 0 || count > filters) {
    return InvalidArgument("select: layer {} has {} neurons, {} were asked for", layer, filters, count);
  }
  const auto size = static_cast<std::ptrdiff_t>(weights.size() / filters);
  std::vector<double> norms;
  for (auto at = weights.values.begin(); at != weights.values.end(); at += size) {
    norms.push_back(std::inner_product(at, at + size, at, 0.0));
  }
  std::vector<int64_t> order(static_cast<size_t>(filters));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return norms[a] > norms[b]; });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

// Percent right of the plaintext rest, fed with zeros.
absl::StatusOr<double> AccuracyWithoutCore(const nn::Graph& rest, const nn::ImageSet& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Executor executor, nn::Executor::Create(rest));
  int64_t right = 0;
  for (int64_t first = 0; first < images.count; first += kBatch) {
    const int64_t end = std::min(first + kBatch, images.count);
    std::map<std::string, nn::Tensor> inputs;
    for (const nn::ValueInfo& value : rest.inputs) {
      std::vector<int64_t> shape = value.shape;
      shape[0] = end - first;
      inputs[value.name] =
          value.name == nn::kSegmentInput ? nn::Tensor::Zeros(std::move(shape)) : images.Batch(first, end);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto scores, executor.Run(inputs));
    const auto predictions = nn::Argmax(scores.at(rest.outputs[0].name));
    for (size_t i = 0; i < predictions.size(); ++i) {
      right += predictions[i] == images.labels[static_cast<size_t>(first) + i];
    }
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(images.count);
}

}  // namespace

absl::StatusOr<nn::Selection> SelectByNorm(const nn::Graph& graph, int64_t count1, int64_t count2) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segment, nn::FindQuadraticSegment(graph));
  const auto weights = [&](size_t conv) -> const nn::Tensor& {
    return graph.initializers.at(graph.nodes[conv].inputs[1]);
  };
  nn::Selection selection;
  PRIVDNN_ASSIGN_OR_RETURN(selection.layer1, Largest(weights(segment.conv1), count1, 1));
  PRIVDNN_ASSIGN_OR_RETURN(selection.layer2, Largest(weights(segment.conv2), count2, 2));
  PRIVDNN_RETURN_IF_ERROR(nn::CheckSelection(segment, selection));
  return selection;
}

absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  PRIVDNN_ASSIGN_OR_RETURN(const auto segment, nn::FindQuadraticSegment(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph separated, nn::Separate(graph, segment, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segment, selection));
  SelectionAccuracy accuracy{};
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.original, nn::Accuracy(graph, images, kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.separated, nn::Accuracy(separated, images, kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.removed, AccuracyWithoutCore(rest, images));
  return accuracy;
}

}  // namespace privdnn
