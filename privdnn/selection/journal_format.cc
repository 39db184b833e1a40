#include "privdnn/selection/journal_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace privdnn {
namespace {

// What a record is about.
constexpr uint32_t kOutcomeRecord = 0, kMarginRecord = 1;
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

Bytes WriteJournalHeader(const std::string& identity) { return WriteRecordHeader(kJournalFormat, identity); }

Bytes WriteJournalRecord(const JournalKey& key, std::span<const uint8_t> packed) {
  ByteWriter body;
  body.U32(kOutcomeRecord);
  body.U64(static_cast<uint64_t>(key.begin));
  body.U64(static_cast<uint64_t>(key.end));
  WriteCandidate(key.candidate, body);
  body.Raw(packed);
  return WriteRecord(body.view());
}

Bytes WriteJournalRecord(const MarginKey& key, std::span<const float> margins) {
  ByteWriter body;
  body.U32(kMarginRecord);
  WriteMarginQuestion(key.view, key.images, body);
  WriteCandidate(key.candidate, body);
  WriteMargins(margins, body);
  return WriteRecord(body.view());
}

absl::Status ReadJournalRecord(std::span<const uint8_t> body, const std::string& what, JournalContent& content) {
  ByteReader r(body, what);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t kind, r.U32InRange(kOutcomeRecord, kMarginRecord, "kind"));
  return kind == kOutcomeRecord ? ReadOutcomeRecord(r, content) : ReadMarginRecord(r, content);
}

absl::StatusOr<JournalContent> ParseJournal(std::span<const uint8_t> bytes, const std::string& what) {
  JournalContent content;
  PRIVDNN_ASSIGN_OR_RETURN(RecordHeader header, ParseRecordHeader(bytes, kJournalFormat, what));
  content.identity = std::move(header.identity);
  PRIVDNN_ASSIGN_OR_RETURN(content.whole, ParseRecords(bytes, header.bytes, what, [&](auto body, const auto& name) {
                             return ReadJournalRecord(body, name, content);
                           }));
  return content;
}

}  // namespace privdnn
