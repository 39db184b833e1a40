#include "privdnn/graph/memory.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace privdnn {
namespace {

// (N, C, H, W) with its pads. InferShapes has bounded it.
uint64_t Padded(const std::vector<int64_t>& x, const Window& w) {
  if (w.pads == Window{}.pads) return 0;
  return static_cast<uint64_t>(x[1] * (x[2] + w.pads[0] + w.pads[2]) * (x[3] + w.pads[1] + w.pads[3]));
}

// Elements, for one image, of what an operator may make for itself: a padded copy of its input x, two where an average
// doesn't count the pads, or its output before that is cropped.
uint64_t OwnElements(const Node& node, const std::vector<int64_t>& x, const std::vector<int64_t>& output) {
  if (const auto* conv = std::get_if<op::Conv>(&node.op)) return Padded(x, conv->window);
  if (const auto* pool = std::get_if<op::MaxPool>(&node.op)) return Padded(x, pool->window);
  if (const auto* pool = std::get_if<op::AveragePool>(&node.op)) return 2 * Padded(x, pool->window);
  if (const auto* conv = std::get_if<op::ConvTranspose>(&node.op)) {
    const Window& w = conv->window;
    const int64_t sides = (w.strides[0] * (x[2] - 1) + w.extent(0)) * (w.strides[1] * (x[3] - 1) + w.extent(1));
    return static_cast<uint64_t>(output[1] * sides);
  }
  if (const auto* norm = std::get_if<op::LRN>(&node.op)) {
    uint64_t area = 1;
    for (size_t i = 2; i < x.size(); ++i) area *= static_cast<uint64_t>(x[i]);
    return static_cast<uint64_t>(x[1] + norm->size - 1) * area;
  }
  return 0;
}

}  // namespace

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
    const auto x = shapes.find(node.inputs[0]);
    const uint64_t own = x == shapes.end() ? 0 : OwnElements(node, x->second, shapes.at(node.output));
    peak = std::max(peak, now + own * sizeof(float));
    for (const std::string& input : std::set<std::string>(node.inputs.begin(), node.inputs.end())) {
      const auto last = last_reader.find(input);
      if (last != last_reader.end() && last->second == i) now -= bytes(input);
    }
  }
  return peak;
}

}  // namespace privdnn
