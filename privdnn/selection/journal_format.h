// The bytes of a journal (selection/journal.h), without the file: see docs/journal-format.md.
#pragma once

#include <map>
#include <span>
#include <string>

#include "privdnn/base/bytes.h"
#include "privdnn/base/record_file.h"
#include "privdnn/selection/outcome_source.h"

namespace privdnn {

// A question: a candidate on the images [begin, end).
struct JournalKey {
  Candidate candidate;
  int64_t begin = 0, end = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const JournalKey&) const = default;
};

// A question about margins: one of a candidate's networks, on some images.
struct MarginKey {
  Candidate candidate;
  View view = View::kSeparated;
  std::vector<int64_t> images;
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const MarginKey&) const = default;
};

struct JournalContent {
  std::string identity;
  std::map<JournalKey, Bytes> outcomes;  // in the form of PackOutcome
  std::map<MarginKey, std::vector<float>> margins;
  uint64_t whole = 0;  // bytes of the header and all whole records
};

inline constexpr RecordFormat kJournalFormat{"PVDNNJNL", "checkpoints of a search", 2};

// Write and read both layers' neurons: a count, then 32 bits each. Reading fails if they don't ascend.
void WriteCandidate(const Candidate& candidate, ByteWriter& w);
absl::StatusOr<Candidate> ReadCandidate(ByteReader& r);
// Packs one bit per image, first for `separated`, then for `removed`, rounded up to bytes. Both must have the same
// number of images.
Bytes PackOutcome(const Outcome& outcome);
// Unpacks bytes that have passed ParseJournal or come from PackOutcome; `images` is end - begin.
Outcome UnpackOutcome(std::span<const uint8_t> packed, int64_t images);

// Write and read a view, a count, then 32 bits per image. Reading returns the errors of CheckImageList.
void WriteMarginQuestion(View view, std::span<const int64_t> images, ByteWriter& w);
struct MarginQuestion {
  View view;
  std::vector<int64_t> images;
};
absl::StatusOr<MarginQuestion> ReadMarginQuestion(ByteReader& r);
// Write and read 32 bits per margin. Reading fails for 0 and NaN.
void WriteMargins(std::span<const float> margins, ByteWriter& w);
absl::StatusOr<std::vector<float>> ReadMargins(ByteReader& r, size_t count);

Bytes WriteJournalHeader(const std::string& identity);
Bytes WriteJournalRecord(const JournalKey& key, std::span<const uint8_t> packed);
Bytes WriteJournalRecord(const MarginKey& key, std::span<const float> margins);
// Adds what a record holds to `content`. Fails with InvalidArgument, giving `what`, the byte and the field.
absl::Status ReadJournalRecord(std::span<const uint8_t> body, const std::string& what, JournalContent& content);

// Parses `bytes`, which may be untrusted. Leaves out a record that is cut off at the end. Fails with DataLoss for
// anything else that is wrong, including a cut-off header; the error gives `what`, the byte and the field.
absl::StatusOr<JournalContent> ParseJournal(std::span<const uint8_t> bytes, const std::string& what);

}  // namespace privdnn
