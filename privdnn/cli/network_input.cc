#include "privdnn/cli/network_input.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <spdlog/spdlog.h>

#include "privdnn/base/random.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/pipeline/plan_on_images.h"

namespace privdnn {
namespace {

// With random weights ranges mean little anyway.
constexpr int64_t kRandomCalibrationImages = 8;

// The first `percent` of a layer's neurons, at least one. Which ones makes no difference to the cost.
std::vector<int64_t> FirstNeurons(const Layer& layer, int percent) {
  std::vector<int64_t> neurons;
  for (int64_t i = 0; i < std::max<int64_t>(layer.neurons * percent / 100, 1); ++i) neurons.push_back(i);
  return neurons;
}

ImageSet RandomPixels(const Graph& graph, uint64_t seed, int64_t count) {
  const std::vector<int64_t>& shape = graph.inputs[0].shape;
  ImageSet set;
  set.count = count;
  set.channels = std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
  set.height = set.width = set.rank = 1;
  set.pixels.resize(static_cast<size_t>(count * set.channels));
  DeterministicRandom(seed).Fill(std::span<uint8_t>(set.pixels));
  set.labels.assign(static_cast<size_t>(count), 0);
  set.classes = 256;
  return set;
}

}  // namespace

void NetworkInput::Add(CLI::App* command, const std::string& selection_names) {
  command
      ->add_option("--arch", architecture,
                   "use a network of the paper with random weights instead of a model, to see cost without training")
      ->check(CLI::IsMember(ArchitectureNames()));
  command->add_option("--seed", seed, "seed random weights and pixels")->capture_default_str();
  auto* select =
      command
          ->add_option(selection_names, selection,
                       "take these core neurons: a file, or 1:0,3;2:5; default: " +
                           (default_selection.empty() ? std::string("the embedded model's") : default_selection))
          ->type_name(kFile);
  command
      ->add_option("--percent", percent,
                   "take this percentage of the neurons of both layers around a square, the first ones")
      ->check(CLI::Range(1, 100))
      ->excludes(select);
}

absl::StatusOr<Graph> NetworkInput::Load() const {
  if (architecture.empty()) return model.Load();
  if (!model.path.empty()) return WrongUsage(fmt::format("--arch and the model {} exclude each other", model.path));
  return BuildArchitecture(architecture, seed);
}

absl::StatusOr<Selection> NetworkInput::Select(const Graph& graph) const {
  const std::string& text = selection.empty() ? default_selection : selection;
  if (percent == 0 && text.empty() && !architecture.empty()) {
    return WrongUsage("--arch needs --selection or --percent: which neurons are encrypted");
  }
  if (percent == 0) return LoadSelection(text, model, graph);
  PRIVDNN_ASSIGN_OR_RETURN(const auto pair, FindQuadraticPair(graph));
  return Selection{{{pair.first.number, FirstNeurons(pair.first, percent)},
                    {pair.second.number, FirstNeurons(pair.second, percent)}}};
}

absl::StatusOr<ImageSet> NetworkInput::Images(const Graph& graph, const ImageInput& input, int64_t count) const {
  if (!HasImages(input)) {
    ImageSet random = RandomPixels(graph, seed, count);
    PRIVDNN_RETURN_IF_ERROR(FitInputs({graph.inputs[0].shape.begin() + 1, graph.inputs[0].shape.end()}, random));
    return random;
  }
  ImageInput limited = input;
  limited.limit = count;
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet images, limited.LoadFor(graph));
  if (images.count < count) return InvalidArgument("there are {} images, {} were asked for", images.count, count);
  return images;
}

absl::StatusOr<SimulatedPlan> NetworkInput::MakePlan(const Graph& graph, const Selection& core,
                                                     const ModelPlanOptions& options, const ImageInput& input,
                                                     SimulationOptions simulation) const {
  ImageSet images;
  if (HasImages(input)) {
    PRIVDNN_ASSIGN_OR_RETURN(images, input.LoadFor(graph));
    simulation.labelled = input.labelled();
  } else if (!architecture.empty()) {
    images = RandomPixels(graph, seed, kRandomCalibrationImages);
    simulation.most_images = 0;  // what random weights answer means nothing
  }
  simulation.begin = ReportingToPeople().begin;
  PRIVDNN_ASSIGN_OR_RETURN(const ModelPlanOptions here, OnThisMachine(options));
  auto plan = PlanWithChosenBits(graph, core, here, images, simulation);
  if (absl::IsFailedPrecondition(plan.status())) {
    return InvalidArgument(
        "{} (--images or --data-set); --input-min and --input-max give the range of the network's own input",
        Message(plan.status()));
  }
  if (plan.ok()) WarnOfRounding(*plan);
  if (plan.ok() && plan->simulation && plan->simulation->accuracies) {
    const std::string hint = NearChanceHint(plan->simulation->accuracies->original, images.classes);
    if (!hint.empty()) spdlog::warn("{}", hint);
  }
  return plan;
}

}  // namespace privdnn
