// The bytes of a journal (selection/journal.h), without the file: see docs/journal-format.md.
#pragma once

#include <map>
#include <span>
#include <string>

#include "privdnn/base/bytes.h"
#include "privdnn/selection/outcome_source.h"

namespace privdnn {

// What was asked: a candidate on the images [begin, end).
struct JournalKey {
  Candidate candidate;
  int64_t begin = 0, end = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const JournalKey&) const = default;
};

// The same for margins: one of a candidate's networks on some images.
struct MarginKey {
  Candidate candidate;
  View view = View::kSeparated;
  std::vector<int64_t> images;
  auto operator<=>(const MarginKey&) const = default;
};

struct JournalContent {
  std::string identity;
  std::map<JournalKey, Bytes> outcomes;  // as PackOutcome has them
  std::map<MarginKey, std::vector<float>> margins;
  uint64_t whole = 0;  // bytes of the header and all whole records
};

// At most so many bytes.
constexpr uint32_t kMaxJournalIdentity = 1024;

// Both layers' neurons, a count and then 32 bits each; reading refuses what doesn't ascend.
void WriteCandidate(const Candidate& candidate, ByteWriter& w);
absl::StatusOr<Candidate> ReadCandidate(ByteReader& r);
// One bit an image, first for `separated`, then for `removed`, rounded up to bytes. Both must have as many images.
Bytes PackOutcome(const Outcome& outcome);
// Of packed bytes that have passed ParseJournal or come from PackOutcome; `images`: end - begin.
Outcome UnpackOutcome(std::span<const uint8_t> packed, int64_t images);

// A view, a count and then 32 bits an image; reading refuses what CheckImageList does.
void WriteMarginQuestion(View view, std::span<const int64_t> images, ByteWriter& w);
struct MarginQuestion {
  View view;
  std::vector<int64_t> images;
};
absl::StatusOr<MarginQuestion> ReadMarginQuestion(ByteReader& r);
// 32 bits each; reading refuses 0 and what is not a number.
void WriteMargins(std::span<const float> margins, ByteWriter& w);
absl::StatusOr<std::vector<float>> ReadMargins(ByteReader& r, size_t count);

Bytes WriteJournalHeader(const std::string& identity);
Bytes WriteJournalRecord(const JournalKey& key, std::span<const uint8_t> packed);
Bytes WriteJournalRecord(const MarginKey& key, std::span<const float> margins);
// XXH3-64: finds damage by accident.
uint64_t JournalChecksum(std::span<const uint8_t> bytes);

// `bytes` may be foreign. A record that the end of the bytes cuts off is left out; anything else that is wrong, a
// header cut off among it, is a DataLoss that names `what`, the byte and the field.
absl::StatusOr<JournalContent> ParseJournal(std::span<const uint8_t> bytes, const std::string& what);

}  // namespace privdnn
