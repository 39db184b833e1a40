#include "privdnn/torch/train_state.h"

#include <algorithm>
#include <cstring>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

constexpr std::string_view kMagic = "PDNNTRN1";
constexpr uint32_t kMaxEpochs = 1'000'000;

std::span<const uint8_t> FloatBytes(const std::vector<float>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}

absl::Status ReadFloats(ByteReader& reader, int64_t count, std::string_view field, std::vector<float>& out) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto bytes, reader.Take(static_cast<uint64_t>(count) * sizeof(float), field));
  out.resize(static_cast<size_t>(count));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status ReadFields(ByteReader& reader, const std::vector<int64_t>& sizes, TrainState& state) {
  PRIVDNN_ASSIGN_OR_RETURN(state.step, reader.U64("step"));
  PRIVDNN_ASSIGN_OR_RETURN(state.loss_sum, reader.F64("loss sum"));
  PRIVDNN_ASSIGN_OR_RETURN(state.best_accuracy, reader.F64("best accuracy"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t epochs, reader.U32InRange(0, kMaxEpochs, "epochs"));
  for (uint32_t i = 0; i < epochs; ++i) {
    EpochReport report{};
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t epoch, reader.U32InRange(1, kMaxEpochs, "epoch"));
    report.epoch = static_cast<int>(epoch);
    PRIVDNN_ASSIGN_OR_RETURN(report.train_loss, reader.F64("loss"));
    PRIVDNN_ASSIGN_OR_RETURN(report.validation_accuracy, reader.F64("accuracy"));
    state.epochs.push_back(report);
  }
  for (const int64_t size : sizes) {
    TrainState::Parameter& p = state.parameters.emplace_back();
    PRIVDNN_RETURN_IF_ERROR(ReadFloats(reader, size, "value", p.value));
    PRIVDNN_RETURN_IF_ERROR(ReadFloats(reader, size, "first moment", p.first_moment));
    PRIVDNN_RETURN_IF_ERROR(ReadFloats(reader, size, "second moment", p.second_moment));
    PRIVDNN_RETURN_IF_ERROR(ReadFloats(reader, size, "average", p.average));
    PRIVDNN_RETURN_IF_ERROR(ReadFloats(reader, size, "best", p.best));
  }
  return reader.Finish();
}

}  // namespace

Bytes WriteTrainState(const TrainState& state, const Fingerprint& fingerprint) {
  ByteWriter writer;
  writer.Raw(kMagic);
  writer.Raw(fingerprint);
  writer.U64(state.step);
  writer.F64(state.loss_sum);
  writer.F64(state.best_accuracy);
  writer.U32(static_cast<uint32_t>(state.epochs.size()));
  for (const EpochReport& report : state.epochs) {
    writer.U32(static_cast<uint32_t>(report.epoch));
    writer.F64(report.train_loss);
    writer.F64(report.validation_accuracy);
  }
  for (const TrainState::Parameter& p : state.parameters) {
    for (const auto* values : {&p.value, &p.first_moment, &p.second_moment, &p.average, &p.best}) {
      writer.Raw(FloatBytes(*values));
    }
  }
  const auto digest = Sha256(writer.view());
  writer.Raw(digest);
  return std::move(writer).Take();
}

absl::StatusOr<TrainState> ReadTrainState(std::span<const uint8_t> bytes, const std::string& what,
                                          const Fingerprint& fingerprint, const std::vector<int64_t>& sizes) {
  constexpr size_t kDigestBytes = 32;
  if (bytes.size() < kMagic.size() + fingerprint.size() + kDigestBytes) {
    return InvalidArgument("{}: {} bytes are too few for a training state", what, bytes.size());
  }
  const auto body = bytes.first(bytes.size() - kDigestBytes);
  ByteReader reader(body, what);
  PRIVDNN_RETURN_IF_ERROR(reader.Magic(kMagic, "states of training"));
  const auto digest = Sha256(body);
  if (!std::equal(digest.begin(), digest.end(), bytes.last(kDigestBytes).begin())) {
    return InvalidArgument("{}: damaged: its checksum does not match", what);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto found, reader.Take(fingerprint.size(), "fingerprint"));
  if (!std::equal(fingerprint.begin(), fingerprint.end(), found.begin())) {
    return FailedPrecondition("{}: belongs to a training with another graph, data set or options", what);
  }
  TrainState state;
  PRIVDNN_RETURN_IF_ERROR(ReadFields(reader, sizes, state));
  return state;
}

}  // namespace privdnn
