#include "privdnn/cli/two_parties.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <deque>

#include "privdnn/base/parallel.h"
#include "privdnn/cli/inference.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/local_owner.h"
#include "privdnn/cli/plan_report.h"
#include "privdnn/onnx/onnx.h"
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
        labels(user / "labels"),
        outputs(user / "outputs"),
        plain(owner.directory() / "whole.onnx") {}
  std::filesystem::path user, package, images, labels, outputs, plain;
};

absl::StatusOr<Json> RunUser(const Files& files, const std::string& address, const TwoPartyOptions& options) {
  std::vector<std::string> arguments = {OwnPath(),    "infer",
                                        "--json",  //
                                        "--package",  files.package,
                                        "--owner",    address,  //
                                        "--tls",      files.user,
                                        "--user",     LocalOwner::kUserName,  //
                                        "--images",   files.images,
                                        "--labels",   files.labels,                     //
                                        "--threads",  std::to_string(options.threads),  //
                                        "--batch",    std::to_string(options.batch),    //
                                        "--repeats",  std::to_string(options.repeats),  //
                                        "--outputs",  files.outputs,
                                        "--deadline", "86400"};
  if (options.compare_with_plain) arguments.insert(arguments.end(), {"--compare-with", files.plain});
  PRIVDNN_ASSIGN_OR_RETURN(ChildProcess user, ChildProcess::Start(arguments));
  PRIVDNN_ASSIGN_OR_RETURN(const ChildExit end, user.Wait(kRunPatience));
  if (end.exit_code != 0) return absl::InternalError("the user's process failed; its message is above");
  Json json = Json::parse(end.output, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InternalError("the user's process did not print JSON");
  return json;
}

// One segment's decrypted integers beside the integer reference.
class Comparison {
 public:
  // `decrypted`: 8 bytes each, [image][output][position].
  Comparison(const PlannedSegment& segment, std::span<const uint8_t> decrypted)
      : segment_(segment), decrypted_(decrypted) {}

  // The reference's outputs for a batch of inputs, [image][output][position], of which `first` is the first image.
  std::vector<int64_t> Check(const Tensor& inputs, int64_t first, int threads) {
    const Geometry& g = segment_.plan.geometry;
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

// Recomputes every encrypted output by the integer reference, and the labels that follow from it. The rest of the
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
  const auto predictions = result.user["predictions"].get<std::vector<int32_t>>();
  const int64_t batch = result.user["batch"].get<int64_t>();
  for (int64_t first = 0; first < images.count; first += batch) {
    if (Interrupted()) return absl::CancelledError("interrupted");
    RestNetwork::Evaluation evaluation = rest.Start(images.Batch(first, std::min(first + batch, images.count)));
    for (size_t k = 0; k < comparisons.size(); ++k) {
      PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, rest.Feed(k, evaluation));
      rest.Provide(k, comparisons[k].Check(feed, first, options.threads), evaluation);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor scores, rest.Scores(evaluation));
    const auto labels = Argmax(scores);
    for (size_t i = 0; i < labels.size(); ++i)
      result.label_mismatches += labels[i] != predictions[static_cast<size_t>(first) + i];
  }
  for (const Comparison& comparison : comparisons) {
    result.integers_compared += comparison.compared();
    result.integer_mismatches += comparison.mismatches();
  }
  const auto scores = [&](Tensor some) { return rest.WithoutOwner(std::move(some)); };
  PRIVDNN_ASSIGN_OR_RETURN(const auto offline,
                           Predict(images, batch, scores, Evaluating("without the owner", images.count)));
  if (options.compare_with_plain) {
    result.accuracy_original =
        AccuracyPercent(result.user["plain_predictions"].get<std::vector<int32_t>>(), images.labels);
  }
  result.accuracy_private = AccuracyPercent(predictions, images.labels);
  result.accuracy_without_owner = AccuracyPercent(offline, images.labels);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TwoPartyResult> RunTwoParties(const Graph& graph, const Selection& selection, const ImageSet& images,
                                             const TwoPartyOptions& options) {
  SetExecutorThreads(options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(LocalOwner owner,
                           LocalOwner::Start(graph, selection, images, options.settings, options.threads));
  const Files files(owner);
  TwoPartyResult result{.model = owner.model(), .user = {}};
  result.package_bytes = result.model.PackageSize();
  // The user doesn't get this; its process only runs it for comparison.
  PRIVDNN_RETURN_IF_ERROR(SaveOnnx(graph, files.plain));
  PRIVDNN_RETURN_IF_ERROR(WriteFile(files.images, WriteIdxImages(images)));
  PRIVDNN_RETURN_IF_ERROR(WriteFile(files.labels, WriteIdxLabels(images)));
  spdlog::info("user: a process of its own, evaluating {} images", images.count);
  PRIVDNN_ASSIGN_OR_RETURN(result.user, RunUser(files, owner.address(), options));
  PRIVDNN_ASSIGN_OR_RETURN(result.owner_peak_rss_bytes, owner.Stop());

  spdlog::info("checking every decrypted integer against the integer reference");
  PRIVDNN_RETURN_IF_ERROR(Check(files, images, options, result));
  return result;
}

Json CommonJson(const TwoPartyResult& r, const ImageSet& images) {
  const Json plan = PlanJson(r.model);
  Json json = {{"images", images.count},
               {"threads", r.user["threads"]},
               {"kernel", r.user["kernel"]},
               {"selection", Json::parse(FormatSelection(r.model.selection))},
               {"integers_compared", r.integers_compared},
               {"integer_mismatches", r.integer_mismatches},
               {"label_mismatches_vs_quantised", r.label_mismatches},
               {"user_encrypted_ms_per_image", r.user["user_encrypted_ms_per_image"]},
               {"user_plain_ms_per_image", r.user["user_plain_ms_per_image"]},
               {"owner_ms_per_image", r.user["owner_ms_per_image"]},
               {"plain_ms_per_image", r.user["plain_ms_per_image"]},
               {"wall_ms_per_image", r.user["wall_ms_per_image"]},
               {"bytes_up_per_image", r.user["bytes_up_per_image"]},
               {"bytes_down_per_image", r.user["bytes_down_per_image"]},
               {"package_bytes", r.package_bytes},
               {"peak_rss_bytes_user", r.user["peak_rss_bytes_user"]},
               {"peak_rss_bytes_owner", r.owner_peak_rss_bytes}};
  for (const char* field : {"ring_dimension", "log_q", "plain_bits", "polynomials", "tiles"}) {
    json[field] = plan["segments"][0][field];
  }
  for (const char* field : {"statistical_security_bits", "images_to_reconstruct", "images_to_recover_keys",
                            "images_to_recover_keys_by_lattice", "images_that_keep_keys_safe"}) {
    json[field] = plan[field];
  }
  json["round_trips"] = r.model.segments.size();
  return json;
}

void AddAccuracies(const TwoPartyResult& r, Json& json) {
  json["accuracy_original"] = r.accuracy_original;
  json["accuracy_private"] = r.accuracy_private;
  json["accuracy_without_owner"] = r.accuracy_without_owner;
}

absl::Status CheckAgreement(const TwoPartyResult& r) {
  if (r.integer_mismatches == 0 && r.label_mismatches == 0) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("{} integers and {} labels differ from the reference", r.integer_mismatches, r.label_mismatches));
}

}  // namespace privdnn
