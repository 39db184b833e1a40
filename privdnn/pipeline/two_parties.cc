#include "privdnn/pipeline/two_parties.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>

#include "privdnn/base/file.h"
#include "privdnn/base/parallel.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/pipeline/local_owner.h"
#include "privdnn/pipeline/plan_on_images.h"
#include "privdnn/pipeline/rest_network.h"
#include "privdnn/segment/reference.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

constexpr std::chrono::hours kRunPatience{24};

// The user's directory holds what a user is given and no more.
struct Files {
  explicit Files(const LocalOwner& owner)
      : user(owner.user_directory()),
        package(owner.package()),
        images(user / "images"),
        outputs(user / "outputs"),
        plain(owner.directory() / "whole.onnx") {}
  std::filesystem::path user, package, images, outputs, plain;
};

absl::StatusOr<InferenceReport> RunUser(const Files& files, const std::string& address, int64_t images,
                                        const TwoPartyOptions& options) {
  std::vector<std::string> arguments = {options.program, "infer",
                                        "--json",  //
                                        "--package",     files.package,
                                        "--owner",       address,  //
                                        "--tls",         files.user,
                                        "--user",        LocalOwner::kUserName,  //
                                        "--images",      files.images,
                                        "--threads",     std::to_string(options.threads),  //
                                        "--batch",       std::to_string(options.batch),    //
                                        "--repeats",     std::to_string(options.repeats),  //
                                        "--outputs",     files.outputs,
                                        "--deadline",    "86400"};
  if (options.compare_with_plain) arguments.insert(arguments.end(), {"--compare-with", files.plain});
  PRIVDNN_ASSIGN_OR_RETURN(ChildProcess user, ChildProcess::Start(arguments));
  PRIVDNN_ASSIGN_OR_RETURN(const ChildExit end, user.Wait(kRunPatience, options.reporting.go_on));
  if (end.exit_code != 0) return absl::InternalError("the user's process failed; its message is above");
  PRIVDNN_ASSIGN_OR_RETURN(InferenceReport report, ParseInferenceReport(end.output));
  const bool whole = report.online && report.online->figures && report.images == images;
  if (!whole || report.online->figures->plain.has_value() != options.compare_with_plain) {
    return absl::InternalError("the user's process reports another run than it was asked for");
  }
  return report;
}

// One segment's decrypted integers beside the integer reference.
class Comparison {
 public:
  // `decrypted`: 8 bytes each, [image][output][position].
  Comparison(const PlannedSegment& segment, std::span<const uint8_t> decrypted)
      : segment_(segment), decrypted_(decrypted) {}

  // The reference's outputs for a batch of inputs, [image][output][position], of which `first` is the first image.
  std::vector<int64_t> Check(const Tensor& inputs, int64_t first, int threads) {
    const Geometry& g = segment_.plan.geometry();
    const auto count = static_cast<size_t>(inputs.dim(0)), size = inputs.values.size() / count;
    const size_t per_image = g.spec().values_per_image();
    std::vector<int64_t> reference(count * per_image);
    ParallelFor(count, threads, [&](size_t k) {
      const auto z = QuantizeInput(g, std::span(inputs.values).subspan(k * size, size));
      const auto y = ReferenceOutputs(g, segment_.quantized, z);
      std::copy(y.begin(), y.end(), reference.begin() + static_cast<std::ptrdiff_t>(k * per_image));
      for (size_t i = 0; i < per_image; ++i) {
        int64_t got = 0;
        std::memcpy(&got, decrypted_.data() + 8 * ((static_cast<size_t>(first) + k) * per_image + i), 8);
        mismatches_ += got != y[i];
      }
    });
    compared_ += reference.size();
    return reference;
  }
  uint64_t compared() const { return compared_; }
  uint64_t mismatches() const { return mismatches_; }

 private:
  const PlannedSegment& segment_;
  std::span<const uint8_t> decrypted_;
  uint64_t compared_ = 0;
  std::atomic<uint64_t> mismatches_{0};
};

// How many of `expected` differ from what was answered from index `first` on.
template <typename T>
absl::StatusOr<uint64_t> CountDifferent(const std::vector<T>& expected, const std::vector<T>& answered, int64_t first) {
  const auto from = static_cast<size_t>(first);
  if (answered.size() < from + expected.size()) return absl::InternalError("the user's answers are too few");
  uint64_t differ = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    // The report tells no kinds of numbers that are not finite apart.
    const bool neither =
        !std::isfinite(static_cast<double>(expected[i])) && std::isnan(static_cast<double>(answered[from + i]));
    differ += expected[i] != answered[from + i] && !neither;
  }
  return differ;
}

// Recomputes every encrypted output by the integer reference, and the answers that follow from it. The rest of the
// network is run on the same batches as the user ran it, so that its floating-point results are the same.
absl::Status Check(const Files& files, const ImageSet& images, const TwoPartyOptions& options, TwoPartyResult& result) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(files.outputs, uint64_t{1} << 36));
  std::deque<Comparison> comparisons;
  std::span<const uint8_t> left = bytes;
  for (const PlannedSegment& segment : result.model.segments) {
    const uint64_t size = 8 * static_cast<uint64_t>(images.count) * segment.quantized.spec.values_per_image();
    if (size > left.size()) return absl::InternalError("the user's outputs are too few");
    comparisons.emplace_back(segment, left.first(size));
    left = left.subspan(size);
  }
  if (!left.empty()) return absl::InternalError("the user's outputs are too many");

  PRIVDNN_ASSIGN_OR_RETURN(const Package package, Package::Open(files.package));
  PRIVDNN_ASSIGN_OR_RETURN(const RestNetwork rest, RestNetwork::Create(package));
  const bool classes = rest.output_kind() == OutputKind::kClasses;
  const int64_t batch = result.online().batch;
  for (int64_t first = 0; first < images.count; first += batch) {
    if (!GoesOn(options.reporting.go_on)) return absl::CancelledError("interrupted");
    RestNetwork::Evaluation evaluation = rest.Start(images.Batch(first, std::min(first + batch, images.count)));
    for (size_t k = 0; k < comparisons.size(); ++k) {
      PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, rest.Feed(k, evaluation));
      rest.Provide(k, comparisons[k].Check(feed, first, options.threads), evaluation);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor scores, rest.Scores(evaluation));
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t differ,
                             classes ? CountDifferent(Argmax(scores), result.user.predictions, first)
                                     : CountDifferent(scores.values, result.user.scores, first * rest.columns()));
    result.answer_mismatches += differ;
  }
  for (const Comparison& comparison : comparisons) {
    result.integers_compared += comparison.compared();
    result.integer_mismatches += comparison.mismatches();
  }
  if (!classes) return absl::OkStatus();
  const auto scores = [&](Tensor some) { return rest.WithoutOwner(std::move(some)); };
  PRIVDNN_ASSIGN_OR_RETURN(
      const auto offline,
      Predict(images, batch, scores,
              Begin(options.reporting.begin, fmt::format("evaluating without the owner, {} images", images.count))));
  result.accuracies = {.with_owner = AccuracyPercent(result.user.predictions, images.labels),
                       .without_owner = AccuracyPercent(offline, images.labels)};
  if (const auto& plain = result.figures().plain) {
    result.accuracies->original = AccuracyPercent(plain->predictions, images.labels);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TwoPartyResult> RunTwoParties(const Graph& graph, const Selection& selection, const ImageSet& images,
                                             const TwoPartyOptions& options) {
  SetExecutorThreads(options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(ModelPlan model, Plan(graph, selection, options.plan, images));
  PRIVDNN_ASSIGN_OR_RETURN(LocalOwner owner, LocalOwner::Start(model, {.threads = options.threads,
                                                                       .program = options.program,
                                                                       .reporting = options.reporting}));
  const Files files(owner);
  TwoPartyResult result{.model = std::move(model), .user = {}};
  result.package_bytes = result.model.PackageSize();
  // The user doesn't get this; its process only runs it for comparison.
  PRIVDNN_RETURN_IF_ERROR(SaveOnnx(graph, files.plain));
  PRIVDNN_RETURN_IF_ERROR(WriteFile(files.images, WriteIdxImages(images)));
  Note(options.reporting.note, fmt::format("user: a process of its own, evaluating {} images", images.count));
  PRIVDNN_ASSIGN_OR_RETURN(result.user, RunUser(files, owner.address(), images.count, options));
  PRIVDNN_ASSIGN_OR_RETURN(result.owner_peak_rss_bytes, owner.Stop());

  Note(options.reporting.note, "checking every decrypted integer against the integer reference");
  PRIVDNN_RETURN_IF_ERROR(Check(files, images, options, result));
  return result;
}

absl::Status CheckAgreement(const TwoPartyResult& r) {
  if (r.integer_mismatches == 0 && r.answer_mismatches == 0) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("{} integers and {} answers differ from the reference", r.integer_mismatches, r.answer_mismatches));
}

}  // namespace privdnn
