#include "privdnn/selection/journal.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <set>

#include "privdnn/base/file.h"
#include "privdnn/selection/journal_format.h"

namespace privdnn {
namespace {

// Candidates that are asked for at a time: what a kill loses at most.
constexpr size_t kChunk = 32;
// Leaves time for a slow source, which reports progress seldom, within the promised minute.
constexpr std::chrono::seconds kSyncAfter(20);

using Clock = std::chrono::steady_clock;

}  // namespace

struct Journal::Impl {
  Impl(AppendFile opened, const OutcomeSource& asked) : file(std::move(opened)), source(asked) {}

  AppendFile file;
  const OutcomeSource& source;
  std::mutex mutex;  // for what follows and for the file
  std::map<JournalKey, Bytes> outcomes;
  std::map<MarginKey, std::vector<float>> margins;
  std::optional<Clock::time_point> unsynced_since;
  std::atomic<uint64_t> replayed = 0;

  absl::Status Sync() {
    if (!unsynced_since) return absl::OkStatus();
    unsynced_since.reset();
    return file.Sync();
  }
  absl::Status Append(const Bytes& records) {
    PRIVDNN_RETURN_IF_ERROR(file.Append(records));
    if (!unsynced_since) unsynced_since = Clock::now();
    return absl::OkStatus();
  }
  absl::Status Keep(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                    std::span<const Outcome> answers);
  absl::Status Keep(std::span<const Candidate> candidates, View view, std::span<const int64_t> asked,
                    std::span<const std::vector<float>> answers);
  // Has everything that is asked about `candidates` in memory. `known`: whether it is; `fetch` asks for a few and keeps
  // the answers.
  absl::Status Complete(std::span<const Candidate> candidates, uint64_t images, const ProgressFn& progress,
                        const std::function<bool(const Candidate&)>& known,
                        const std::function<absl::Status(std::span<const Candidate>, const ProgressFn&)>& fetch);
};

absl::Status Journal::Impl::Keep(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                 std::span<const Outcome> answers) {
  const auto images = static_cast<size_t>(end - begin);
  if (answers.size() != candidates.size()) {
    return absl::InternalError(fmt::format("{} outcomes for {} candidates", answers.size(), candidates.size()));
  }
  Bytes records;
  std::vector<std::pair<JournalKey, Bytes>> fresh;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (answers[i].separated.size() != images || answers[i].removed.size() != images) {
      return absl::InternalError(fmt::format("outcomes of {} and {} images for images {} to {}",
                                             answers[i].separated.size(), answers[i].removed.size(), begin, end));
    }
    fresh.emplace_back(JournalKey{candidates[i], begin, end}, PackOutcome(answers[i]));
    const Bytes record = WriteJournalRecord(fresh.back().first, fresh.back().second);
    records.insert(records.end(), record.begin(), record.end());
  }
  PRIVDNN_RETURN_IF_ERROR(Append(records));
  for (auto& [key, packed] : fresh) outcomes.emplace(std::move(key), std::move(packed));
  return absl::OkStatus();
}

absl::Status Journal::Impl::Keep(std::span<const Candidate> candidates, View view, std::span<const int64_t> asked,
                                 std::span<const std::vector<float>> answers) {
  if (answers.size() != candidates.size()) {
    return absl::InternalError(fmt::format("margins of {} candidates for {}", answers.size(), candidates.size()));
  }
  Bytes records;
  std::vector<std::pair<MarginKey, std::vector<float>>> fresh;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (answers[i].size() != asked.size()) {
      return absl::InternalError(fmt::format("margins of {} images for {}", answers[i].size(), asked.size()));
    }
    fresh.emplace_back(MarginKey{candidates[i], view, {asked.begin(), asked.end()}}, answers[i]);
    const Bytes record = WriteJournalRecord(fresh.back().first, answers[i]);
    records.insert(records.end(), record.begin(), record.end());
  }
  PRIVDNN_RETURN_IF_ERROR(Append(records));
  for (auto& [key, found] : fresh) margins.emplace(std::move(key), std::move(found));
  return absl::OkStatus();
}

absl::Status Journal::Impl::Complete(
    std::span<const Candidate> candidates, uint64_t images, const ProgressFn& progress,
    const std::function<bool(const Candidate&)>& known,
    const std::function<absl::Status(std::span<const Candidate>, const ProgressFn&)>& fetch) {
  // Each once, in the order of its first mention.
  std::vector<Candidate> missing;
  std::set<Candidate> seen;
  uint64_t there = 0;
  for (const Candidate& candidate : candidates) {
    if (known(candidate)) {
      ++there;
    } else if (seen.insert(candidate).second) {
      missing.push_back(candidate);
    }
  }
  const uint64_t total = candidates.size() * images;
  replayed += there * images;
  if (there > 0 && !Proceeds(progress, there * images, total)) return absl::CancelledError("interrupted");
  // What is asked for twice counts as done when it is asked for first.
  uint64_t done = total - missing.size() * images;
  for (std::span<const Candidate> left = missing; !left.empty();) {
    const auto chunk = left.first(std::min(left.size(), kChunk));
    absl::Status synced;
    const auto report = [&](uint64_t pairs, uint64_t, const std::string& note) {
      if (unsynced_since && Clock::now() - *unsynced_since > kSyncAfter) synced = Sync();
      return synced.ok() && Proceeds(progress, done + pairs, total, note);
    };
    const absl::Status fetched = fetch(chunk, report);
    PRIVDNN_RETURN_IF_ERROR(synced);
    PRIVDNN_RETURN_IF_ERROR(fetched);
    done += images * chunk.size();
    left = left.subspan(chunk.size());
  }
  return absl::OkStatus();
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;
Journal::~Journal() = default;

absl::StatusOr<Journal> Journal::Open(const std::filesystem::path& file, const std::string& identity,
                                      const OutcomeSource& source) {
  JournalContent content;
  PRIVDNN_ASSIGN_OR_RETURN(
      AppendFile opened,
      OpenRecordFile(
          file, kJournalFormat, identity,
          "holds outcomes of another model, other images or other options; choose another file, or remove this one",
          [&](auto body, const auto& what) { return ReadJournalRecord(body, what, content); }));
  auto impl = std::make_unique<Impl>(std::move(opened), source);
  impl->outcomes = std::move(content.outcomes);
  impl->margins = std::move(content.margins);
  return Journal(std::move(impl));
}

uint64_t Journal::replayed() const { return impl_->replayed; }

uint64_t Journal::Known(int64_t first, int64_t second, int64_t begin, int64_t end) const {
  const std::scoped_lock lock(impl_->mutex);
  return static_cast<uint64_t>(std::ranges::count_if(impl_->outcomes, [&](const auto& known) {
    const JournalKey& key = known.first;
    return key.begin == begin && key.end == end && key.candidate.first.size() == static_cast<size_t>(first) &&
           key.candidate.second.size() == static_cast<size_t>(second);
  }));
}

absl::StatusOr<std::vector<Outcome>> Journal::Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                       int64_t end, const ProgressFn& progress) const {
  if (begin < 0 || begin >= end) return InvalidArgument("journal: images {} to {}", begin, end);
  Impl& m = *impl_;
  const std::scoped_lock lock(m.mutex);
  absl::Status status = m.Complete(
      candidates, static_cast<uint64_t>(end - begin), progress,
      [&](const Candidate& candidate) {
        return m.outcomes.contains({candidate, begin, end});
      },
      [&](std::span<const Candidate> chunk, const ProgressFn& report) -> absl::Status {
        PRIVDNN_ASSIGN_OR_RETURN(const auto answers, m.source.Evaluate(chunk, begin, end, report));
        return m.Keep(chunk, begin, end, answers);
      });
  status.Update(m.Sync());
  PRIVDNN_RETURN_IF_ERROR(status);
  std::vector<Outcome> outcomes;
  outcomes.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    outcomes.push_back(UnpackOutcome(m.outcomes.at({candidate, begin, end}), end - begin));
  }
  return outcomes;
}

absl::StatusOr<std::vector<std::vector<float>>> Journal::Margins(std::span<const Candidate> candidates, View view,
                                                                 std::span<const int64_t> images,
                                                                 const ProgressFn& progress) const {
  PRIVDNN_RETURN_IF_ERROR(CheckImageList(images, int64_t{1} << 32));
  Impl& m = *impl_;
  const std::scoped_lock lock(m.mutex);
  const auto key = [&](const Candidate& candidate) {
    return MarginKey{candidate, view, {images.begin(), images.end()}};
  };
  absl::Status status = m.Complete(
      candidates, images.size(), progress,
      [&](const Candidate& candidate) { return m.margins.contains(key(candidate)); },
      [&](std::span<const Candidate> chunk, const ProgressFn& report) -> absl::Status {
        PRIVDNN_ASSIGN_OR_RETURN(const auto answers, m.source.Margins(chunk, view, images, report));
        return m.Keep(chunk, view, images, answers);
      });
  status.Update(m.Sync());
  PRIVDNN_RETURN_IF_ERROR(status);
  std::vector<std::vector<float>> margins;
  margins.reserve(candidates.size());
  for (const Candidate& candidate : candidates) margins.push_back(m.margins.at(key(candidate)));
  return margins;
}

}  // namespace privdnn
