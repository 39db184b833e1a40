#include "privdnn/pipeline/answer_file.h"

#include <algorithm>
#include <chrono>

namespace privdnn {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr char kOther[] = "holds answers of another package, other images or other options; choose another file";
// Between two records. As many as may be in flight: fewer would let one side wait for the other.
constexpr int64_t kMessages = 4;

Bytes WriteAnswers(int64_t begin, int64_t end, const InferenceResult& part, double ms) {
  ByteWriter w;
  w.U64(static_cast<uint64_t>(begin));
  w.U64(static_cast<uint64_t>(end));
  w.Raw(WriteResult(part, ms));
  return WriteRecord(w.view());
}

absl::Status ReadAnswers(std::span<const uint8_t> body, const std::string& what, InferenceResult& result) {
  ByteReader r(body, what);
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t begin, r.U64("begin"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t end, r.U64("end"));
  if (begin >= end || end > result.predictions.size()) {
    return r.Error("end", fmt::format("images {} to {} of {}", begin, end, result.predictions.size()));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto rest, r.Take(r.remaining(), "answers"));
  double ms = 0;
  const auto part = ReadResult(rest, static_cast<int64_t>(end - begin), result, ms);
  if (!part.ok()) return Annotate(part.status(), what);
  result.passes[0].wall += ms;
  Place(*part, static_cast<int64_t>(begin), result);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AnswerFile> AnswerFile::Open(const std::filesystem::path& path, const InferenceSetup& setup) {
  InferenceResult result = setup.session.NoAnswers(setup.images.count, setup.options);
  PRIVDNN_ASSIGN_OR_RETURN(AppendFile file,
                           OpenRecordFile(
                               path, kAnswerFormat, Identity(setup), kOther,
                               [&](auto body, const std::string& what) { return ReadAnswers(body, what, result); },
                               /*mode=*/0600));
  return AnswerFile(setup, std::move(file), std::move(result));
}

std::pair<int64_t, int64_t> AnswerFile::Missing(int64_t from) const {
  const auto& predictions = result_.predictions;
  const auto begin = std::find(predictions.begin() + from, predictions.end(), kNoPrediction);
  const auto end = std::find_if(begin, predictions.end(), [](int32_t label) { return label != kNoPrediction; });
  const int64_t first = begin - predictions.begin();
  return {first, std::min(end - predictions.begin(), first + kMessages * MessageImages(setup_))};
}

absl::Status AnswerFile::Ask(int64_t begin, int64_t end, milliseconds deadline, const ProgressFn& progress) {
  if (deadline < milliseconds(1)) {
    return absl::DeadlineExceededError(fmt::format("no time is left for images {} to {}", begin, end));
  }
  InferenceOptions options = setup_.options;
  options.deadline = deadline;
  const auto start = Clock::now();
  const InferenceResult part = setup_.session.Infer(setup_.images.Slice(begin, end), options, progress);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  result_.passes[0].wall += ms;
  Place(part, begin, result_);
  PRIVDNN_RETURN_IF_ERROR(file_.Append(WriteAnswers(begin, end, part, ms)));
  PRIVDNN_RETURN_IF_ERROR(file_.Sync());
  return part.ended;
}

InferenceResult AnswerFile::Infer(const ProgressFn& progress) {
  const auto deadline = Clock::now() + setup_.options.deadline;
  const int64_t count = setup_.images.count;
  int64_t done = answered();
  for (auto [begin, end] = Missing(0); begin < count; std::tie(begin, end) = Missing(end)) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    const auto on_images = [&](uint64_t images, uint64_t, const std::string&) {
      const auto now = static_cast<uint64_t>(done) + images;
      return Proceeds(progress, now, static_cast<uint64_t>(count), fmt::format("{} of {} images", now, count));
    };
    result_.ended = Ask(begin, end, left, on_images);
    if (!result_.ended.ok()) break;
    done += end - begin;
  }
  return result_;
}

}  // namespace privdnn
