#include "privdnn/torch/train_setup.h"

#include <algorithm>

#include "privdnn/base/random.h"
#include "privdnn/graph/shapes.h"
#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

absl::Status CheckSet(const Graph& graph, const ImageSet& set, const std::string& which) {
  const std::vector<int64_t> expected = {-1, set.channels, set.height, set.width};
  if (graph.inputs[0].shape != expected) {
    return InvalidArgument("the {} images have shape ({}), the graph's input needs ({})", which,
                           fmt::join(expected, ", "), fmt::join(graph.inputs[0].shape, ", "));
  }
  const auto& outputs = graph.outputs[0].shape;
  if (outputs.size() != 2 || outputs[1] < set.classes) {
    return InvalidArgument("the {} set has {} classes, the graph's output has shape ({})", which, set.classes,
                           fmt::join(outputs, ", "));
  }
  return absl::OkStatus();
}

absl::Status CheckAugmentation(const ImageSet& set, const Augmentation& a) {
  if (a.crop_padding < 0 || a.crop_padding >= std::min(set.height, set.width)) {
    return InvalidArgument("crops of images with {} black pixels around them: must be 0 or more and less than a side",
                           a.crop_padding);
  }
  for (const double probability : {a.flip, a.grayscale}) {
    if (!(probability >= 0 && probability <= 1)) {
      return InvalidArgument("probabilities of flips ({}) and grayscale ({}) must be in [0, 1]", a.flip, a.grayscale);
    }
  }
  for (const double bound : {a.shift_pixels, a.rotation_degrees, a.log_scale, a.shear}) {
    if (!(bound >= 0 && bound <= 1000)) {
      return InvalidArgument("shift {}, rotation {}, zoom {} and shear {} must be in [0, 1000]", a.shift_pixels,
                             a.rotation_degrees, a.log_scale, a.shear);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRates(const Graph& graph, const Rates& rates) {
  for (const auto& [name, shares] : rates) {
    const auto tensor = graph.initializers.find(name);
    if (tensor == graph.initializers.end()) return InvalidArgument("rates of '{}', which is not in the graph", name);
    const auto values = tensor->second.values.size();
    if (shares.size() != 1 && shares.size() != values) {
      return InvalidArgument("{} rates for the {} values of '{}': needs one for all or one for each", shares.size(),
                             values, name);
    }
    for (const float share : shares) {
      if (!(share >= 0 && share <= 1)) return InvalidArgument("rate {} of '{}' must be in [0, 1]", share, name);
    }
  }
  const auto roles = AssignRoles(graph, rates);
  if (std::ranges::none_of(roles, [](const auto& entry) { return entry.second == Role::kTrained; })) {
    return InvalidArgument("nothing to train: every weight has rate 0");
  }
  return absl::OkStatus();
}

}  // namespace

std::set<std::string> FixedByRates(const Rates& rates) {
  std::set<std::string> fixed;
  for (const auto& [name, shares] : rates) {
    if (std::ranges::all_of(shares, [](float share) { return share == 0; })) fixed.insert(name);
  }
  return fixed;
}

std::map<std::string, Role> AssignRoles(const Graph& graph, const Rates& rates) {
  std::map<std::string, Role> roles;
  for (const auto& [name, tensor] : graph.initializers) roles[name] = Role::kFixed;
  for (const Node& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const auto role = roles.find(node.inputs[i]);
      if (role == roles.end() || role->second == Role::kStatistics) continue;
      const bool is_statistics = std::holds_alternative<op::BatchNormalization>(node.op) && i >= 3;
      role->second = is_statistics ? Role::kStatistics : Role::kTrained;
    }
  }
  for (const std::string& name : FixedByRates(rates)) {
    if (roles.contains(name) && roles[name] == Role::kTrained) roles[name] = Role::kFixed;
  }
  return roles;
}

bool FirstLayerHasRates(const Graph& graph, const Rates& rates) {
  for (const ValueInfo& input : graph.inputs) {
    for (const size_t i : graph.Consumers(input.name)) {
      const std::vector<std::string>& values = graph.nodes[i].inputs;
      if (std::any_of(values.begin(), values.end(), [&](const auto& v) { return rates.contains(v); })) return true;
    }
  }
  return false;
}

absl::Status CheckTrainArguments(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                                 const TrainOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  PRIVDNN_RETURN_IF_ERROR(CheckOneInput(graph));
  if (graph.outputs.size() != 1) {
    return InvalidArgument("the graph has {} outputs, training needs 1", graph.outputs.size());
  }
  const Node* last = graph.Producer(graph.outputs[0].name);
  if (last == nullptr || std::holds_alternative<op::Softmax>(last->op)) {
    return InvalidArgument("the graph's output must be logits, not the result of a Softmax");
  }
  if (train.count < 1) return InvalidArgument("the training set is empty");
  PRIVDNN_RETURN_IF_ERROR(CheckSet(graph, train, "training"));
  if (validation.count > 0) PRIVDNN_RETURN_IF_ERROR(CheckSet(graph, validation, "validation"));
  if (options.epochs < 1 || options.batch < 1 || options.threads < 1) {
    return InvalidArgument("{} epochs, batch {}, {} threads: must be positive", options.epochs, options.batch,
                           options.threads);
  }
  const auto is_share = [](double v) { return v >= 0 && v < 1; };
  if (!(options.learning_rate > 0) || !(options.weight_decay >= 0) || !is_share(options.averaging) ||
      !is_share(options.warm_up) || !is_share(options.label_smoothing)) {
    return InvalidArgument(
        "learning rate {} must be > 0, weight decay {} >= 0, averaging {}, warm-up {} and label smoothing {} in [0, 1)",
        options.learning_rate, options.weight_decay, options.averaging, options.warm_up, options.label_smoothing);
  }
  if (options.half_size_epochs < 0 || options.half_size_epochs > options.epochs) {
    return InvalidArgument("{} of {} epochs on halved images", options.half_size_epochs, options.epochs);
  }
  if (options.patience < 0 || (options.patience > 0 && validation.count == 0)) {
    return InvalidArgument(
        "patience of {} epochs with {} validation images: needs 0 or more epochs, and images to wait by",
        options.patience, validation.count);
  }
  PRIVDNN_RETURN_IF_ERROR(CheckAugmentation(train, options.augmentation));
  return CheckRates(graph, options.rates);
}

absl::StatusOr<Graph> ForHalfSize(Graph graph) {
  std::vector<int64_t>& shape = graph.inputs[0].shape;
  const auto last_pool = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), [](const Node& node) {
    return std::holds_alternative<op::AveragePool>(node.op);
  });
  if (shape.size() != 4 || shape[2] % 2 != 0 || shape[3] % 2 != 0 || last_pool == graph.nodes.rend()) {
    return InvalidArgument(
        "training on halved images needs an input (N, C, H, W) with even H and W, not ({}), and an average pool",
        fmt::join(shape, ", "));
  }
  Window& window = std::get<op::AveragePool>(last_pool->op).window;
  for (const size_t axis : {0, 1}) {
    shape[axis + 2] /= 2;
    if (window.kernel[axis] % 2 != 0 || window.strides[axis] % 2 != 0) {
      return NodeError(last_pool->name, "AveragePool", InvalidArgument("its window cannot be halved"));
    }
    window.kernel[axis] /= 2;
    window.strides[axis] /= 2;
  }
  const auto shapes = InferShapes(graph);
  if (!shapes.ok()) return Annotate(shapes.status(), "the graph for halved images");
  return graph;
}

Fingerprint FingerprintOf(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                          const TrainOptions& o) {
  ByteWriter writer;
  writer.Raw(Sha256(ExportOnnx(graph)));
  for (const ImageSet* set : {&train, &validation}) {
    writer.Raw(Sha256(set->Content()));
    writer.Raw(Sha256({reinterpret_cast<const uint8_t*>(set->labels.data()), set->labels.size() * sizeof(int32_t)}));
  }
  const Augmentation& a = o.augmentation;
  for (const int64_t v :
       {int64_t{o.epochs}, int64_t{o.half_size_epochs}, o.batch, int64_t{o.threads}, static_cast<int64_t>(o.optimizer),
        static_cast<int64_t>(o.precision), int64_t{o.normalize}, int64_t{o.patience}, a.crop_padding}) {
    writer.U64(static_cast<uint64_t>(v));
  }
  writer.U64(o.seed);
  for (const double v : {o.learning_rate, o.warm_up, o.weight_decay, o.label_smoothing, o.averaging, a.shift_pixels,
                         a.rotation_degrees, a.log_scale, a.shear, a.flip, a.grayscale}) {
    writer.F64(v);
  }
  for (const auto& [name, shares] : o.rates) {
    writer.String(name);
    writer.U64(shares.size());
    for (const float share : shares) writer.F64(share);
  }
  return Sha256(writer.view());
}

}  // namespace privdnn
