#include "nn/train_setup.h"

#include <algorithm>

#include "base/random.h"
#include "nn/onnx.h"

namespace privdnn::nn {
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

}  // namespace

std::map<std::string, Role> AssignRoles(const Graph& graph, const std::set<std::string>& frozen) {
  std::map<std::string, Role> roles;
  for (const auto& [name, tensor] : graph.initializers) roles[name] = Role::kFixed;
  for (const Node& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const auto role = roles.find(node.inputs[i]);
      if (role == roles.end() || role->second == Role::kStatistics) continue;
      const bool is_statistics = std::holds_alternative<BatchNormalization>(node.op) && i >= 3;
      role->second = is_statistics ? Role::kStatistics : Role::kTrained;
    }
  }
  for (auto& [name, role] : roles) {
    if (frozen.contains(name) && role == Role::kTrained) role = Role::kFixed;
  }
  return roles;
}

bool FirstLayerIsFrozen(const Graph& graph, const std::set<std::string>& frozen) {
  for (const ValueInfo& input : graph.inputs) {
    for (const size_t i : graph.Consumers(input.name)) {
      const std::vector<std::string>& values = graph.nodes[i].inputs;
      if (std::any_of(values.begin(), values.end(), [&](const auto& v) { return frozen.contains(v); })) return true;
    }
  }
  return false;
}

absl::Status CheckTrainArguments(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                                 const TrainOptions& options) {
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1) {
    return InvalidArgument("the graph has {} inputs and {} outputs, training needs 1 and 1", graph.inputs.size(),
                           graph.outputs.size());
  }
  const Node* last = graph.Producer(graph.outputs[0].name);
  if (last == nullptr || std::holds_alternative<Softmax>(last->op)) {
    return InvalidArgument("the graph's output must be logits, not the result of a Softmax");
  }
  if (train.count < 1) return InvalidArgument("the training set is empty");
  PRIVDNN_RETURN_IF_ERROR(CheckSet(graph, train, "training"));
  if (validation.count > 0) PRIVDNN_RETURN_IF_ERROR(CheckSet(graph, validation, "validation"));
  if (options.epochs < 1 || options.batch < 1 || options.threads < 1) {
    return InvalidArgument("{} epochs, batch {}, {} threads: must be positive", options.epochs, options.batch,
                           options.threads);
  }
  if (!(options.learning_rate > 0) || !(options.weight_decay >= 0) ||
      !(options.averaging >= 0 && options.averaging < 1)) {
    return InvalidArgument("learning rate {} must be > 0, weight decay {} >= 0, averaging {} in [0, 1)",
                           options.learning_rate, options.weight_decay, options.averaging);
  }
  for (const std::string& name : options.frozen) {
    if (!graph.initializers.contains(name)) return InvalidArgument("frozen initializer '{}' is not in the graph", name);
  }
  return absl::OkStatus();
}

Fingerprint FingerprintOf(const Graph& graph, const ImageSet& train, const ImageSet& validation,
                          const TrainOptions& o) {
  ByteWriter writer;
  writer.Raw(Sha256(ExportOnnx(graph)));
  for (const ImageSet* set : {&train, &validation}) {
    writer.Raw(Sha256(set->pixels));
    writer.Raw(Sha256({reinterpret_cast<const uint8_t*>(set->labels.data()), set->labels.size() * sizeof(int32_t)}));
  }
  for (const int64_t v : {int64_t{o.epochs}, o.batch, int64_t{o.threads}, int64_t{o.augment}, int64_t{o.normalize}}) {
    writer.U64(static_cast<uint64_t>(v));
  }
  writer.U64(o.seed);
  const Augmentation& a = o.augmentation;
  for (const double v :
       {o.learning_rate, o.weight_decay, o.averaging, a.shift_pixels, a.rotation_degrees, a.log_scale, a.shear}) {
    writer.F64(v);
  }
  for (const std::string& name : o.frozen) writer.String(name);
  return Sha256(writer.view());
}

}  // namespace privdnn::nn
