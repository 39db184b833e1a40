// inspect: what a file holds.
#include "privdnn/base/file.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/graph/preprocess.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/package/owner_key.h"
#include "privdnn/package/package.h"
#include "privdnn/pipeline/answer_file.h"
#include "privdnn/pipeline/bounded_json.h"
#include "privdnn/pipeline/rest_network.h"
#include "privdnn/pipeline/sealed_inference.h"
#include "privdnn/report/table.h"
#include "privdnn/selection/journal_format.h"

namespace privdnn {
namespace {

// JSON files of this program, and journals.
constexpr uint64_t kMaxReportBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxJournalBytes = uint64_t{4} << 30;

// Foreign text as JSON writes it in ASCII, so that nothing in it controls the terminal.
std::string Printable(const std::string& text) {
  const std::string quoted = Json(text).dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "" : "x") + (side == -1 ? "N" : std::to_string(side));
  return text;
}

// A layer, and how its neurons can be encrypted.
struct InspectedLayer {
  Layer layer;
  std::string name, op;
  std::vector<int64_t> input, output;
  int64_t parameters = 0;
  int64_t pair = 0;      // the layer before it, in front of a square; 0: linear
  std::string obstacle;  // why it can't be encrypted; empty: it can
};

std::vector<int64_t> All(int64_t neurons) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < neurons; ++i) all.push_back(i);
  return all;
}

absl::StatusOr<std::vector<InspectedLayer>> InspectLayers(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  std::vector<InspectedLayer> layers;
  for (const Layer& layer : FindLayers(graph)) {
    const Node& node = graph.nodes[layer.node];
    InspectedLayer found{.layer = layer,
                         .name = node.name,
                         .op = OpName(node.op),
                         .input = shapes.at(node.inputs[0]),
                         .output = shapes.at(node.output),
                         .obstacle = {}};
    for (const std::string& input : node.inputs) {
      const auto weight = graph.initializers.find(input);
      if (weight != graph.initializers.end()) found.parameters += weight->second.size();
    }
    const auto segments = FindSegments(graph, Selection{{{layer.number, All(layer.neurons)}}});
    if (segments.ok()) {
      found.pair = segments->at(0).first_number;
    } else {
      found.obstacle = Message(segments.status());
    }
    layers.push_back(std::move(found));
  }
  return layers;
}

std::string HowText(const InspectedLayer& layer) {
  if (!layer.obstacle.empty()) return "no: " + layer.obstacle;
  return layer.pair == 0 ? "yes" : fmt::format("yes, with layer {} and the square between them", layer.pair);
}

Json ModelJson(const Graph& graph, const std::vector<InspectedLayer>& layers) {
  Json json = {{"kind", "model"}, {"parameters", graph.ParameterCount()}, {"nodes", graph.nodes.size()}};
  for (const ValueInfo& input : graph.inputs) json["inputs"].push_back({{"name", input.name}, {"shape", input.shape}});
  for (const ValueInfo& output : graph.outputs) {
    json["outputs"].push_back({{"name", output.name}, {"shape", output.shape}});
  }
  const auto kind = FindOutputKind(graph);
  if (kind.ok()) json["output_kind"] = OutputKindName(*kind);
  if (!graph.metadata.empty()) json["metadata"] = graph.metadata;
  json["layers"] = Json::array();
  for (const InspectedLayer& l : layers) {
    Json layer = {{"number", l.layer.number},   {"name", l.name},
                  {"operator", l.op},           {"neurons", l.layer.neurons},
                  {"input", l.input},           {"output", l.output},
                  {"parameters", l.parameters}, {"can_be_encrypted", l.obstacle.empty()}};
    if (l.pair > 0) layer["with_layer"] = l.pair;
    if (!l.obstacle.empty()) layer["obstacle"] = l.obstacle;
    json["layers"].push_back(std::move(layer));
  }
  return json;
}

std::string ModelText(const std::string& path, const Graph& graph, const std::vector<InspectedLayer>& layers) {
  FactTable facts(path + ": a model");
  for (const ValueInfo& input : graph.inputs) {
    facts.Add("input", fmt::format("{} {}", input.name, ShapeText(input.shape)));
  }
  for (const ValueInfo& output : graph.outputs) {
    facts.Add("output", fmt::format("{} {}", output.name, ShapeText(output.shape)));
  }
  const auto kind = FindOutputKind(graph);
  facts.Add("what comes out", kind.ok() ? OutputKindName(*kind) : Message(kind.status()));
  facts.Add("size", fmt::format("{} operators, {} parameters", graph.nodes.size(), graph.ParameterCount()));
  for (const auto& [key, value] : graph.metadata) facts.Add(key, value);
  std::string text = facts.Render();
  for (const InspectedLayer& l : layers) {
    FactTable table(fmt::format("layer {}, {}", l.layer.number, l.name));
    table.Add(l.op, fmt::format("{} -> {}, {} neurons, {} parameters", ShapeText(l.input), ShapeText(l.output),
                                l.layer.neurons, l.parameters));
    table.Add("can be encrypted", HowText(l));
    text += table.Render();
  }
  return text;
}

absl::StatusOr<CommandOutput> InspectModel(const ModelInput& model) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, model.LoadWithOwnOutputs());
  // Layers as other commands number them, or why none takes the model.
  const absl::StatusOr<Graph> scored = model.Load();
  PRIVDNN_ASSIGN_OR_RETURN(auto layers, InspectLayers(scored.ok() ? *scored : graph));
  if (!scored.ok()) {
    for (InspectedLayer& layer : layers) layer.obstacle = Message(scored.status());
  }
  return CommandOutput{ModelJson(graph, layers), ModelText(model.Name(), graph, layers)};
}

// What a package and its key say alike of their segments.
Json SegmentsJson(const std::vector<PreparedSegment>& segments) {
  Json json = Json::array();
  for (const PreparedSegment& s : segments) {
    const SegmentSpec& spec = s.geometry.spec();
    json.push_back({{"kind", spec.kind == SegmentKind::kLinear ? "linear" : "quadratic"},
                    {"input", {spec.channels, spec.input.h, spec.input.w}},
                    {"outputs", spec.outputs()},
                    {"input_bits", spec.input_bits},
                    {"ring_dimension", s.parameters.spec().n},
                    {"primes", s.parameters.spec().primes.size()}});
  }
  return json;
}

void AddSegments(const std::vector<PreparedSegment>& segments, FactTable& table) {
  for (size_t k = 0; k < segments.size(); ++k) {
    const SegmentSpec& spec = segments[k].geometry.spec();
    table.Add(fmt::format("segment {}", k),
              fmt::format("{}, {}x{}x{} in, {} encrypted outputs, N = {}",
                          spec.kind == SegmentKind::kLinear ? "linear" : "quadratic", spec.channels, spec.input.h,
                          spec.input.w, spec.outputs(), segments[k].parameters.spec().n));
  }
}

// A sealed package: what its program does with an image.
absl::StatusOr<CommandOutput> InspectSealed(const std::string& path, Package package) {
  const std::string id = HexEncode(package.id());
  CommandOutput output;
  output.json = {{"kind", "sealed package"},
                 {"package_id", id},
                 {"bytes", package.size()},
                 {"image_budget", package.image_budget()},
                 {"segments", SegmentsJson(package.segments())}};
  FactTable table(path + ": a sealed package, for a user");
  table.Add("package id", id);
  table.Add("size", FormatBytes(package.size()));
  table.Add("budget", fmt::format("{} images", package.image_budget()));
  AddSegments(package.segments(), table);
  PRIVDNN_ASSIGN_OR_RETURN(const SealedUser user, SealedUser::Create(std::move(package), 1));
  const SealedProgram& program = user.program();
  const bool labels = program.reveal == Reveal::kLabel;
  output.json["reveal"] = labels ? "label" : "scores";
  output.json["input"] = user.image_shape();
  output.json["steps"] = Json::array();
  for (size_t at = 0; at < program.steps.size(); ++at) {
    const SealedValue& v = program.values[at];
    output.json["steps"].push_back({{"step", StepName(program.steps[at])},
                                    {"shape", {v.shape.channels, v.shape.height, v.shape.width}},
                                    {"bits", v.bits}});
    table.Add(fmt::format("step {}, {}", at, StepName(program.steps[at])),
              fmt::format("{}x{}x{}, modulo 2^{}", v.shape.channels, v.shape.height, v.shape.width, v.bits));
  }
  table.Add("the user learns", labels ? "the label" : "the scores");
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InspectPackage(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(path));
  if (SealedUser::Takes(package)) return InspectSealed(path, std::move(package));
  PRIVDNN_ASSIGN_OR_RETURN(const RestNetwork rest, RestNetwork::Create(package));
  const std::string id = HexEncode(package.id());
  CommandOutput output;
  output.json = {{"kind", "package"},
                 {"package_id", id},
                 {"bytes", package.size()},
                 {"image_budget", package.image_budget()},
                 {"input", rest.image_shape()},
                 {"outputs", OutputKindName(rest.output_kind())},
                 {"scores", rest.columns()},
                 {"plaintext_model_bytes", package.rest_model().size()},
                 {"statistical_security_bits", StatisticalSecurity(package.segments())},
                 {"segments", SegmentsJson(package.segments())}};
  FactTable table(path + ": a package, for a user");
  table.Add("package id", id);
  table.Add("size", fmt::format("{}, of it {} the plaintext rest", FormatBytes(package.size()),
                                FormatBytes(package.rest_model().size())));
  table.Add("budget", fmt::format("{} images", package.image_budget()));
  table.Add("input", ShapeText(rest.image_shape()));
  table.Add("outputs", fmt::format("{}, {} scores", OutputKindName(rest.output_kind()), rest.columns()));
  AddSegments(package.segments(), table);
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InspectKey(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerKey key, OwnerKey::Open(path));
  const std::string id = HexEncode(key.package_id());
  CommandOutput output;
  output.json = {{"kind", "owner key"},
                 {"package_id", id},
                 {"user", key.user()},
                 {"image_budget", key.image_budget()},
                 {"segments", SegmentsJson(key.segments())}};
  FactTable table(path + ": an owner's key; it decrypts, and no user may have it");
  table.Add("package id", id);
  table.Add("user", key.user());
  table.Add("budget", fmt::format("{} images", key.image_budget()));
  AddSegments(key.segments(), table);
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InspectJournal(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxJournalBytes));
  PRIVDNN_ASSIGN_OR_RETURN(const JournalContent journal, ParseJournal(bytes, path));
  CommandOutput output;
  output.json = {{"kind", "journal"},
                 {"identity", journal.identity},
                 {"outcomes", journal.outcomes.size()},
                 {"margins", journal.margins.size()}};
  FactTable table(path + ": a journal of privdnn select");
  table.Add("of", Printable(journal.identity));
  table.Add("holds", fmt::format("{} outcomes, {} margins", journal.outcomes.size(), journal.margins.size()));
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InspectAnswers(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxJournalBytes));
  PRIVDNN_ASSIGN_OR_RETURN(const RecordHeader header, ParseRecordHeader(bytes, kAnswerFormat, path));
  uint64_t records = 0;
  PRIVDNN_RETURN_IF_ERROR(ParseRecords(bytes, header.bytes, path, [&](auto, const std::string&) {
                            ++records;
                            return absl::OkStatus();
                          }).status());
  CommandOutput output;
  output.json = {{"kind", "answers"}, {"identity", header.identity}, {"records", records}};
  FactTable table(path + ": answers of privdnn infer --resume");
  table.Add("of", Printable(header.identity));
  table.Add("holds", fmt::format("{} records, each of a few messages", records));
  output.text = table.Render();
  return output;
}

// A scalar; of what is nested, how much there is.
std::string MemberText(const Json& value) {
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (value.is_object()) return fmt::format("an object of {}", value.size());
  if (!value.is_string()) return value.dump();
  constexpr size_t kShown = 60;
  const std::string text = Printable(value.get_ref<const std::string&>());
  return fmt::format("\"{}{}\"", text.substr(0, kShown), text.size() > kShown ? " ..." : "");
}

absl::StatusOr<CommandOutput> InspectJson(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxReportBytes));
  // Reports are a few deep.
  constexpr int kMaxDepth = 64;
  const BoundedJson parsed = ParseBoundedJson(text, kMaxDepth);
  const Json& json = parsed.value;
  if (parsed.too_deep) return InvalidArgument("{}: looks like JSON, but is nested more than {} deep", path, kMaxDepth);
  if (!json.is_object()) return InvalidArgument("{}: looks like JSON, but is no object", path);
  CommandOutput output;
  output.json = {{"kind", "JSON"}, {"members", Json::array()}};
  FactTable table(path + ": JSON");
  for (const auto& [name, value] : json.items()) {
    output.json["members"].push_back(name);
    table.Add(Printable(name), MemberText(value));
  }
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InspectInputs(const std::string& path) {
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet set, LoadInputs(path));
  CommandOutput output;
  output.json = {{"kind", "inputs"}, {"count", set.count}, {"shape", set.Shape()}, {"pixels", set.values.empty()}};
  FactTable table(path + ": inputs");
  table.Add("inputs",
            fmt::format("{} of {}, {}", set.count, ShapeText(set.Shape()), set.values.empty() ? "pixels" : "floats"));
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> Inspect(const ModelInput& model) {
  const std::string& path = model.path;
  if (path.empty()) return InspectModel(model);
  PRIVDNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const std::string_view start = AsStringView(file.bytes());
  if (start.starts_with(kPackageMagic)) return InspectPackage(path);
  if (start.starts_with(kOwnerKeyMagic)) return InspectKey(path);
  if (start.starts_with(kJournalFormat.magic)) return InspectJournal(path);
  if (start.starts_with(kAnswerFormat.magic)) return InspectAnswers(path);
  if (start.starts_with("{")) return InspectJson(path);
  if (LooksLikeInputs(file.bytes())) return InspectInputs(path);
  return InspectModel(model);
}

}  // namespace

void AddInspect(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "inspect",
                             "Show what a file holds: a model's layers and which can be encrypted, a package, a key, a "
                             "journal, answers, a report, inputs",
                             "privdnn inspect model.onnx\n  privdnn inspect alice.privdnn --json");
  const auto o = std::make_shared<ModelInput>();
  o->AddPositional(command);
  command->callback([o, &action] { action = [o] { return Inspect(*o); }; });
}

}  // namespace privdnn
