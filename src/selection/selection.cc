#include "selection/selection.h"

#include <algorithm>

#include "nn/executor.h"
#include "nn/train.h"
#include "selection/pruning.h"

namespace privdnn {
namespace {

// Images evaluated at a time.
constexpr int64_t kBatch = 250;

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
          nn::IsSegmentInput(value.name) ? nn::Tensor::Zeros(std::move(shape)) : images.Batch(first, end);
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
  PRIVDNN_ASSIGN_OR_RETURN(const auto pair, nn::FindQuadraticPair(graph));
  if (count2 == 0) {
    return InvalidArgument("select: no neuron of layer {}; what is encrypted are its outputs", pair.second.number);
  }
  nn::Selection selection;
  for (const auto& [layer, count] : {std::pair(pair.first, count1), std::pair(pair.second, count2)}) {
    if (count < 0 || count > layer.neurons) {
      return InvalidArgument("select: layer {} has {} neurons, {} were asked for", layer.number, layer.neurons, count);
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto neurons, RankNeurons(graph, layer.number, PruningCriterion::kNorm, {}, count,
                                                       [](uint64_t, uint64_t, const std::string&) { return true; }));
    neurons.resize(static_cast<size_t>(count));
    std::sort(neurons.begin(), neurons.end());
    if (!neurons.empty()) selection.layers[layer.number] = std::move(neurons);
  }
  PRIVDNN_RETURN_IF_ERROR(nn::FindSegments(graph, selection).status());
  return selection;
}

absl::StatusOr<SelectionAccuracy> EvaluateSelection(const nn::Graph& graph, const nn::Selection& selection,
                                                    const nn::ImageSet& images) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, nn::FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph separated, nn::Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segments));
  SelectionAccuracy accuracy{};
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.original, nn::Accuracy(graph, images, kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.separated, nn::Accuracy(separated, images, kBatch));
  PRIVDNN_ASSIGN_OR_RETURN(accuracy.removed, AccuracyWithoutCore(rest, images));
  return accuracy;
}

}  // namespace privdnn
