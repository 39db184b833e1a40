// The order in which the nodes of a model can be computed. Internal to the ONNX reader.
#pragma once

#include <vector>

#include "privdnn/base/status.h"

namespace onnx {
class GraphProto;
class NodeProto;
}  // namespace onnx

namespace privdnn {

// Returns the nodes' positions in the file, such that each node comes behind those whose outputs it reads, and
// otherwise as in the file: nodes that are in order stay so. Takes linear time. A cycle is an error that names nodes on
// it.
absl::StatusOr<std::vector<int>> ExecutionOrder(const onnx::GraphProto& graph);

// "conv1", or "-> y" for a node without a name that writes y.
std::string NameOf(const onnx::NodeProto& node);

}  // namespace privdnn
