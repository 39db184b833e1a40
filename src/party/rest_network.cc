#include "party/rest_network.h"

#include "nn/onnx.h"
#include "nn/partition.h"

namespace privdnn {

absl::StatusOr<RestNetwork> RestNetwork::Create(const Package& package) {
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, nn::ImportOnnx(package.rest_model(), "package: plaintext model"));
  const SegmentSpec& s = package.header().segment;
  const Size2 map = package.geometry().output();
  const std::vector<int64_t> images = {-1, s.channels, s.input.h, s.input.w}, outputs = {-1, s.outputs, map.h, map.w};
  if (graph.outputs.size() != 1 || graph.inputs.size() != 2) {
    return InvalidArgument("package: plaintext model: has {} inputs and {} outputs, must have 2 and 1",
                           graph.inputs.size(), graph.outputs.size());
  }
  std::string input;
  for (const auto& value : graph.inputs) {
    const bool segment = value.name == nn::kSegmentInput;
    if (!segment) input = value.name;
    if (value.shape != (segment ? outputs : images)) {
      return InvalidArgument("package: plaintext model: input '{}' does not have the segment's shape", value.name);
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(nn::Executor executor, nn::Executor::Create(graph));
  return RestNetwork(std::move(executor), input, graph.outputs[0].name);
}

absl::StatusOr<nn::Tensor> RestNetwork::Run(nn::Tensor images, nn::Tensor outputs) const {
  std::map<std::string, nn::Tensor> inputs;
  inputs.emplace(input_, std::move(images));
  inputs.emplace(nn::kSegmentInput, std::move(outputs));
  PRIVDNN_ASSIGN_OR_RETURN(auto results, executor_.Run(inputs));
  return std::move(results.at(output_));
}

}  // namespace privdnn
