// eval: what a model computes and how often it is right, whole, separated, and without its core neurons.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/plan_report.h"
#include "privdnn/graph/fold.h"
#include "privdnn/report/table.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

constexpr int64_t kBatch = 100;
constexpr uint64_t kMaxInputBytes = uint64_t{1} << 30;

struct EvalCommand {
  ModelInput model;
  ImageInput images;
  std::string selection, inputs, outputs;
  int threads = 1;
};

// What goes through the network: `count` inputs, in batches [begin, end).
struct Inputs {
  int64_t count = 0;
  std::function<Tensor(int64_t begin, int64_t end)> batch;
};

// Every output of the graph for all inputs, and the time it took.
struct Outputs {
  std::map<std::string, Tensor> values;
  double seconds = 0;
};

absl::StatusOr<Outputs> RunModel(const Graph& graph, const Inputs& inputs) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph folded, FoldBatchNormalization(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(folded));
  const ProgressFn progress = Evaluating("the network", inputs.count, "inputs");
  Outputs result;
  const auto start = std::chrono::steady_clock::now();
  PRIVDNN_RETURN_IF_ERROR(InBatches(
      inputs.count, kBatch, progress,
      [&](int64_t begin, int64_t end) -> absl::Status {
        PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run({{graph.inputs[0].name, inputs.batch(begin, end)}}));
        for (const auto& [name, value] : outputs) {
          Tensor& all = result.values.try_emplace(name, Tensor{value.shape, {}}).first->second;
          all.shape[0] = end;
          all.values.insert(all.values.end(), value.values.begin(), value.values.end());
        }
        return absl::OkStatus();
      },
      "inputs"));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

// The inputs in a file of 32-bit floats: as many as fit, without a header.
absl::StatusOr<Inputs> LoadInputs(const std::string& path, const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, kMaxInputBytes));
  std::vector<int64_t> shape = graph.inputs[0].shape;
  shape[0] = 1;
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(shape));
  const size_t size = static_cast<size_t>(elements) * sizeof(float);
  if (bytes.empty() || bytes.size() % size != 0) {
    return InvalidArgument("{}: {} bytes are not a number of inputs of ({}) floats, {} bytes each", path, bytes.size(),
                           fmt::join(shape.begin() + 1, shape.end(), ", "), size);
  }
  auto values = std::make_shared<std::vector<float>>(bytes.size() / sizeof(float));
  std::memcpy(values->data(), bytes.data(), bytes.size());
  return Inputs{static_cast<int64_t>(bytes.size() / size), [values, shape, elements](int64_t begin, int64_t end) {
                  Tensor batch{shape, {values->begin() + begin * elements, values->begin() + end * elements}};
                  batch.shape[0] = end - begin;
                  return batch;
                }};
}

absl::Status SaveOutputs(const Outputs& outputs, const std::string& path) {
  Json json;
  for (const auto& [name, value] : outputs.values) json[name] = {{"shape", value.shape}, {"values", value.values}};
  return WriteTextFile(path, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

// `outputs` are those of `graph`, which may be made of the model's own (see WithScores).
absl::Status SaveOwnOutputs(const EvalCommand& command, const Graph& graph, const Inputs& inputs,
                            const Outputs& outputs) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph own, command.model.LoadWithOwnOutputs());
  if (own.outputs == graph.outputs) return SaveOutputs(outputs, command.outputs);
  PRIVDNN_ASSIGN_OR_RETURN(const Outputs own_outputs, RunModel(own, inputs));
  return SaveOutputs(own_outputs, command.outputs);
}

// Percent of labels among the `top` largest scores of their image (see RankOf).
double TopAccuracy(const Tensor& scores, const std::vector<int32_t>& labels, int64_t top) {
  const int64_t classes = scores.size() / scores.dim(0);
  int64_t right = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto row = std::span(scores.values).subspan(i * static_cast<size_t>(classes), static_cast<size_t>(classes));
    right += RankOf(row, static_cast<size_t>(labels[i])) < top;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(labels.size());
}

// What eval found. What wasn't asked for is missing.
struct EvalResult {
  std::string model;
  bool raw = false;  // inputs of a file, not images
  int64_t count = 0;
  std::optional<int32_t> classes;
  std::optional<double> top1, top5;  // percent; the second of more than five classes only
  std::optional<double> per_second;
  std::optional<Selection> selection;
  std::optional<SelectionAccuracy> accuracies;
  std::optional<SimulatedPlan> planned;  // the selection as it would be encrypted
  absl::Status not_written;
};

Json EvalJson(const EvalResult& r) {
  Json json = {{"model", r.model}, {r.raw ? "inputs" : "images", r.count}};
  if (r.classes) json["classes"] = *r.classes;
  if (r.top1) json["accuracy_original"] = *r.top1;
  if (r.top5) json["accuracy_top5"] = *r.top5;
  if (r.per_second) json["images_per_second"] = *r.per_second;
  if (r.selection) json["selection"] = Json::parse(FormatSelection(*r.selection));
  if (r.accuracies) AddAccuracies(*r.accuracies, json);
  if (r.planned && r.planned->simulation) json["simulation"] = SimulationJson(*r.planned);
  return json;
}

std::string EvalText(const EvalResult& r) {
  const char* unit = r.raw ? "inputs" : "images";
  FactTable table(fmt::format("{} on {} {}", r.model, r.count, unit));
  if (r.top1) table.Add("A_o, original", fmt::format("{:.2f} %", *r.top1));
  if (r.top5) table.Add("label among the first five", fmt::format("{:.2f} %", *r.top5));
  if (r.per_second) table.Add("speed", fmt::format("{:.0f} {} a second", *r.per_second, unit));
  if (r.accuracies) AddAccuracies(*r.accuracies, table);
  return table.Render() + (r.planned ? SimulationText(*r.planned) : "");
}

absl::Status AddTopAccuracies(const Graph& graph, const Outputs& outputs, const ImageSet& images, EvalResult& result) {
  const Tensor& scores = outputs.values.at(graph.outputs[0].name);
  const int64_t classes = scores.size() / scores.dim(0);
  if (classes < images.classes) {
    return InvalidArgument("the model's output '{}' has {} scores an image, the data has {} classes",
                           graph.outputs[0].name, classes, images.classes);
  }
  result.top1 = TopAccuracy(scores, images.labels, 1);
  if (classes > 5) result.top5 = TopAccuracy(scores, images.labels, 5);
  return absl::OkStatus();
}

// What goes together.
absl::Status CheckOptions(const EvalCommand& command, bool raw, bool labelled) {
  if (!labelled && command.outputs.empty()) {
    return WrongUsage(raw ? "--inputs needs --outputs: accuracy is against labels"
                          : "--images needs --labels or --outputs: accuracy is against labels");
  }
  if (!labelled && !command.selection.empty()) {
    return WrongUsage(
        "--selection needs labels: its accuracies are against labels (`plan` simulates what a user "
        "gets without them)");
  }
  return absl::OkStatus();
}

std::optional<double> OriginalAccuracy(const EvalResult& result) {
  return result.accuracies ? std::optional(result.accuracies->original) : std::nullopt;
}

// What rounding makes of a selection, calibrated on the images themselves; nothing if it can't be encrypted.
absl::StatusOr<std::optional<SimulatedPlan>> SimulateSelection(const EvalCommand& command, const Graph& graph,
                                                               const Selection& selection, const ImageSet& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions options, OnThisMachine({}));
  auto planned = PlanWithChosenBits(graph, selection, options, images,
                                    {.labelled = true, .threads = command.threads, .begin = ReportingToPeople().begin});
  if (absl::IsCancelled(planned.status())) return planned.status();
  if (planned.ok()) {
    WarnOfRounding(*planned);
    return std::optional(*std::move(planned));
  }
  spdlog::warn("what a user would get is not simulated: {}", Message(planned.status()));
  return std::optional<SimulatedPlan>();
}

absl::StatusOr<EvalResult> Evaluate(const EvalCommand& command) {
  const bool raw = !command.inputs.empty();
  const bool labelled = !raw && command.images.labelled();
  PRIVDNN_RETURN_IF_ERROR(CheckOptions(command, raw, labelled));
  PRIVDNN_RETURN_IF_ERROR(CheckWritable(command.outputs));
  // Accuracy is of classes; without labels, outputs are what the model has.
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph,
                           labelled ? command.model.LoadClasses() : command.model.LoadWithOwnOutputs());
  SetExecutorThreads(command.threads);
  ImageSet images;
  Inputs inputs;
  if (raw) {
    PRIVDNN_ASSIGN_OR_RETURN(inputs, LoadInputs(command.inputs, graph));
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(images, command.images.LoadFor(graph));
    inputs = {images.count, [&images](int64_t begin, int64_t end) { return images.Batch(begin, end); }};
  }
  EvalResult result;
  result.model = command.model.Name();
  result.raw = raw;
  result.count = inputs.count;
  if (labelled) result.classes = images.classes;
  if (command.selection.empty() || !command.outputs.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const Outputs outputs, RunModel(graph, inputs));
    if (!command.outputs.empty()) result.not_written = SaveOwnOutputs(command, graph, inputs, outputs);
    if (labelled) PRIVDNN_RETURN_IF_ERROR(AddTopAccuracies(graph, outputs, images, result));
    result.per_second = static_cast<double>(inputs.count) / outputs.seconds;
  }
  if (!command.selection.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(result.selection, LoadSelection(command.selection, command.model, graph));
    PRIVDNN_ASSIGN_OR_RETURN(result.accuracies, EvaluateSelection(graph, *result.selection, images,
                                                                  Evaluating("the selection", images.count)));
    PRIVDNN_ASSIGN_OR_RETURN(result.planned, SimulateSelection(command, graph, *result.selection, images));
  }
  if (const auto original = result.top1 ? result.top1 : OriginalAccuracy(result)) {
    const std::string hint = NearChanceHint(*original, *result.classes);
    if (!hint.empty()) spdlog::warn("{}", hint);
  }
  return result;
}

absl::StatusOr<CommandOutput> Eval(const EvalCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const EvalResult result, Evaluate(command));
  return CommandOutput{EvalJson(result), EvalText(result), /*failed=*/false, result.not_written};
}

}  // namespace

void AddEval(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "eval",
                             "Measure a model's accuracy and write its outputs; with a selection also A_s and A_r",
                             "privdnn eval model.onnx --data ~/data --selection selection.json\n"
                             "  privdnn eval model.onnx --inputs inputs.f32 --outputs outputs.json");
  const auto o = std::make_shared<EvalCommand>();
  o->model.AddPositional(command);
  o->images.Add(command);
  auto* inputs =
      command
          ->add_option("--inputs", o->inputs,
                       "read inputs from this file instead of images: 32-bit little-endian floats, one after another")
          ->type_name(kFile);
  for (const char* name : {"--images", "--labels", "--data-set", "--data", "--split", "--skip", "--limit"}) {
    inputs->excludes(command->get_option(name));
  }
  command->add_option("--outputs", o->outputs, "write the model's outputs to this file, as JSON")->type_name(kNewFile);
  command->add_option("--selection", o->selection, "take these core neurons: a file, or 1:0,3;2:5")->type_name(kFile);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Eval(*o); }; });
}

}  // namespace privdnn
