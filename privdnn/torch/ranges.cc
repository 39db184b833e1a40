#include "privdnn/torch/ranges.h"

#include <algorithm>

#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

constexpr int64_t kBatch = 50;

}  // namespace

absl::StatusOr<std::vector<ValueRange>> MeasureRanges(const Graph& graph, const std::vector<std::string>& values,
                                                      const ImageSet& images) {
  if (images.count == 0) return InvalidArgument("ranges: no images");
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  Graph probed = graph;
  probed.outputs.clear();
  for (const std::string& value : values) {
    const auto shape = shapes.find(value);
    if (shape == shapes.end()) return InvalidArgument("ranges: graph '{}' has no value '{}'", graph.name, value);
    ValueInfo info{value, shape->second};
    info.shape[0] = -1;
    if (std::ranges::find(probed.outputs, info) == probed.outputs.end()) probed.outputs.push_back(std::move(info));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(probed));
  std::vector<ValueRange> ranges(values.size(), {INFINITY, -INFINITY});
  for (int64_t first = 0; first < images.count; first += kBatch) {
    std::map<std::string, Tensor> inputs;
    inputs.emplace(graph.inputs[0].name, images.Batch(first, std::min(first + kBatch, images.count)));
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run(inputs));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto [least, largest] = std::ranges::minmax(outputs.at(values[i]).values);
      ranges[i] = {std::min(ranges[i].min, least), std::max(ranges[i].max, largest)};
    }
  }
  return ranges;
}

}  // namespace privdnn
