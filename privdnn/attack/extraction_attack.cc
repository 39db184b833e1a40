#include "privdnn/attack/extraction_attack.h"

#include <algorithm>
#include <cmath>

#include "privdnn/base/parallel.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

// Equations that are added together, and images that are asked at a time.
constexpr uint64_t kAddedAtOnce = 256, kAskedAtOnce = 64;
// Times the images that are predicted before giving up: generic inputs need no more than predicted.
constexpr uint64_t kPatience = 2;

}  // namespace

GroupAttack::GroupAttack(const Geometry& geometry, size_t segment_index, size_t group_index, OutputPolynomial of,
                         int threads)
    : segment(segment_index),
      group(group_index),
      predicted(CountExtraction(geometry, group_index)),
      polynomial(std::make_unique<OutputPolynomial>(std::move(of))),
      extractor(*polynomial, threads) {}

uint32_t GroupAttack::first_output() const { return group == 0 ? 0 : polynomial->geometry().spec().groups[0].outputs; }

std::vector<int64_t> GroupAttack::Outputs(std::span<const int64_t> of_image) const {
  const uint64_t first = group == 0 ? 0 : first_output() * polynomial->geometry().spec().groups[0].positions();
  const auto mine = of_image.subspan(first, polynomial->outputs() * polynomial->positions());
  return {mine.begin(), mine.end()};
}

ExtractionAttack::ExtractionAttack(OutputOracle& target, const ExtractionSettings& settings, const Reporting& reporting)
    : target_(target),
      settings_(settings),
      reporting_(reporting),
      random_(std::make_unique<DeterministicRandom>(settings.seed)) {}

absl::StatusOr<ExtractionAttack> ExtractionAttack::Create(OutputOracle& target, const ExtractionSettings& settings,
                                                          const Reporting& reporting) {
  ExtractionAttack e(target, settings, reporting);
  for (size_t k = 0; k < e.num_segments(); ++k) {
    const Geometry& g = e.geometry(k);
    for (size_t group = 0; group < g.spec().groups.size(); ++group) {
      auto polynomial = OutputPolynomial::Create(g, group, settings.max_unknowns);
      if (!polynomial.ok()) {
        return InvalidArgument("segment {}: {}; max_unknowns raises that limit, up to {}", k,
                               Message(polynomial.status()), OutputPolynomial::kMaxUnknowns);
      }
      e.groups_.emplace_back(g, k, group, *std::move(polynomial), settings.threads);
    }
  }
  const std::string label = fmt::format("extracting, by {} images as predicted", e.images_needed());
  e.progress_ = Begin(reporting.begin, label);
  return e;
}

bool ExtractionAttack::determined() const {
  return std::ranges::all_of(groups_, [](const GroupAttack& a) { return a.extractor.determined(); });
}

bool ExtractionAttack::Determined(size_t k) const {
  return std::ranges::all_of(groups_, [&](const GroupAttack& a) { return a.segment != k || a.extractor.determined(); });
}

// What is known of a segment when its owner answers no more.
std::string ExtractionAttack::HowFar(size_t k) const {
  std::string text = fmt::format("segment {}", k);
  for (const GroupAttack& a : groups_) {
    if (a.segment != k) continue;
    text += fmt::format(", {} of {} unknowns found by {} images", a.extractor.rank(), a.extractor.unknowns(),
                        a.extractor.images());
  }
  return text;
}

uint64_t ExtractionAttack::images_needed() const {
  uint64_t images = 0;
  for (const GroupAttack& a : groups_) {
    images = std::max(images, determined() ? a.extractor.images_needed() : a.predicted.images);
  }
  return images;
}

// Values that quantise to uniform integers.
std::vector<float> ExtractionAttack::RandomInputs(size_t k, uint64_t images) {
  const SegmentSpec& s = geometry(k).spec();
  const auto range = static_cast<uint64_t>(2 * geometry(k).z_max() + 1);
  std::vector<uint64_t> words(images * target_.user().input_size(k));
  random_->Fill(std::span(words));
  std::vector<float> inputs;
  for (const uint64_t word : words) {
    const auto z = static_cast<int64_t>(word % range) - geometry(k).z_max();
    inputs.push_back(static_cast<float>(static_cast<double>(z - s.zero_point) * s.input_scale));
  }
  return inputs;
}

// Through the whole network, as its user evaluates them.
absl::StatusOr<ExtractionAttack::Transcript> ExtractionAttack::AskImages(const Tensor& images) {
  Transcript transcript;
  transcript.evaluation = target_.rest().Start(images);
  for (size_t k = 0; k < num_segments(); ++k) {
    PRIVDNN_ASSIGN_OR_RETURN(Tensor feed, target_.rest().Feed(k, transcript.evaluation));
    PRIVDNN_ASSIGN_OR_RETURN(auto outputs, target_.Ask(k, feed.values));
    target_.rest().Provide(k, outputs, transcript.evaluation);
    transcript.inputs.push_back(std::move(feed.values));
    transcript.outputs.push_back(std::move(outputs));
  }
  return transcript;
}

absl::Status ExtractionAttack::Collect(const ImageSet& images) {
  if (settings_.real_images) {
    for (int64_t first = 0; first < images.count && !determined();) {
      const int64_t end = std::min<int64_t>(first + kAskedAtOnce, images.count);
      PRIVDNN_ASSIGN_OR_RETURN(const Transcript transcript, AskImages(images.Batch(first, end)));
      for (size_t k = 0; k < num_segments(); ++k) {
        PRIVDNN_RETURN_IF_ERROR(Add(k, transcript.inputs[k], transcript.outputs[k]));
      }
      first = end;
      asked_ = static_cast<uint64_t>(end);
    }
    return absl::OkStatus();
  }
  for (size_t k = 0; k < num_segments(); ++k) {
    uint64_t asked = 0, predicted = 1;
    for (const GroupAttack& a : groups_) {
      if (a.segment == k) predicted = std::max(predicted, a.predicted.images);
    }
    while (!Determined(k) && asked < kPatience * predicted) {
      const uint64_t more = asked < predicted ? std::min(kAskedAtOnce, predicted - asked) : 1;
      const std::vector<float> inputs = RandomInputs(k, more);
      const auto outputs = target_.Ask(k, inputs);
      if (!outputs.ok()) return Annotate(outputs.status(), HowFar(k));
      PRIVDNN_RETURN_IF_ERROR(Add(k, inputs, *outputs));
      asked += more;
    }
    asked_ = std::max(asked_, asked);
  }
  return absl::OkStatus();
}

absl::Status ExtractionAttack::Add(size_t k, std::span<const float> inputs, std::span<const int64_t> outputs) {
  const size_t size = target_.user().input_size(k), values = geometry(k).spec().values_per_image();
  const uint64_t count = inputs.size() / size;
  for (GroupAttack& a : groups_) {
    if (a.segment != k) continue;
    const uint64_t step = std::max<uint64_t>(kAddedAtOnce / a.polynomial->positions(), 1);
    for (uint64_t first = 0; first < count && !a.extractor.determined(); first += step) {
      std::vector<Extractor::Image> images;
      for (uint64_t i = first; i < std::min(first + step, count); ++i) {
        images.push_back({QuantizeInput(geometry(k), inputs.subspan(i * size, size)),
                          a.Outputs(outputs.subspan(i * values, values))});
      }
      if (!settings_.exact) {
        a.extractor.Observe(std::move(images));
        continue;
      }
      PRIVDNN_RETURN_IF_ERROR(a.extractor.Add(std::move(images)));
      if (!Proceeds(progress_, a.extractor.rank(), a.extractor.unknowns(),
                    fmt::format("{} images, {} of {} unknowns", a.extractor.images(), a.extractor.rank(),
                                a.extractor.unknowns()))) {
        return absl::CancelledError("interrupted");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ExtractionAttack::Solve() {
  for (GroupAttack& a : groups_) {
    PRIVDNN_ASSIGN_OR_RETURN(a.kernels, a.extractor.Solve());
  }
  return absl::OkStatus();
}

absl::Status ExtractionAttack::Approximate(uint64_t count) {
  for (GroupAttack& a : groups_) {
    const auto seen = a.extractor.observed();
    PRIVDNN_ASSIGN_OR_RETURN(a.approximate,
                             privdnn::Approximate(*a.polynomial, seen.first(std::min<size_t>(count, seen.size()))));
    if (!GoesOn(reporting_.go_on)) return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

absl::Status ExtractionAttack::Check(const ImageSet& fresh) {
  if (settings_.check_images == 0) return absl::OkStatus();
  Transcript transcript;
  if (settings_.real_images) {
    PRIVDNN_ASSIGN_OR_RETURN(transcript, AskImages(fresh.Batch(0, std::min(settings_.check_images, fresh.count))));
  }
  for (size_t k = 0; k < num_segments(); ++k) {
    if (!settings_.real_images) {
      transcript.inputs.push_back(RandomInputs(k, static_cast<uint64_t>(settings_.check_images)));
      PRIVDNN_ASSIGN_OR_RETURN(auto outputs, target_.Ask(k, transcript.inputs[k]));
      transcript.outputs.push_back(std::move(outputs));
    }
    const std::vector<int64_t> clone = CloneOutputs(k, transcript.inputs[k], /*exact=*/true);
    const uint64_t values = geometry(k).spec().values_per_image();
    for (GroupAttack& a : groups_) {
      if (a.segment != k) continue;
      for (uint64_t at = 0; at < clone.size(); at += values) {
        const auto theirs = a.Outputs(std::span(transcript.outputs[k]).subspan(at, values));
        const auto ours = a.Outputs(std::span(clone).subspan(at, values));
        a.checked += theirs.size();
        for (size_t v = 0; v < theirs.size(); ++v) a.check_mismatches += theirs[v] != ours[v];
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ExtractionAttack::Compare(const ModelPlan& model) {
  for (GroupAttack& a : groups_) {
    const QuantizedSegment& truth = model.segments[a.segment].quantized;
    if (truth.spec.groups != geometry(a.segment).spec().groups) {
      return InvalidArgument("segment {}: the model and its options are not those of the package", a.segment);
    }
    for (uint32_t f = 0; f < a.polynomial->outputs(); ++f) {
      const uint32_t output = a.first_output() + f;
      const auto sums = a.polynomial->Sums(truth.kernels[output].Reveal(), truth.bias.Reveal()[output]);
      for (size_t u = 0; u < sums.size(); ++u) a.mismatches += sums[u] != a.kernels.sums[f][u];
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<double> ExtractionAttack::Accuracy(const ImageSet& images, const std::string& doing,
                                                  const EvaluateFn& evaluate) const {
  constexpr int64_t kBatch = 100;
  const auto scores = [&](const Tensor& batch) -> absl::StatusOr<Tensor> {
    PRIVDNN_ASSIGN_OR_RETURN(RestNetwork::Evaluation evaluation, evaluate(batch));
    return target_.rest().Scores(evaluation);
  };
  PRIVDNN_ASSIGN_OR_RETURN(const auto predictions, Predict(images, kBatch, scores, Begin(reporting_.begin, doing)));
  return AccuracyPercent(predictions, images.labels);
}

absl::StatusOr<double> ExtractionAttack::CloneAccuracy(const ImageSet& images, bool exact) const {
  return Accuracy(images, "running the clone", [&](const Tensor& batch) -> absl::StatusOr<RestNetwork::Evaluation> {
    RestNetwork::Evaluation evaluation = target_.rest().Start(batch);
    for (size_t k = 0; k < num_segments(); ++k) {
      PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, target_.rest().Feed(k, evaluation));
      target_.rest().Provide(k, CloneOutputs(k, feed.values, exact), evaluation);
    }
    return evaluation;
  });
}

absl::StatusOr<double> ExtractionAttack::UserAccuracy(const ImageSet& images) {
  return Accuracy(images, "asking the owner", [&](const Tensor& batch) -> absl::StatusOr<RestNetwork::Evaluation> {
    PRIVDNN_ASSIGN_OR_RETURN(Transcript transcript, AskImages(batch));
    return std::move(transcript.evaluation);
  });
}

std::vector<double> ExtractionAttack::OutputDeviations() const {
  std::vector<double> variance(num_segments());
  for (const GroupAttack& a : groups_) {
    const std::vector<double>& scale = target_.user().segment(a.segment).header.output_scale;
    const uint64_t positions = a.polynomial->positions();
    const auto images = a.extractor.observed();
    const double count = static_cast<double>(images.size() * positions);
    for (uint32_t f = 0; f < a.polynomial->outputs(); ++f) {
      double sum = 0, squares = 0;
      const double first = images.empty() ? 0 : static_cast<double>(images[0].outputs[f * positions]);
      for (const Extractor::Image& image : images) {
        for (uint64_t p = 0; p < positions; ++p) {
          // From the first one on, which is exact: outputs that never vary have the deviation 0.
          const double y =
              scale[a.first_output() + f] * (static_cast<double>(image.outputs[f * positions + p]) - first);
          sum += y;
          squares += y * y;
        }
      }
      variance[a.segment] += (squares - sum * sum / count) / count / static_cast<double>(scale.size());
    }
  }
  for (double& v : variance) v = std::sqrt(std::max(v, 0.0));
  return variance;
}

std::vector<int64_t> ExtractionAttack::CloneOutputs(size_t k, std::span<const float> inputs, bool exact) const {
  const size_t size = target_.user().input_size(k), values = geometry(k).spec().values_per_image();
  std::vector<int64_t> outputs(inputs.size() / size * values);
  ParallelFor(inputs.size() / size, settings_.threads, [&](size_t i) {
    const auto z = QuantizeInput(geometry(k), inputs.subspan(i * size, size));
    auto to = outputs.begin() + static_cast<std::ptrdiff_t>(i * values);
    for (const GroupAttack& a : groups_) {
      if (a.segment != k) continue;
      const auto y = exact ? a.kernels.Outputs(*a.polynomial, z) : a.approximate.Outputs(*a.polynomial, z);
      to = std::copy(y.begin(), y.end(), to);
    }
  });
  return outputs;
}

}  // namespace privdnn
