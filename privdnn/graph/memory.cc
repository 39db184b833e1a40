#include "privdnn/graph/memory.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace privdnn {

absl::StatusOr<uint64_t> PeakBytesPerImage(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  const auto bytes = [&](const std::string& value) {
    uint64_t elements = 1;  // InferShapes has bounded them
    for (const int64_t size : shapes.at(value)) elements *= static_cast<uint64_t>(size);
    return elements * sizeof(float);
  };
  std::map<std::string, size_t> last_reader;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      if (!graph.initializers.contains(input)) last_reader[input] = i;
    }
  }
  for (const ValueInfo& output : graph.outputs) last_reader.erase(output.name);
  uint64_t now = 0;
  for (const ValueInfo& input : graph.inputs) now += bytes(input.name);
  uint64_t peak = now;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    now += bytes(node.output);
    peak = std::max(peak, now);
    for (const std::string& input : std::set<std::string>(node.inputs.begin(), node.inputs.end())) {
      const auto last = last_reader.find(input);
      if (last != last_reader.end() && last->second == i) now -= bytes(input);
    }
  }
  return peak;
}

}  // namespace privdnn
