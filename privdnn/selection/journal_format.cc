#include "privdnn/selection/journal_format.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace privdnn {
namespace {

constexpr std::string_view kMagic = "PVDNNJNL";
constexpr uint32_t kVersion = 2;
// What a record is about.
constexpr uint32_t kOutcomeRecord = 0, kMarginRecord = 1;
// In front of a record's body: its size and a checksum of that, so that a wrong size isn't taken for a cut.
constexpr uint64_t kHeadBytes = 8, kSumBytes = 8;

uint32_t SizeCheck(uint32_t size) {
  ByteWriter w;
  w.U32(size);
  return static_cast<uint32_t>(JournalChecksum(w.view()));
}

void WriteNeurons(const std::vector<int64_t>& neurons, ByteWriter& w) {
  w.U32(static_cast<uint32_t>(neurons.size()));
  for (const int64_t neuron : neurons) w.U32(static_cast<uint32_t>(neuron));
}

absl::StatusOr<std::vector<int64_t>> ReadNeurons(ByteReader& r, std::string_view field) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, r.U32(field));
  std::vector<int64_t> neurons;
  for (uint32_t i = 0; i < count; ++i) {  // ends with an error where the bytes end
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t neuron, r.U32(field));
    if (i > 0 && neuron <= neurons.back()) {
      return r.Error(field, fmt::format("{} after {} does not ascend", neuron, neurons.back()));
    }
    neurons.push_back(neuron);
  }
  return neurons;
}

absl::StatusOr<std::string> ReadHeader(ByteReader& r, std::span<const uint8_t> bytes) {
  PRIVDNN_RETURN_IF_ERROR(r.Magic(kMagic, "checkpoints of a search"));
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kVersion, kVersion, "version").status());
  PRIVDNN_ASSIGN_OR_RETURN(std::string identity, r.String(kMaxJournalIdentity, "identity"));
  const uint64_t sum = JournalChecksum(bytes.first(r.offset()));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t stored, r.U64("checksum of the header"));
  if (stored != sum) return r.Error("checksum of the header", "does not match");
  return identity;
}

constexpr std::string_view kTwice = "an earlier record has the same candidate and images";

absl::Status ReadOutcomeRecord(ByteReader& r, JournalContent& content) {
  JournalKey key;
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t begin, r.U64("begin"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t end, r.U64("end"));
  if (begin >= end || end > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return r.Error("end", fmt::format("images {} to {}", begin, end));
  }
  key.begin = static_cast<int64_t>(begin);
  key.end = static_cast<int64_t>(end);
  PRIVDNN_ASSIGN_OR_RETURN(key.candidate, ReadCandidate(r));
  // Compared in images: their bits need not fit 64 bits.
  const uint64_t images = end - begin;
  if (images > r.remaining() * 8 || PackedBytes(2 * images, 1) != r.remaining()) {
    return r.Error("outcome", fmt::format("{} bytes for {} images", r.remaining(), images));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto packed, r.Take(r.remaining(), "outcome"));
  const int used = static_cast<int>(2 * images % 8);
  if (used != 0 && packed.back() >> used != 0) return r.Error("outcome", "surplus bits are not zero");
  if (!content.outcomes.emplace(std::move(key), Bytes(packed.begin(), packed.end())).second) {
    return r.Error("first neurons", kTwice);
  }
  return absl::OkStatus();
}

absl::Status ReadMarginRecord(ByteReader& r, JournalContent& content) {
  PRIVDNN_ASSIGN_OR_RETURN(MarginQuestion question, ReadMarginQuestion(r));
  MarginKey key{{}, question.view, std::move(question.images)};
  PRIVDNN_ASSIGN_OR_RETURN(key.candidate, ReadCandidate(r));
  PRIVDNN_ASSIGN_OR_RETURN(auto margins, ReadMargins(r, key.images.size()));
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (!content.margins.emplace(std::move(key), std::move(margins)).second) return r.Error("first neurons", kTwice);
  return absl::OkStatus();
}

absl::Status ReadBody(std::span<const uint8_t> body, const std::string& what, JournalContent& content) {
  ByteReader r(body, what);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t kind, r.U32InRange(kOutcomeRecord, kMarginRecord, "kind"));
  return kind == kOutcomeRecord ? ReadOutcomeRecord(r, content) : ReadMarginRecord(r, content);
}

// A record around its body.
Bytes Frame(const ByteWriter& body) {
  const auto size = static_cast<uint32_t>(body.size());
  ByteWriter w;
  w.U32(size);
  w.U32(SizeCheck(size));
  w.Raw(body.view());
  w.U64(JournalChecksum(body.view()));
  return std::move(w).Take();
}

}  // namespace

void WriteCandidate(const Candidate& candidate, ByteWriter& w) {
  WriteNeurons(candidate.first, w);
  WriteNeurons(candidate.second, w);
}

absl::StatusOr<Candidate> ReadCandidate(ByteReader& r) {
  Candidate candidate;
  PRIVDNN_ASSIGN_OR_RETURN(candidate.first, ReadNeurons(r, "first neurons"));
  PRIVDNN_ASSIGN_OR_RETURN(candidate.second, ReadNeurons(r, "second neurons"));
  return candidate;
}

uint64_t JournalChecksum(std::span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Bytes PackOutcome(const Outcome& outcome) {
  std::vector<uint64_t> bits(outcome.separated.begin(), outcome.separated.end());
  bits.insert(bits.end(), outcome.removed.begin(), outcome.removed.end());
  Bytes packed(PackedBytes(bits.size(), 1));
  PackBits(bits, 1, packed);
  return packed;
}

Outcome UnpackOutcome(std::span<const uint8_t> packed, int64_t images) {
  std::vector<uint64_t> bits(2 * static_cast<size_t>(images));
  // The surplus bits that the answer is about are zero, by what is asked of `packed`.
  static_cast<void>(UnpackBits(packed, 1, bits));
  const auto half = bits.begin() + images;
  return {{bits.begin(), half}, {half, bits.end()}};
}

void WriteMarginQuestion(View view, std::span<const int64_t> images, ByteWriter& w) {
  w.U32(static_cast<uint32_t>(view));
  w.U32(static_cast<uint32_t>(images.size()));
  for (const int64_t image : images) w.U32(static_cast<uint32_t>(image));
}

absl::StatusOr<MarginQuestion> ReadMarginQuestion(ByteReader& r) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t view, r.U32InRange(0, 1, "network"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, r.U32("images"));
  MarginQuestion question{static_cast<View>(view), {}};
  for (uint32_t i = 0; i < count; ++i) {  // ends with an error where the bytes end
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t image, r.U32("images"));
    question.images.push_back(image);
  }
  const absl::Status checked = CheckImageList(question.images, int64_t{1} << 32);
  if (!checked.ok()) return r.Error("images", Message(checked));
  return question;
}

void WriteMargins(std::span<const float> margins, ByteWriter& w) {
  for (const float margin : margins) w.U32(std::bit_cast<uint32_t>(margin));
}

absl::StatusOr<std::vector<float>> ReadMargins(ByteReader& r, size_t count) {
  std::vector<float> margins;
  for (size_t i = 0; i < count; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t bits, r.U32("margins"));
    margins.push_back(std::bit_cast<float>(bits));
    if (!std::isfinite(margins.back()) || margins.back() == 0) {
      return r.Error("margins", fmt::format("{} is none", margins.back()));
    }
  }
  return margins;
}

Bytes WriteJournalHeader(const std::string& identity) {
  ByteWriter w;
  w.Raw(kMagic);
  w.U32(kVersion);
  w.String(identity);
  w.U64(JournalChecksum(w.view()));
  return std::move(w).Take();
}

Bytes WriteJournalRecord(const JournalKey& key, std::span<const uint8_t> packed) {
  ByteWriter body;
  body.U32(kOutcomeRecord);
  body.U64(static_cast<uint64_t>(key.begin));
  body.U64(static_cast<uint64_t>(key.end));
  WriteCandidate(key.candidate, body);
  body.Raw(packed);
  return Frame(body);
}

Bytes WriteJournalRecord(const MarginKey& key, std::span<const float> margins) {
  ByteWriter body;
  body.U32(kMarginRecord);
  WriteMarginQuestion(key.view, key.images, body);
  WriteCandidate(key.candidate, body);
  WriteMargins(margins, body);
  return Frame(body);
}

absl::StatusOr<JournalContent> ParseJournal(std::span<const uint8_t> bytes, const std::string& what) {
  JournalContent content;
  ByteReader r(bytes, what);
  auto identity = ReadHeader(r, bytes);
  if (!identity.ok()) return absl::DataLossError(identity.status().message());
  content.identity = *std::move(identity);
  content.whole = r.offset();
  for (uint64_t record = 0; r.remaining() >= kHeadBytes; ++record) {
    const std::string name = fmt::format("{}: record {} at byte {}", what, record, r.offset());
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t size, r.U32("size"));
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t check, r.U32("checksum of the size"));
    if (check != SizeCheck(size)) return DataLoss("{}: damaged: the checksum of its size does not match", name);
    if (uint64_t{size} + kSumBytes > r.remaining()) break;
    PRIVDNN_ASSIGN_OR_RETURN(const auto body, r.Take(size, "body"));
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t sum, r.U64("checksum"));
    if (sum != JournalChecksum(body)) return DataLoss("{}: damaged: its checksum does not match", name);
    const absl::Status read = ReadBody(body, name, content);
    if (!read.ok()) return absl::DataLossError(read.message());
    content.whole = r.offset();
  }
  return content;
}

}  // namespace privdnn
