// ParseJournal, with checksums as they are or made right.
#include "fuzz_support.h"
#include "privdnn/selection/journal_format.h"

namespace privdnn {
namespace {

const Bytes& ValidJournal() {
  static const Bytes journal = [] {
    Bytes bytes = WriteJournalHeader("fuzz");
    for (int64_t i = 0; i < 3; ++i) {
      const Bytes packed = PackOutcome({{1, 0, 1, 1, 0}, {0, 0, 1, 0, 1}});
      const Bytes record = WriteJournalRecord({{{0, i + 1}, {i}}, 0, 5}, packed);
      bytes.insert(bytes.end(), record.begin(), record.end());
      const std::vector<float> margins = {0.5F, -3};
      const Bytes other = WriteJournalRecord({{{i}, {}}, View::kRemoved, {1, i + 2}}, margins);
      bytes.insert(bytes.end(), other.begin(), other.end());
    }
    return bytes;
  }();
  return journal;
}

void Write(uint64_t value, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t Size(std::span<const uint8_t> bytes) {
  return bytes[0] | uint64_t{bytes[1]} << 8 | uint64_t{bytes[2]} << 16 | uint64_t{bytes[3]} << 24;
}

// magic 8 | version 4 | size 4 | identity | checksum 8, then records: size 4 | its checksum 4 | body | checksum 8
void ResealJournal(std::span<uint8_t> bytes) {
  if (bytes.size() < 16) return;
  uint64_t size = 16 + Size(bytes.subspan(12));
  if (size + 8 > bytes.size()) return;
  Write(RecordChecksum(bytes.first(size)), bytes.subspan(size, 8));
  for (bytes = bytes.subspan(size + 8); bytes.size() >= 8; bytes = bytes.subspan(size + 16)) {
    size = Size(bytes);
    Write(RecordChecksum(bytes.first(4)), bytes.subspan(4, 4));
    if (size + 16 > bytes.size()) return;
    Write(RecordChecksum(bytes.subspan(8, size)), bytes.subspan(8 + size, 8));
  }
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const Bytes bytes = fuzz::Forge(ValidJournal(), {data, size}, ResealJournal);
  const auto content = ParseJournal(bytes, "j");
  if (!content.ok()) {
    fuzz::Require(content.status().code() == absl::StatusCode::kDataLoss, "damage is named as such");
    fuzz::Require(!content.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(content->whole <= bytes.size(), "no more is whole than is there");
  Bytes written = WriteJournalHeader(content->identity);
  for (const auto& entry : content->outcomes) {
    const JournalKey& key = entry.first;
    const Outcome outcome = UnpackOutcome(entry.second, key.end - key.begin);
    fuzz::Require(PackOutcome(outcome) == entry.second, "an outcome is packed as it was read");
    const Bytes record = WriteJournalRecord(key, entry.second);
    written.insert(written.end(), record.begin(), record.end());
  }
  for (const auto& entry : content->margins) {
    const Bytes record = WriteJournalRecord(entry.first, entry.second);
    written.insert(written.end(), record.begin(), record.end());
  }
  fuzz::Require(written.size() == content->whole, "what is whole is what was read");
  const auto again = ParseJournal(written, "j");
  fuzz::Require(again.ok() && again->outcomes == content->outcomes && again->margins == content->margins,
                "a journal is read as it was written");
  return 0;
}
