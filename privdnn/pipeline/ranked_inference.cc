#include "privdnn/pipeline/ranked_inference.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

double MsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// So many integers of each image does a segment have in the outputs.
size_t PerImage(const InferenceResult& all, size_t segment) {
  return all.outputs[segment].size() / all.predictions.size();
}

}  // namespace

int64_t MessageImages(const InferenceSetup& setup) {
  return std::min(setup.options.batch, setup.session.terms().most_images);
}

std::string Identity(const InferenceSetup& setup) {
  return fmt::format("package {}, {} images {}, {} outputs, {} scores", HexEncode(setup.session.user().package().id()),
                     setup.images.count, HexEncode(Sha256(setup.images.Content())),
                     setup.options.outputs ? "with" : "without", setup.options.scores ? "with" : "without");
}

Bytes WriteResult(const InferenceResult& result, double ms) {
  ByteWriter w;
  WriteStatus(result.ended, w);
  const PassTiming& t = result.passes[0];
  for (const double figure : {t.encrypted, t.encrypted_cpu, t.rest, t.owner, ms}) w.F64(figure);
  w.U64(result.bytes_up);
  w.U64(result.bytes_down);
  w.U64(result.images_remaining);
  for (const int32_t label : result.predictions) w.U32(static_cast<uint32_t>(label));
  for (const float score : result.scores) w.U32(std::bit_cast<uint32_t>(score));
  for (const Clamping& c : result.clamping) {
    for (const uint64_t count : {c.values, c.clamped, c.images_clamped}) w.U64(count);
  }
  for (const auto& segment : result.outputs) {
    w.U64(segment.size());
    for (const int64_t y : segment) w.U64(static_cast<uint64_t>(y));
  }
  return std::move(w).Take();
}

absl::StatusOr<InferenceResult> ReadResult(std::span<const uint8_t> bytes, int64_t images, const InferenceResult& all,
                                           double& ms) {
  ByteReader r(bytes, "result");
  InferenceResult result;
  PRIVDNN_RETURN_IF_ERROR(ReadStatus(r, result.ended));
  PassTiming& t = result.passes.emplace_back();
  for (double* figure : {&t.encrypted, &t.encrypted_cpu, &t.rest, &t.owner, &ms}) {
    PRIVDNN_ASSIGN_OR_RETURN(*figure, r.F64("time"));
  }
  for (uint64_t* count : {&result.bytes_up, &result.bytes_down, &result.images_remaining}) {
    PRIVDNN_ASSIGN_OR_RETURN(*count, r.U64("count"));
  }
  for (int64_t i = 0; i < images; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t label, r.U32("prediction"));
    result.predictions.push_back(static_cast<int32_t>(label));
  }
  const auto scores = static_cast<size_t>(images) * all.scores.size() / all.predictions.size();
  for (size_t i = 0; i < scores; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t score, r.U32("score"));
    result.scores.push_back(std::bit_cast<float>(score));
  }
  for (size_t k = 0; k < all.clamping.size(); ++k) {
    Clamping& c = result.clamping.emplace_back();
    for (uint64_t* count : {&c.values, &c.clamped, &c.images_clamped}) {
      PRIVDNN_ASSIGN_OR_RETURN(*count, r.U64("clamped values"));
    }
  }
  for (size_t k = 0; k < all.outputs.size(); ++k) {
    auto& outputs = result.outputs.emplace_back();
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t size, r.U64("outputs"));
    if (const uint64_t needed = static_cast<uint64_t>(images) * PerImage(all, k); size != needed) {
      return InvalidArgument("result: {} outputs of segment {} for {} images, needs {}", size, k, images, needed);
    }
    for (uint64_t i = 0; i < size; ++i) {  // ends with an error where the bytes end
      PRIVDNN_ASSIGN_OR_RETURN(const uint64_t y, r.U64("output"));
      outputs.push_back(static_cast<int64_t>(y));
    }
  }
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  return result;
}

namespace {

milliseconds Until(Clock::time_point deadline) {
  return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

// Images [begin, end) of the request, within the time that it leaves and before `deadline`.
absl::StatusOr<Bytes> Answer(const InferenceSetup& setup, std::span<const uint8_t> request, Clock::time_point deadline,
                             const GoOnFn& go_on) {
  ByteReader r(request, "request for images");
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t begin, r.U64("begin"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t end, r.U64("end"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t left, r.U64("time left"));
  InferenceOptions options = setup.options;
  options.deadline = std::min(milliseconds(static_cast<int64_t>(left)), Until(deadline));
  if (options.deadline < milliseconds(1)) {
    InferenceResult none = setup.session.NoAnswers(static_cast<int64_t>(end - begin), options);
    none.ended = absl::DeadlineExceededError(fmt::format("no time is left for images {} to {}", begin, end));
    return WriteResult(none, 0);
  }
  const auto start = Clock::now();
  const InferenceResult result =
      setup.session.Infer(setup.images.Slice(static_cast<int64_t>(begin), static_cast<int64_t>(end)), options,
                          [&](uint64_t, uint64_t, const std::string&) { return go_on(); });
  if (absl::IsCancelled(result.ended)) return result.ended;  // nobody waits for it
  return WriteResult(result, MsSince(start));
}

}  // namespace

void Place(const InferenceResult& part, int64_t begin, InferenceResult& all) {
  PassTiming& sum = all.passes[0];
  const PassTiming& t = part.passes[0];
  sum.encrypted += t.encrypted;
  sum.encrypted_cpu += t.encrypted_cpu;
  sum.rest += t.rest;
  sum.owner += t.owner;
  all.bytes_up += part.bytes_up;
  all.bytes_down += part.bytes_down;
  all.images_remaining = std::min(all.images_remaining, part.images_remaining);
  std::ranges::copy(part.predictions, all.predictions.begin() + begin);
  const auto columns = static_cast<int64_t>(all.scores.size() / all.predictions.size());
  std::ranges::copy(part.scores, all.scores.begin() + begin * columns);
  for (size_t k = 0; k < all.clamping.size(); ++k) all.clamping[k] += part.clamping[k];
  for (size_t k = 0; k < all.outputs.size(); ++k) {
    std::ranges::copy(part.outputs[k], all.outputs[k].begin() + begin * static_cast<int64_t>(PerImage(all, k)));
  }
}

absl::StatusOr<InferenceResult> InferOnRanks(Ranks& ranks, const InferenceSetup& setup, const ProgressFn& progress,
                                             const GoOnFn& go_on, std::vector<RankShare>& shares) {
  PRIVDNN_RETURN_IF_ERROR(ranks.Meet(Identity(setup), go_on));
  shares.resize(static_cast<size_t>(ranks.size()));
  for (int rank = 0; rank < ranks.size(); ++rank) shares[static_cast<size_t>(rank)].host = ranks.Host(rank);
  const int64_t count = setup.images.count, batch = MessageImages(setup);
  InferenceResult result = setup.session.NoAnswers(count, setup.options);
  std::vector<int64_t> begins;
  int64_t at = 0, done = 0;
  const auto start = Clock::now(), deadline = start + setup.options.deadline;
  // Whole messages, fewer and fewer of them, so that all ranks end at about the same time.
  // What a piece comes to goes back in one message, which stays small.
  constexpr int64_t kMaxPieceBytes = int64_t{64} << 20;
  int64_t image_bytes =
      static_cast<int64_t>(sizeof(uint32_t)) * (setup.options.scores ? 1 + setup.session.rest().columns() : 1);
  for (size_t k = 0; k < result.outputs.size(); ++k) {
    image_bytes +=
        static_cast<int64_t>(sizeof(int64_t) * setup.session.user().segment(k).geometry.spec().values_per_image());
  }
  const int64_t most = std::max<int64_t>(kMaxPieceBytes / (image_bytes * batch), 1);
  const auto next = [&]() -> std::optional<Bytes> {
    if (at == count || !result.ended.ok()) return std::nullopt;
    const int64_t messages = std::clamp<int64_t>((count - at) / (2 * ranks.size() * batch), 1, most);
    const int64_t end = std::min(at + messages * batch, count);
    ByteWriter w;
    w.U64(static_cast<uint64_t>(at));
    w.U64(static_cast<uint64_t>(end));
    w.U64(static_cast<uint64_t>(std::max<int64_t>(Until(deadline).count(), 0)));
    begins.push_back(at);
    at = end;
    return std::move(w).Take();
  };
  const auto on_piece = [&](uint64_t piece, int rank, const Bytes& reply) -> absl::Status {
    const int64_t end = piece + 1 < begins.size() ? begins[piece + 1] : at;
    const int64_t images = end - begins[piece];
    double ms = 0;
    PRIVDNN_ASSIGN_OR_RETURN(const InferenceResult part, ReadResult(reply, images, result, ms));
    Place(part, begins[piece], result);
    RankShare& share = shares[static_cast<size_t>(rank)];
    share.images += CountAnswered(part);
    share.ms += ms;
    if (!part.ended.ok() && result.ended.ok()) {
      result.ended = Annotate(part.ended, fmt::format("rank {} ({})", rank, share.host));
    }
    done += images;
    const bool more = Proceeds(progress, static_cast<uint64_t>(done), static_cast<uint64_t>(count),
                               fmt::format("{} of {} images", done, count));
    return more ? absl::OkStatus() : absl::CancelledError("interrupted");
  };
  const auto piece = [&](std::span<const uint8_t> request, const GoOnFn& wanted) {
    return Answer(setup, request, deadline, wanted);
  };
  const absl::Status spread = ranks.Spread(next, piece, on_piece, go_on);
  if (result.ended.ok()) result.ended = spread;
  result.passes[0].wall = MsSince(start);
  return result;
}

absl::Status ServeInference(Ranks& ranks, const InferenceSetup& setup, const GoOnFn& go_on) {
  return ranks.Serve(
      Identity(setup),
      [&](std::span<const uint8_t> request, const GoOnFn& wanted) {
        return Answer(setup, request, Clock::time_point::max(), wanted);
      },
      go_on);
}

}  // namespace privdnn
