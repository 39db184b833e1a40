#include "privdnn/graph/fold.h"

#include <cmath>
#include <map>
#include <set>

namespace privdnn {
namespace {

// y = scale x + shift, one of each for a channel: what a BatchNormalization computes.
struct ChannelAffine {
  std::vector<double> scale, shift;
};

ChannelAffine AffineOf(const Graph& graph, const Node& node) {
  const auto values = [&](size_t i) -> const std::vector<float>& {
    return graph.initializers.at(node.inputs[i]).values;
  };
  const double epsilon = std::get<op::BatchNormalization>(node.op).epsilon;
  ChannelAffine affine;
  for (size_t c = 0; c < values(1).size(); ++c) {
    const double scale = values(1)[c] / std::sqrt(values(4)[c] + epsilon);
    affine.scale.push_back(scale);
    affine.shift.push_back(values(2)[c] - values(3)[c] * scale);
  }
  return affine;
}

class Folder {
 public:
  explicit Folder(Graph graph) : graph_(std::move(graph)) {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      producers_[graph_.nodes[i].output] = i;
      for (const std::string& input : graph_.nodes[i].inputs) ++reads_[input];
    }
    for (const ValueInfo& output : graph_.outputs) ++reads_[output.name];
    for (const ValueInfo& input : graph_.inputs) ++reads_[input.name];
  }

  Graph Fold() && {
    std::set<size_t> folded;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& norm = graph_.nodes[i];
      if (!std::holds_alternative<op::BatchNormalization>(norm.op) || reads_.at(norm.inputs[0]) != 1) continue;
      const auto producer = producers_.find(norm.inputs[0]);
      if (producer == producers_.end()) continue;
      Node& affine = graph_.nodes[producer->second];
      if (!std::holds_alternative<op::Conv>(affine.op) && !std::holds_alternative<op::Gemm>(affine.op)) continue;
      FoldInto(affine, AffineOf(graph_, norm));
      affine.output = norm.output;
      producers_[norm.output] = producer->second;  // another BatchNormalization may follow
      folded.insert(i);
    }
    std::vector<Node> nodes;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!folded.contains(i)) nodes.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(nodes);
    DropUnread();
    return std::move(graph_);
  }

 private:
  void FoldInto(Node& node, const ChannelAffine& affine) {
    const size_t channels = affine.scale.size();
    const auto* gemm = std::get_if<op::Gemm>(&node.op);
    Tensor weights = graph_.initializers.at(node.inputs[1]);
    Tensor bias = Tensor::Zeros({static_cast<int64_t>(channels)});
    const double beta = gemm == nullptr ? 1 : gemm->beta;
    const size_t outer = weights.values.size() / channels;
    const bool columns = gemm != nullptr && !gemm->trans_b;  // outputs are B's last dimension, else the first
    for (size_t i = 0; i < weights.values.size(); ++i) {
      weights.values[i] = static_cast<float>(weights.values[i] * affine.scale[columns ? i % channels : i / outer]);
    }
    for (size_t c = 0; c < channels; ++c) {
      double old = 0;
      if (node.inputs.size() == 3) {
        const auto& values = graph_.initializers.at(node.inputs[2]).values;
        old = beta * values[values.size() == 1 ? 0 : c];
      }
      bias.values[c] = static_cast<float>(old * affine.scale[c] + affine.shift[c]);
    }
    if (gemm != nullptr) std::get<op::Gemm>(node.op).beta = 1;
    node.inputs.resize(3);
    node.inputs[1] = Add(node.inputs[1].empty() ? node.name : node.inputs[1], std::move(weights));
    node.inputs[2] = Add(node.inputs[2].empty() ? node.name + ".bias" : node.inputs[2], std::move(bias));
  }

  // A new initializer, called after `name`.
  std::string Add(std::string name, Tensor tensor) {
    name += ".folded";
    while (reads_.contains(name) || producers_.contains(name) || graph_.initializers.contains(name)) name += "_";
    graph_.initializers[name] = std::move(tensor);
    return name;
  }

  void DropUnread() {
    std::set<std::string> read;
    for (const Node& node : graph_.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    std::erase_if(graph_.initializers, [&](const auto& entry) { return !read.contains(entry.first); });
  }

  Graph graph_;
  std::map<std::string, size_t> producers_;
  std::map<std::string, int> reads_;
};

}  // namespace

absl::StatusOr<Graph> FoldBatchNormalization(const Graph& graph) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  return Folder(graph).Fold();
}

}  // namespace privdnn
