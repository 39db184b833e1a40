#include "privdnn/selection/ranked_source.h"

#include <algorithm>
#include <chrono>

#include "privdnn/selection/journal_format.h"

namespace privdnn {
namespace {

using Clock = std::chrono::steady_clock;

// (candidate, image) pairs of a piece with several candidates, at most: what a rank that dies has done in vain.
constexpr int64_t kMaxPairs = int64_t{1} << 17;
constexpr std::chrono::milliseconds kProgressEvery{50};

using Part = RankedSource::Part;

// Cuts candidates x images into parts, the longest first, so that all ranks end at about the same time.
class Cutter {
 public:
  Cutter(size_t candidates, int64_t begin, int64_t end, int64_t batch, int ranks)
      : candidates_(candidates), begin_(begin), end_(end), batch_(batch), ranks_(static_cast<size_t>(ranks)) {
    // Images are cut only if there are too few candidates to go round.
    const int64_t wanted = static_cast<int64_t>((4 * ranks_ + candidates - 1) / candidates);
    const int64_t batches = (end - 1) / batch - begin / batch + 1;
    cuts_ = std::min(wanted, batches);
  }
  std::optional<Part> Next() {
    if (cut_ == 0) {
      first_ = last_;
      if (first_ == candidates_) return std::nullopt;
      const auto most = static_cast<size_t>(std::max<int64_t>(kMaxPairs / (end_ - begin_), 1));
      last_ = first_ + std::clamp<size_t>((candidates_ - first_) / (2 * ranks_), 1, most);
    }
    const Part part{first_, last_, Border(cut_), Border(cut_ + 1)};
    cut_ = (cut_ + 1) % cuts_;
    return part;
  }

 private:
  // Where part `cut` of the images begins: at a whole batch, but for the ends.
  int64_t Border(int64_t cut) const {
    const int64_t first = begin_ / batch_, batches = (end_ - 1) / batch_ - first + 1;
    return std::clamp((first + cut * batches / cuts_) * batch_, begin_, end_);
  }
  size_t candidates_;
  int64_t begin_, end_, batch_;
  size_t ranks_;
  int64_t cuts_ = 1, cut_ = 0;
  size_t first_ = 0, last_ = 0;
};

// What a request asks for.
constexpr uint32_t kOutcomes = 0, kMargins = 1;

// Without `view`, outcomes on the images [part.begin, part.end); with it, margins on those of the list.
Bytes WriteRequest(std::span<const Candidate> candidates, const Part& part, std::optional<View> view,
                   std::span<const int64_t> list) {
  ByteWriter w;
  w.U32(view ? kMargins : kOutcomes);
  if (view) {
    WriteMarginQuestion(*view,
                        list.subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.end - part.begin)), w);
  } else {
    w.U64(static_cast<uint64_t>(part.begin));
    w.U64(static_cast<uint64_t>(part.end));
  }
  for (size_t i = part.first; i < part.last; ++i) WriteCandidate(candidates[i], w);
  return std::move(w).Take();
}

absl::StatusOr<std::vector<Candidate>> ReadCandidates(ByteReader& r) {
  std::vector<Candidate> candidates;
  while (r.remaining() > 0) {
    PRIVDNN_ASSIGN_OR_RETURN(candidates.emplace_back(), ReadCandidate(r));
  }
  return candidates;
}

// A request, evaluated: the packed outcomes or the margins of its candidates, one behind the other.
absl::StatusOr<Bytes> Answer(const Evaluator& evaluator, std::span<const uint8_t> request, const GoOnFn& go_on) {
  const ProgressFn progress = [&](uint64_t, uint64_t, const std::string&) { return go_on(); };
  ByteReader r(request, "request for outcomes");
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t kind, r.U32InRange(kOutcomes, kMargins, "kind"));
  ByteWriter w;
  if (kind == kMargins) {
    PRIVDNN_ASSIGN_OR_RETURN(const MarginQuestion question, ReadMarginQuestion(r));
    PRIVDNN_ASSIGN_OR_RETURN(const auto candidates, ReadCandidates(r));
    PRIVDNN_ASSIGN_OR_RETURN(const auto margins,
                             evaluator.Margins(candidates, question.view, question.images, progress));
    for (const std::vector<float>& found : margins) WriteMargins(found, w);
    return std::move(w).Take();
  }
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t begin, r.U64("begin"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t end, r.U64("end"));
  PRIVDNN_ASSIGN_OR_RETURN(const auto candidates, ReadCandidates(r));
  PRIVDNN_ASSIGN_OR_RETURN(const auto outcomes, evaluator.Evaluate(candidates, static_cast<int64_t>(begin),
                                                                   static_cast<int64_t>(end), progress));
  for (const Outcome& outcome : outcomes) w.Raw(PackOutcome(outcome));
  return std::move(w).Take();
}

absl::Status TakeReply(std::span<const uint8_t> reply, const Part& part, int64_t begin,
                       std::vector<Outcome>& outcomes) {
  ByteReader r(reply, "outcomes");
  const int64_t images = part.end - part.begin;
  for (size_t i = part.first; i < part.last; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto packed, r.Take(PackedBytes(2 * static_cast<uint64_t>(images), 1), "outcome"));
    const Outcome outcome = UnpackOutcome(packed, images);
    std::copy(outcome.separated.begin(), outcome.separated.end(), outcomes[i].separated.begin() + (part.begin - begin));
    std::copy(outcome.removed.begin(), outcome.removed.end(), outcomes[i].removed.begin() + (part.begin - begin));
  }
  return r.Finish();
}

absl::Status TakeReply(std::span<const uint8_t> reply, const Part& part, std::vector<std::vector<float>>& margins) {
  ByteReader r(reply, "margins");
  for (size_t i = part.first; i < part.last; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto found, ReadMargins(r, static_cast<size_t>(part.end - part.begin)));
    std::copy(found.begin(), found.end(), margins[i].begin() + part.begin);
  }
  return r.Finish();
}

}  // namespace

absl::StatusOr<RankedSource> RankedSource::Create(Ranks& ranks, const Evaluator& evaluator, const std::string& identity,
                                                  const GoOnFn& go_on) {
  PRIVDNN_RETURN_IF_ERROR(ranks.Meet(identity, go_on));
  return RankedSource(ranks, evaluator);
}

absl::Status RankedSource::Spread(size_t candidates, int64_t begin, int64_t end,
                                  const std::function<Bytes(const Part&)>& request,
                                  const std::function<absl::Status(std::span<const uint8_t>, const Part&)>& take,
                                  const ProgressFn& progress) const {
  if (candidates == 0) return absl::OkStatus();
  Cutter cutter(candidates, begin, end, evaluator_->batch_images(), ranks_->size());
  std::vector<Part> parts;
  const auto next = [&]() -> std::optional<Bytes> {
    const auto part = cutter.Next();
    if (!part) return std::nullopt;
    parts.push_back(*part);
    return request(*part);
  };
  const uint64_t total = candidates * static_cast<uint64_t>(end - begin);
  uint64_t done = 0;
  bool go_on = true;
  Clock::time_point reported;
  const auto report = [&] {
    reported = Clock::now();
    go_on = go_on && Proceeds(progress, done, total);
    return go_on;
  };
  const auto on_piece = [&](uint64_t piece, int rank, const Bytes& reply) -> absl::Status {
    const Part& part = parts[piece];
    PRIVDNN_RETURN_IF_ERROR(take(reply, part));
    const uint64_t pairs = (part.last - part.first) * static_cast<uint64_t>(part.end - part.begin);
    pairs_[static_cast<size_t>(rank)] += pairs;
    done += pairs;
    return report() ? absl::OkStatus() : absl::CancelledError("interrupted");
  };
  const auto piece = [&](std::span<const uint8_t> asked, const GoOnFn& still) {
    return Answer(*evaluator_, asked, still);
  };
  return ranks_->Spread(next, piece, on_piece,
                        [&] { return Clock::now() - reported < kProgressEvery ? go_on : report(); });
}

absl::StatusOr<std::vector<Outcome>> RankedSource::Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                            int64_t end, const ProgressFn& progress) const {
  if (begin < 0 || begin >= end || end > evaluator_->images()) {
    return InvalidArgument("images {} to {} of {}", begin, end, evaluator_->images());
  }
  const auto size = static_cast<size_t>(end - begin);
  std::vector<Outcome> outcomes(candidates.size(), {std::vector<uint8_t>(size), std::vector<uint8_t>(size)});
  PRIVDNN_RETURN_IF_ERROR(Spread(
      candidates.size(), begin, end, [&](const Part& part) { return WriteRequest(candidates, part, std::nullopt, {}); },
      [&](std::span<const uint8_t> reply, const Part& part) { return TakeReply(reply, part, begin, outcomes); },
      progress));
  return outcomes;
}

absl::StatusOr<std::vector<std::vector<float>>> RankedSource::Margins(std::span<const Candidate> candidates, View view,
                                                                      std::span<const int64_t> images,
                                                                      const ProgressFn& progress) const {
  PRIVDNN_RETURN_IF_ERROR(CheckImageList(images, evaluator_->images()));
  std::vector<std::vector<float>> margins(candidates.size(), std::vector<float>(images.size()));
  PRIVDNN_RETURN_IF_ERROR(Spread(
      candidates.size(), 0, static_cast<int64_t>(images.size()),
      [&](const Part& part) { return WriteRequest(candidates, part, view, images); },
      [&](std::span<const uint8_t> reply, const Part& part) { return TakeReply(reply, part, margins); }, progress));
  return margins;
}

absl::Status ServeOutcomes(Ranks& ranks, const Evaluator& evaluator, const std::string& identity, const GoOnFn& go_on) {
  return ranks.Serve(
      identity,
      [&](std::span<const uint8_t> request, const GoOnFn& still) { return Answer(evaluator, request, still); }, go_on);
}

}  // namespace privdnn
