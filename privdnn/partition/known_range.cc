#include "privdnn/partition/known_range.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "privdnn/partition/fold_layer.h"

namespace privdnn {
namespace {

// Bounds of each channel (axis 1), or one for all of them.
using Bounds = std::vector<KnownRange>;

KnownRange Hull(const Bounds& bounds) {
  KnownRange hull = bounds[0];
  for (const KnownRange& b : bounds) hull = {std::min(hull.min, b.min), std::max(hull.max, b.max)};
  return hull;
}

Bounds WithZero(Bounds bounds) {
  for (KnownRange& b : bounds) b = {std::min(b.min, 0.0), std::max(b.max, 0.0)};
  return bounds;
}

Bounds Affine(const ChannelMap& map, const Bounds& x) {
  Bounds y;
  for (size_t c = 0; c < map.factor.size(); ++c) {
    const KnownRange& b = x[x.size() == 1 ? 0 : c];
    const double p = map.factor[c] * b.min + map.shift[c], q = map.factor[c] * b.max + map.shift[c];
    y.push_back({std::min(p, q), std::max(p, q)});
  }
  return y;
}

// What a function that never falls makes of the bounds.
template <typename F>
Bounds Monotone(const F& f, Bounds bounds) {
  for (KnownRange& b : bounds) b = {f(b.min), f(b.max)};
  return bounds;
}

// Bounds behind a node, from those of its data; nothing for a node that this doesn't follow.
struct Step {
  const Graph& graph;
  const Shapes& shapes;
  const Node& node;
  const Bounds& x;
  using Result = std::optional<Bounds>;

  template <typename T>
  Result operator()(const T&) const {
    const auto map = AsChannelMap(graph, shapes, node);
    if (!map || (x.size() != 1 && x.size() != map->factor.size())) return std::nullopt;
    return Affine(*map, x);
  }
  Result operator()(const op::Relu&) const {
    return Monotone([](double v) { return std::max(v, 0.0); }, x);
  }
  Result operator()(const op::LeakyRelu& relu) const {
    if (relu.alpha < 0) return std::nullopt;
    return Monotone([&](double v) { return v < 0 ? relu.alpha * v : v; }, x);
  }
  Result operator()(const op::Clip& clip) const {
    return Monotone([&](double v) { return std::clamp(v, double{clip.min}, double{clip.max}); }, x);
  }
  Result operator()(const op::Sigmoid&) const {
    return Monotone([](double v) { return 1 / (1 + std::exp(-v)); }, x);
  }
  Result operator()(const op::Tanh&) const {
    return Monotone([](double v) { return std::tanh(v); }, x);
  }
  Result operator()(const op::Square&) const {
    Bounds y;
    for (const KnownRange& b : x) {
      const double low = b.min <= 0 && b.max >= 0 ? 0 : std::min(b.min * b.min, b.max * b.max);
      y.push_back({low, std::max(b.min * b.min, b.max * b.max)});
    }
    return y;
  }
  Result operator()(const op::MaxPool&) const { return x; }
  Result operator()(const op::AveragePool& pool) const { return pool.count_include_pad ? WithZero(x) : x; }
  Result operator()(const op::Pad& pad) const {
    Bounds y = x;
    for (KnownRange& b : y) b = {std::min(b.min, double{pad.value}), std::max(b.max, double{pad.value})};
    return Bounds{Hull(y)};
  }
  Result operator()(const op::Dropout&) const { return x; }
  // Channels move.
  Result operator()(const op::Flatten&) const { return Bounds{Hull(x)}; }
  Result operator()(const op::Reshape&) const { return Bounds{Hull(x)}; }
  Result operator()(const op::Gather&) const { return Bounds{Hull(x)}; }
  Result operator()(const op::Transpose&) const { return Bounds{Hull(x)}; }
  Result operator()(const op::Slice&) const { return Bounds{Hull(x)}; }
};

}  // namespace

std::optional<KnownRange> FindKnownRange(const Graph& graph, const Shapes& shapes, const std::string& value,
                                         const KnownRange& input) {
  // From the value up to the input: every node has one that is computed.
  std::vector<const Node*> path;
  std::string at = value;
  while (std::ranges::find(graph.inputs, at, &ValueInfo::name) == graph.inputs.end()) {
    const Node* node = graph.Producer(at);
    const auto computed = [&](const std::string& name) { return !graph.initializers.contains(name); };
    if (node == nullptr || std::ranges::count_if(node->inputs, computed) != 1) return std::nullopt;
    path.push_back(node);
    at = DataInput(graph, *node);
  }
  Bounds bounds = {input};
  for (size_t i = path.size(); i-- > 0;) {
    auto next = std::visit(Step{graph, shapes, *path[i], bounds}, path[i]->op);
    if (!next) return std::nullopt;
    bounds = *std::move(next);
  }
  const KnownRange hull = Hull(bounds);
  if (!std::isfinite(hull.min) || !std::isfinite(hull.max)) return std::nullopt;
  return hull;
}

}  // namespace privdnn
