#include "privdnn/attack/extraction_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/lifting/folded_kernel.h"

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

GroupFigures FiguresOf(const GroupAttack& a, bool compared) {
  GroupFigures f{.segment = a.segment,
                 .outputs = a.polynomial->outputs(),
                 .unknowns = a.predicted.unknowns,
                 .equations = a.polynomial->positions(),
                 .images_predicted = a.predicted.images,
                 .images_predicted_inner = a.predicted.inner_images,
                 .images_needed = {},
                 .unknowns_found = a.extractor.rank(),
                 .kernel_mismatches = {},
                 .check_integers = a.checked,
                 .check_mismatches = a.check_mismatches};
  if (a.extractor.determined()) f.images_needed = a.extractor.images_needed();
  if (compared) f.kernel_mismatches = a.mismatches;
  return f;
}

// How many images approximate clones are made of, ascending: by --fractions of those that are needed, by --images-used,
// and, if the images don't determine the kernels, all of them; as far as they were asked.
std::vector<uint64_t> CloneSizes(const ExtractionTask& task, const ExtractionAttack& attack) {
  std::vector<uint64_t> counts = task.images_used;
  for (const double f : task.fractions) {
    counts.push_back(static_cast<uint64_t>(std::max(1.0, std::round(f * static_cast<double>(attack.images_needed())))));
  }
  if (!attack.determined()) counts.push_back(attack.asked());
  std::ranges::sort(counts);
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  std::erase_if(counts, [&](uint64_t count) { return count > attack.asked(); });
  return counts;
}

absl::Status AddCurve(const ExtractionTask& task, const ExtractionImages& images, ExtractionAttack& attack,
                      ExtractionReport& report) {
  for (const uint64_t count : CloneSizes(task, attack)) {
    PRIVDNN_RETURN_IF_ERROR(attack.Approximate(count));
    ClonePoint point{count, static_cast<double>(count) / static_cast<double>(attack.images_needed()), {}, {}};
    for (const GroupAttack& a : attack.groups()) point.penalties.push_back(a.approximate.lambda);
    if (images.labelled) {
      PRIVDNN_ASSIGN_OR_RETURN(point.accuracy, attack.CloneAccuracy(images.fresh, /*exact=*/false));
    }
    if (!attack.determined() && count == attack.asked()) report.clone_accuracy = point.accuracy;
    report.curve.push_back(std::move(point));
  }
  return absl::OkStatus();
}

// The first layer of a quadratic segment, [neuron][place].
std::vector<std::vector<double>> FirstWeights(const FoldedLayer& first) {
  const size_t window = first.weights.size() / static_cast<size_t>(first.outputs);
  std::vector<std::vector<double>> weights;
  for (size_t at = 0; at < first.weights.size(); at += window) {
    const auto from = first.weights.begin() + static_cast<std::ptrdiff_t>(at);
    weights.emplace_back(from, from + static_cast<std::ptrdiff_t>(window));
  }
  return weights;
}

// The second one as Layers has it, in units of the outputs' integers.
std::vector<std::vector<double>> SecondWeights(const PlannedSegment& truth) {
  std::vector<std::vector<double>> weights;
  for (size_t f = 0; f < truth.segment.neurons.size(); ++f) {
    weights.push_back(FoldedKernel(truth.plan.geometry(), truth.segment.layer, truth.segment.neurons[f]));
    for (double& v : weights.back()) v /= truth.quantized.output_scale[f];
  }
  return weights;
}

// The first layer's neurons whose weights, up to their scales, are in a package, ascending. It holds none, encrypted or
// not, if no plaintext neuron reads them.
std::vector<size_t> KnownNeurons(const ModelPlan& model, const Segment& segment, const HiddenWeights& hidden) {
  const auto number = static_cast<size_t>(segment.first_number);
  const size_t node = FindLayers(model.graph)[number - 1].node;
  const auto flags = hidden.core.find(model.graph.nodes[node].inputs[1]);
  if (flags != hidden.core.end() && std::ranges::find(flags->second, false) == flags->second.end()) return {};
  std::vector<size_t> neurons;
  for (int64_t c = 0; c < segment.first->outputs; ++c) {
    if (!std::ranges::binary_search(segment.first_neurons, c)) neurons.push_back(static_cast<size_t>(c));
  }
  return neurons;
}

// How many neurons the first layer has is public: the architecture is.
absl::StatusOr<LayersFound> FindLayersBehind(const GroupAttack& a, const PlannedSegment& truth,
                                             std::vector<size_t> known_neurons, const ProgressFn& progress) {
  const auto first = FirstWeights(*truth.segment.first);
  std::vector<std::vector<double>> known;
  for (const size_t c : known_neurons) known.push_back(first[c]);
  LayersFound found{.segment = a.segment, .neurons = first.size(), .known = std::move(known_neurons)};
  const auto start = Clock::now();
  const auto layers = Decompose(*a.polynomial, a.kernels, known, first.size(), progress);
  if (absl::IsCancelled(layers.status())) return layers.status();
  if (layers.ok()) {
    LayerErrors errors = CompareLayers(*layers, first, SecondWeights(truth));
    found.residual = layers->residual;
    found.residual_of_rounding = layers->rounding;
    found.neurons_missing = layers->missing;
    found.first_layer_errors = std::move(errors.first);
    found.second_layer_errors = std::move(errors.second);
  } else {
    found.not_found = Message(layers.status());
  }
  found.seconds = SecondsSince(start);
  return found;
}

// Of each quadratic segment.
absl::StatusOr<std::vector<LayersFound>> FindAllLayers(const ExtractionAttack& attack, const ModelPlan& truth,
                                                       const Reporting& reporting) {
  std::vector<LayersFound> all;
  PRIVDNN_ASSIGN_OR_RETURN(const HiddenWeights hidden, FindHiddenWeights(truth.graph, truth.selection));
  const ProgressFn progress = Begin(reporting.begin, "finding the layers");
  for (const GroupAttack& a : attack.groups()) {
    const PlannedSegment& segment = truth.segments[a.segment];
    if (a.group != 0 || !segment.segment.first) continue;
    PRIVDNN_ASSIGN_OR_RETURN(all.emplace_back(),
                             FindLayersBehind(a, segment, KnownNeurons(truth, segment.segment, hidden), progress));
  }
  return all;
}

// Kernels, checked and compared, once the replies determine them.
absl::Status Finish(ExtractionAttack& attack, const ExtractionImages& images, const ModelPlan* truth,
                    ExtractionReport& report) {
  if (!attack.determined()) return absl::OkStatus();
  PRIVDNN_RETURN_IF_ERROR(attack.Solve());
  PRIVDNN_RETURN_IF_ERROR(attack.Check(images.fresh));
  if (truth) PRIVDNN_RETURN_IF_ERROR(attack.Compare(*truth));
  report.images_needed = attack.images_needed();
  if (!images.labelled) return absl::OkStatus();
  PRIVDNN_ASSIGN_OR_RETURN(report.clone_accuracy, attack.CloneAccuracy(images.fresh, /*exact=*/true));
  return absl::OkStatus();
}

}  // namespace

const GroupFigures& ExtractionReport::hardest() const {
  return *std::ranges::max_element(groups, {}, &GroupFigures::images_predicted);
}

uint64_t ExtractionReport::Sum(uint64_t GroupFigures::*field) const {
  uint64_t sum = 0;
  for (const GroupFigures& g : groups) sum += g.*field;
  return sum;
}

std::optional<uint64_t> ExtractionReport::KernelMismatches() const {
  uint64_t sum = 0;
  for (const GroupFigures& g : groups) {
    if (!g.kernel_mismatches) return std::nullopt;
    sum += *g.kernel_mismatches;
  }
  return sum;
}

absl::StatusOr<ExtractionReport> Extract(OutputOracle& target, const ExtractionTask& task,
                                         const ExtractionImages& images, const ModelPlan* truth,
                                         const Reporting& reporting) {
  const auto start = Clock::now();
  ExtractionReport report;
  report.owner_output_noise = target.output_noise();
  report.real_images = task.settings.real_images;
  ExtractionSettings settings = task.settings;
  settings.exact = target.output_noise() == 0;
  PRIVDNN_ASSIGN_OR_RETURN(ExtractionAttack attack, ExtractionAttack::Create(target, settings, reporting));
  PRIVDNN_RETURN_IF_ERROR(attack.Collect(images.asked));
  PRIVDNN_RETURN_IF_ERROR(Finish(attack, images, truth, report));
  report.images_asked = attack.asked();
  for (const GroupAttack& a : attack.groups()) {
    report.groups.push_back(FiguresOf(a, truth != nullptr && attack.determined()));
  }
  if (images.labelled) report.clone_images = images.fresh.count;
  PRIVDNN_RETURN_IF_ERROR(AddCurve(task, images, attack, report));
  if (truth && task.layers && attack.determined()) {
    PRIVDNN_ASSIGN_OR_RETURN(report.layers, FindAllLayers(attack, *truth, reporting));
  }
  report.seconds = SecondsSince(start);
  report.output_deviations = attack.OutputDeviations();
  return report;
}

}  // namespace privdnn
