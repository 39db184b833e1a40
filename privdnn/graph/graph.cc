#include "privdnn/graph/graph.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "privdnn/graph/shapes.h"

namespace privdnn {

Tensor Tensor::Zeros(std::vector<int64_t> shape) {
  int64_t count = 1;
  for (const int64_t d : shape) count *= d;
  return {std::move(shape), std::vector<float>(static_cast<size_t>(count), 0.0f)};
}

absl::StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape) {
  constexpr int64_t kMax = int64_t{1} << 31;
  // A zero dimension makes the count zero whatever the others are, but must not hide a negative one, or one that loops
  // would run over.
  bool empty = false, large = false;
  int64_t count = 1;
  for (const int64_t d : shape) {
    if (d < 0) return InvalidArgument("shape ({}): dimension {} is negative", fmt::join(shape, ", "), d);
    empty = empty || d == 0;
    large = large || d > kMax || d * count > kMax;
    if (!empty && !large) count *= d;
  }
  const bool too_long = std::any_of(shape.begin(), shape.end(), [](int64_t d) { return d > kMax; });
  if (empty ? too_long : large) {
    return InvalidArgument("shape ({}): more than {} elements", fmt::join(shape, ", "), kMax);
  }
  return empty ? 0 : count;
}

std::string OpName(const Op& op) {
  return std::visit([](const auto& of) { return of.kName; }, op);
}

const Node* Graph::Producer(const std::string& value) const {
  const auto it = std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.output == value; });
  return it == nodes.end() ? nullptr : &*it;
}

std::vector<size_t> Graph::Consumers(const std::string& value) const {
  std::vector<size_t> consumers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (std::find(nodes[i].inputs.begin(), nodes[i].inputs.end(), value) != nodes[i].inputs.end()) {
      consumers.push_back(i);
    }
  }
  return consumers;
}

int64_t Graph::ParameterCount() const {
  int64_t count = 0;
  for (const auto& [key, tensor] : initializers) count += tensor.size();
  return count;
}

absl::Status CheckOneInput(const Graph& graph) {
  if (graph.inputs.size() == 1) return absl::OkStatus();
  constexpr size_t kNamed = 8;
  std::vector<std::string> names;
  for (const ValueInfo& input : graph.inputs) {
    if (names.size() == kNamed) {
      names.emplace_back("...");
      break;
    }
    const bool read = !graph.Consumers(input.name).empty();
    names.push_back(fmt::format("'{}'{}", input.name, read ? "" : " (not read)"));
  }
  return InvalidArgument("the network has {} inputs, needs 1: {}", graph.inputs.size(), fmt::join(names, ", "));
}

namespace {

// Names go into messages and files: printable, and of a size that a line can hold.
absl::Status CheckName(const std::string& name) {
  constexpr size_t kMaxBytes = 1024;
  if (name.empty()) return InvalidArgument("a name is empty");
  if (name.size() > kMaxBytes) return InvalidArgument("a name of {} bytes; {} are allowed", name.size(), kMaxBytes);
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return InvalidArgument("a name holds a control character");
  }
  return absl::OkStatus();
}

absl::Status CheckInitializer(const Tensor& tensor) {
  for (const int64_t d : tensor.shape) {
    if (d < 1) return InvalidArgument("shape ({}): dimensions must be positive", fmt::join(tensor.shape, ", "));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(tensor.shape));
  if (count != tensor.size()) {
    return InvalidArgument("shape ({}) holds {} elements, {} given", fmt::join(tensor.shape, ", "), count,
                           tensor.size());
  }
  const auto bad = std::find_if(tensor.values.begin(), tensor.values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != tensor.values.end()) {
    return InvalidArgument("element {} is {}, not a finite number", bad - tensor.values.begin(), *bad);
  }
  return absl::OkStatus();
}

// `shape` as a graph states it: -1 for the batch, then positive dimensions.
absl::StatusOr<std::vector<int64_t>> WithBatch(std::vector<int64_t> shape, int64_t batch) {
  if (shape.empty() || shape[0] != -1 || std::any_of(shape.begin() + 1, shape.end(), [](int64_t d) { return d < 1; })) {
    return InvalidArgument("shape ({}) must be -1 (the batch), then positive dimensions", fmt::join(shape, ", "));
  }
  shape[0] = batch;
  PRIVDNN_RETURN_IF_ERROR(ElementCount(shape).status());
  return shape;
}

// Collects the values of a graph while it is walked in execution order.
class ShapeWalk {
 public:
  ShapeWalk(const Graph& graph, int64_t batch) : graph_(graph), batch_(batch) {}

  absl::Status Inputs() {
    for (const auto& [name, tensor] : graph_.initializers) {
      PRIVDNN_RETURN_IF_ERROR(Annotate(CheckInitializer(tensor), fmt::format("initializer '{}'", name)));
      PRIVDNN_RETURN_IF_ERROR(Define(name, tensor.shape));
    }
    for (const ValueInfo& input : graph_.inputs) {
      auto shape = WithBatch(input.shape, batch_);
      if (!shape.ok()) return Annotate(shape.status(), fmt::format("graph input '{}'", input.name));
      PRIVDNN_RETURN_IF_ERROR(Define(input.name, *std::move(shape)));
    }
    return absl::OkStatus();
  }

  absl::Status Add(const Node& node) {
    PRIVDNN_RETURN_IF_ERROR(Annotate(CheckName(node.name), fmt::format("a node ({})", OpName(node.op))));
    if (!node_names_.insert(node.name).second) return InvalidArgument("two nodes are named '{}'", node.name);
    std::vector<Operand> operands;
    for (const std::string& input : node.inputs) {
      const auto shape = shapes_.find(input);
      if (shape == shapes_.end()) {
        return NodeError(node.name, OpName(node.op), InvalidArgument("reads '{}' before it is defined", input));
      }
      const auto constant = graph_.initializers.find(input);
      operands.push_back({shape->second, constant == graph_.initializers.end() ? nullptr : &constant->second});
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto shape, InferNodeShape(node, operands));
    return Annotate(Define(node.output, std::move(shape)), fmt::format("node '{}' ({})", node.name, OpName(node.op)));
  }

  absl::Status Outputs() const {
    std::set<std::string> seen;
    for (const ValueInfo& output : graph_.outputs) {
      const auto shape = shapes_.find(output.name);
      if (shape == shapes_.end() || graph_.initializers.contains(output.name)) {
        return InvalidArgument("graph output '{}' is not computed by any node", output.name);
      }
      if (!seen.insert(output.name).second) return InvalidArgument("graph output '{}' is listed twice", output.name);
      const auto stated = WithBatch(output.shape, batch_);
      if (!stated.ok()) return Annotate(stated.status(), fmt::format("graph output '{}'", output.name));
      if (*stated != shape->second) {
        return InvalidArgument("graph output '{}' has shape ({}), declared as ({})", output.name,
                               fmt::join(shape->second, ", "), fmt::join(*stated, ", "));
      }
    }
    return absl::OkStatus();
  }

  Shapes Take() && { return std::move(shapes_); }

 private:
  absl::Status Define(const std::string& name, std::vector<int64_t> shape) {
    PRIVDNN_RETURN_IF_ERROR(CheckName(name));
    if (!shapes_.emplace(name, std::move(shape)).second) return InvalidArgument("value '{}' is defined twice", name);
    return absl::OkStatus();
  }

  const Graph& graph_;
  const int64_t batch_;
  Shapes shapes_;
  std::set<std::string> node_names_;
};

}  // namespace

absl::StatusOr<Shapes> InferShapes(const Graph& graph, int64_t batch) {
  if (batch < 1) return InvalidArgument("a batch of {} images", batch);
  if (graph.inputs.empty()) return InvalidArgument("the graph has no inputs");
  if (graph.outputs.empty()) return InvalidArgument("the graph has no outputs");
  ShapeWalk walk(graph, batch);
  PRIVDNN_RETURN_IF_ERROR(walk.Inputs());
  for (const Node& node : graph.nodes) PRIVDNN_RETURN_IF_ERROR(walk.Add(node));
  PRIVDNN_RETURN_IF_ERROR(walk.Outputs());
  return std::move(walk).Take();
}

}  // namespace privdnn
