#include "privdnn/partition/fold_layer.h"

#include <algorithm>
#include <cmath>

namespace privdnn {
namespace {

constexpr std::array<int64_t, 4> kNoPads{0, 0, 0, 0};

// A pool in front of a kernel makes it larger, as do the zeros between what groups and dilations read. A few bytes of
// model must not ask for any amount of memory: kernels don't become larger than this many weights (512 MiB of doubles).
constexpr int64_t kMaxSpreadWeights = int64_t{1} << 26;

ChannelMap MapOfBatchNormalization(const Graph& graph, const Node& node) {
  const auto values = [&](size_t i) -> const std::vector<float>& {
    return graph.initializers.at(node.inputs[i]).values;
  };
  const auto &scale = values(1), &shift = values(2), &mean = values(3), &variance = values(4);
  const double epsilon = std::get<op::BatchNormalization>(node.op).epsilon;
  ChannelMap map;
  for (size_t c = 0; c < scale.size(); ++c) {
    map.factor.push_back(scale[c] / std::sqrt(variance[c] + epsilon));
    map.shift.push_back(shift[c] - mean[c] * map.factor[c]);
  }
  return map;
}

// A constant as one number a channel; nullopt if it differs inside a channel or changes the value's shape.
std::optional<std::vector<double>> ConstantPerChannel(const Graph& graph, const Shapes& shapes, const Node& node) {
  const auto& shape = shapes.at(DataInput(graph, node));
  if (shape.size() < 2 || shapes.at(node.output) != shape) return std::nullopt;
  for (const std::string& input : node.inputs) {
    const auto it = graph.initializers.find(input);
    if (it == graph.initializers.end()) continue;
    const Tensor& constant = it->second;
    const auto axis = ChannelAxisOfConstant(constant, shape.size());
    if (constant.size() != (axis ? constant.dim(*axis) : 1)) return std::nullopt;
    std::vector<double> values(constant.values.begin(), constant.values.end());
    if (values.size() == 1) values.resize(static_cast<size_t>(shape[1]), values[0]);
    return values;
  }
  return std::nullopt;  // both operands are computed
}

// The layer behind an average over `pool` that is never padded:
//   sum_a w[a] mean_{i < pool} x[pool_stride (stride o + a - pad) + i] = sum_u w'[u] x[stride' o + u - pad'],
//   w'[pool_stride a + i] += w[a] / pool,  stride' = pool_stride stride,  pad' = pool_stride pad.
// The layer pads with zeros. They are averages of zeros only if windows don't overlap, and behind the end only if the
// windows leave nothing of `side` over.
struct PooledAxis {
  int64_t kernel, stride, begin, end;
};
std::optional<PooledAxis> PoolAxis(int64_t side, int64_t pool, int64_t pool_stride, const PooledAxis& layer) {
  if (layer.begin > 0 || layer.end > 0) {
    if (pool != pool_stride || (layer.end > 0 && side % pool != 0)) return std::nullopt;
  }
  // Sides up to 2^31 are in files (kMaxExtent); products of them are not.
  const auto kernel =
      static_cast<double>(pool_stride) * static_cast<double>(layer.kernel - 1) + static_cast<double>(pool);
  const double stride = static_cast<double>(pool_stride) * static_cast<double>(layer.stride);
  const double pad = static_cast<double>(pool_stride) * static_cast<double>(std::max(layer.begin, layer.end));
  if (std::max({kernel, stride, pad}) > 0x1p31) return std::nullopt;
  return PooledAxis{pool_stride * (layer.kernel - 1) + pool, pool_stride * layer.stride, pool_stride * layer.begin,
                    pool_stride * layer.end};
}

void SpreadWeights(const Window& pool, const FoldedLayer& from, FoldedLayer& to) {
  const int64_t planes = from.outputs * from.inputs;
  to.weights.assign(static_cast<size_t>(planes * to.window.kernel[0] * to.window.kernel[1]), 0.0);
  const double share = 1.0 / (static_cast<double>(pool.kernel[0]) * static_cast<double>(pool.kernel[1]));
  auto w = from.weights.begin();
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t a = 0; a < from.window.kernel[0]; ++a) {
      for (int64_t b = 0; b < from.window.kernel[1]; ++b, ++w) {
        for (int64_t i = 0; i < pool.kernel[0]; ++i) {
          const int64_t row = plane * to.window.kernel[0] + a * pool.strides[0] + i;
          for (int64_t j = 0; j < pool.kernel[1]; ++j) {
            to.weights[static_cast<size_t>(row * to.window.kernel[1] + b * pool.strides[1] + j)] += share * *w;
          }
        }
      }
    }
  }
}

bool PoolInFront(const std::vector<int64_t>& shape, const Window& pool, FoldedLayer& layer) {
  if (pool.pads != kNoPads) return false;
  FoldedLayer pooled = layer;
  for (size_t i = 0; i < 2; ++i) {
    const auto axis =
        PoolAxis(shape[i + 2], pool.kernel[i], pool.strides[i],
                 {layer.window.kernel[i], layer.window.strides[i], layer.window.pads[i], layer.window.pads[i + 2]});
    if (!axis) return false;
    pooled.window.kernel[i] = axis->kernel;
    pooled.window.strides[i] = axis->stride;
    pooled.window.pads[i] = axis->begin;
    pooled.window.pads[i + 2] = axis->end;
  }
  const double weights = static_cast<double>(layer.outputs) * static_cast<double>(layer.inputs) *
                         static_cast<double>(pooled.window.kernel[0]) * static_cast<double>(pooled.window.kernel[1]);
  if (weights > static_cast<double>(kMaxSpreadWeights)) return false;
  if (!layer.weights.empty()) SpreadWeights(pool, layer, pooled);
  layer = std::move(pooled);
  return true;
}

// A map read as a row of values: the kernel is the whole map.
bool FlattenInFront(const std::vector<int64_t>& from, const std::vector<int64_t>& to, FoldedLayer& layer) {
  if (to.size() != 2) return false;
  if (from.size() == 2) return true;
  if (from.size() != 4) return false;
  layer.inputs = from[1];
  layer.window.kernel = {from[2], from[3]};
  return true;
}

// Zeros around a map are what the layer pads with.
bool PadInFront(const op::Pad& pad, FoldedLayer& layer) {
  if (pad.value != 0 || pad.pads.size() != 8 || pad.pads[1] != 0 || pad.pads[5] != 0) return false;
  for (size_t i = 0; i < 2; ++i) {
    layer.window.pads[i] += pad.pads[i + 2];
    layer.window.pads[i + 2] += pad.pads[i + 6];
  }
  return true;
}

bool MapInFront(const ChannelMap& map, FoldedLayer& layer) {
  // Padding would have to be what the map makes 0.
  const bool shifts = std::any_of(map.shift.begin(), map.shift.end(), [](double s) { return s != 0; });
  if (shifts && layer.window.pads != kNoPads) return false;
  const size_t taps = static_cast<size_t>(layer.window.kernel[0] * layer.window.kernel[1]);
  auto w = layer.weights.begin();
  for (double& bias : layer.bias) {
    for (size_t c = 0; c < map.factor.size(); ++c) {
      for (size_t t = 0; t < taps; ++t, ++w) {
        bias += *w * map.shift[c];
        *w *= map.factor[c];
      }
    }
  }
  return true;
}

// The weights of a convolution with all channels read by all filters, and every cell of a window: the others are zero.
std::vector<double> DenseWeights(const op::Conv& conv, const Tensor& weights, const FoldedLayer& layer) {
  const int64_t per_filter = weights.dim(1), filters_per_group = weights.dim(0) / conv.groups;
  const auto [height, width] = layer.window.kernel;
  std::vector<double> dense(static_cast<size_t>(layer.outputs * layer.inputs * height * width), 0.0);
  auto w = weights.values.begin();
  for (int64_t f = 0; f < layer.outputs; ++f) {
    for (int64_t c = 0; c < per_filter; ++c) {
      const int64_t plane = f * layer.inputs + f / filters_per_group * per_filter + c;
      for (int64_t a = 0; a < weights.dim(2); ++a) {
        for (int64_t b = 0; b < weights.dim(3); ++b, ++w) {
          const int64_t row = plane * height + a * conv.window.dilations[0];
          dense[static_cast<size_t>(row * width + b * conv.window.dilations[1])] = *w;
        }
      }
    }
  }
  return dense;
}

void AssignBias(const Tensor& tensor, double factor, std::vector<double>& bias) {
  for (size_t i = 0; i < bias.size(); ++i) {
    bias[i] = factor * static_cast<double>(tensor.values[tensor.size() == 1 ? 0 : i]);
  }
}

}  // namespace

std::optional<ChannelMap> AsChannelMap(const Graph& graph, const Shapes& shapes, const Node& node) {
  if (std::holds_alternative<op::BatchNormalization>(node.op)) return MapOfBatchNormalization(graph, node);
  const bool add = std::holds_alternative<op::Add>(node.op), subtract = std::holds_alternative<op::Sub>(node.op);
  const bool multiply = std::holds_alternative<op::Mul>(node.op), divide = std::holds_alternative<op::Div>(node.op);
  if (!(add || subtract || multiply || divide)) return std::nullopt;
  const auto constant = ConstantPerChannel(graph, shapes, node);
  if (!constant) return std::nullopt;
  const bool from_constant = graph.initializers.contains(node.inputs[0]);  // c - x, c / x
  if (divide && from_constant) return std::nullopt;
  ChannelMap map;
  for (const double c : *constant) {
    map.factor.push_back(multiply ? c : divide ? 1 / c : subtract && from_constant ? -1 : 1);
    map.shift.push_back(multiply || divide ? 0 : subtract && !from_constant ? -c : c);
  }
  return map;
}

std::optional<int64_t> LayerNeurons(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 2) return std::nullopt;
  const auto weights = graph.initializers.find(node.inputs[1]);
  if (weights == graph.initializers.end()) return std::nullopt;
  const Tensor& w = weights->second;
  if (std::holds_alternative<op::Conv>(node.op)) return w.dim(0);
  if (std::holds_alternative<op::MatMul>(node.op) && w.shape.size() == 2) return w.dim(1);
  if (const auto* gemm = std::get_if<op::Gemm>(&node.op)) return w.dim(gemm->trans_b ? 0 : 1);
  return std::nullopt;
}

std::pair<size_t, size_t> WeightAxes(const Op& op) {
  const auto* gemm = std::get_if<op::Gemm>(&op);
  if (std::holds_alternative<op::Conv>(op) || (gemm != nullptr && gemm->trans_b)) return {0, 1};
  return {1, 0};
}

const std::string& DataInput(const Graph& graph, const Node& node) {
  const auto computed = std::find_if(node.inputs.begin(), node.inputs.end(),
                                     [&](const std::string& input) { return !graph.initializers.contains(input); });
  return computed == node.inputs.end() ? node.inputs[0] : *computed;
}

std::optional<size_t> ChannelAxisOfConstant(const Tensor& constant, size_t rank) {
  const size_t from_end = rank - 1;  // axis 1 of `rank` dimensions; shapes are aligned at their ends
  if (constant.shape.size() < from_end) return std::nullopt;
  return constant.shape.size() - from_end;
}

absl::Status CheckLiftable(const Shapes& shapes, const Node& node) {
  if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
    const auto &in = shapes.at(node.inputs[0]), &weights = shapes.at(node.inputs[1]);
    const double all = static_cast<double>(weights[0]) * static_cast<double>(in[1]) *
                       static_cast<double>(conv->window.extent(0)) * static_cast<double>(conv->window.extent(1));
    const bool spread = conv->groups != 1 || conv->window.dilations != Window{}.dilations;
    if (spread && all > static_cast<double>(kMaxSpreadWeights)) {
      return InvalidArgument(
          "node '{}': Conv with {} groups and dilations {} by {} would have {:.0f} weights with the zeros between "
          "them, "
          "more than the {} that can be lifted",
          node.name, conv->groups, conv->window.dilations[0], conv->window.dilations[1], all, kMaxSpreadWeights);
    }
  }
  const size_t rank = shapes.at(node.inputs[0]).size();
  if (std::holds_alternative<op::MatMul>(node.op) && rank != 2) {
    return InvalidArgument("node '{}': MatMul of values with {} dimensions can't be lifted, only with 2", node.name,
                           rank);
  }
  return absl::OkStatus();
}

FoldedLayer LayerFrame(const Graph& graph, const Shapes& shapes, const Node& node) {
  FoldedLayer layer;
  layer.outputs = LayerNeurons(graph, node).value();
  layer.inputs = shapes.at(node.inputs[0])[1];
  if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
    layer.window = conv->window;
    layer.window.kernel = {conv->window.extent(0), conv->window.extent(1)};
    layer.window.dilations = {1, 1};
  }
  return layer;
}

FoldedLayer LayerNumbers(const Graph& graph, const Shapes& shapes, const Node& node) {
  FoldedLayer layer = LayerFrame(graph, shapes, node);
  const Tensor& weights = graph.initializers.at(node.inputs[1]);
  const auto& w = weights.values;
  layer.bias.assign(static_cast<size_t>(layer.outputs), 0.0);
  const auto* gemm = std::get_if<op::Gemm>(&node.op);
  if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
    layer.weights = DenseWeights(*conv, weights, layer);
  } else if (gemm != nullptr && gemm->trans_b) {
    layer.weights.assign(w.begin(), w.end());
  } else {
    layer.weights.reserve(w.size());
    const auto outputs = static_cast<size_t>(layer.outputs), inputs = static_cast<size_t>(layer.inputs);
    for (size_t o = 0; o < outputs; ++o) {
      for (size_t i = 0; i < inputs; ++i) layer.weights.push_back(w[i * outputs + o]);
    }
  }
  if (gemm != nullptr) {
    for (double& weight : layer.weights) weight *= gemm->alpha;
  }
  if (node.inputs.size() > 2) {
    AssignBias(graph.initializers.at(node.inputs[2]), gemm != nullptr ? gemm->beta : 1.0, layer.bias);
  }
  return layer;
}

bool FoldBehind(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer) {
  if (std::holds_alternative<op::Dropout>(node.op)) return true;
  if (const auto* pool = std::get_if<op::AveragePool>(&node.op)) {
    if (pool->window.pads != kNoPads || layer.pool != Window{}) return false;
    layer.pool = pool->window;
    return true;
  }
  // An average that is never padded and a map of channels may change places.
  const auto map = AsChannelMap(graph, shapes, node);
  if (!map) return false;
  const size_t per_output = layer.weights.size() / static_cast<size_t>(layer.outputs);
  for (size_t o = 0; o < layer.bias.size(); ++o) {
    for (size_t i = 0; i < per_output; ++i) layer.weights[o * per_output + i] *= map->factor[o];
    layer.bias[o] = layer.bias[o] * map->factor[o] + map->shift[o];
  }
  return true;
}

bool FoldInFront(const Graph& graph, const Shapes& shapes, const Node& node, FoldedLayer& layer) {
  if (std::holds_alternative<op::Dropout>(node.op)) return true;
  if (const auto* pad = std::get_if<op::Pad>(&node.op)) return PadInFront(*pad, layer);
  const auto& shape = shapes.at(DataInput(graph, node));
  if (const auto* pool = std::get_if<op::AveragePool>(&node.op)) return PoolInFront(shape, pool->window, layer);
  if (std::holds_alternative<op::Flatten>(node.op) || std::holds_alternative<op::Reshape>(node.op)) {
    return FlattenInFront(shape, shapes.at(node.output), layer);
  }
  const auto map = AsChannelMap(graph, shapes, node);
  return map && MapInFront(*map, layer);
}

}  // namespace privdnn
