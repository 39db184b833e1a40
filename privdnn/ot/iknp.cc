#include <algorithm>
#include <array>
#include <optional>

#include "privdnn/ot/base_ot.h"
#include "privdnn/ot/cot.h"
#include "privdnn/ot/iknp_check.h"
#include "privdnn/ot/prg.h"
#include "privdnn/ot/transpose.h"

namespace privdnn {
namespace {

constexpr size_t kBits = 128;    // of Delta
constexpr size_t kColumns = 64;  // blocks of a row in a chunk: 8,192 transfers, 128 KiB of rows
constexpr std::string_view kStep = "IKNP extension";

// Rows of a chunk, the last block of each a mask of the check.
struct Rows {
  explicit Rows(size_t row_blocks) : blocks(row_blocks), bits(kBits * row_blocks) {}
  std::span<Block> row(size_t i) { return bits.RevealMutable().subspan(i * blocks, blocks); }
  size_t blocks;
  Secret<Block> bits;
};

std::span<const uint8_t> BytesOf(std::span<const Block> blocks) {
  return {reinterpret_cast<const uint8_t*>(blocks.data()), blocks.size_bytes()};
}

// Column j of the rows becomes out[j]; `out` may end in the middle of a block of columns.
void Columns(Rows& rows, std::span<Block> out) {
  Secret<Block> square(kBits);
  const auto tile = square.RevealMutable().first<kBits>();
  for (size_t c = 0; c * kBits < out.size(); ++c) {
    for (size_t i = 0; i < kBits; ++i) tile[i] = rows.row(i)[c];
    Transpose128(tile);
    const size_t n = std::min(kBits, out.size() - c * kBits);
    std::copy_n(tile.begin(), n, out.begin() + static_cast<std::ptrdiff_t>(c * kBits));
  }
}

// For one call after another: how its transfers are cut into chunks, and their number among all.
class Chunks {
 public:
  static size_t RowBlocks(size_t count) { return (count + kBits - 1) / kBits + 1; }
  // Of a chunk's message: rows u_i, R(r), all R(t_i).
  static uint64_t MessageBytes(size_t count) { return sizeof(Block) * (kBits * RowBlocks(count) + 1 + kBits); }
  template <typename Do>
  absl::Status ForEach(std::span<Block> out, Do&& chunk) {
    for (size_t start = 0; start < out.size(); start += kColumns * kBits) {
      PRIVDNN_RETURN_IF_ERROR(chunk(out.subspan(start, std::min(kColumns * kBits, out.size() - start)), number_++));
    }
    return absl::OkStatus();
  }

 private:
  uint64_t number_ = 0;
};

class IknpReceiver final : public CotSource {
 public:
  IknpReceiver(const OtOptions& options, const Secret<std::array<Block, 2>>& seeds, RandomSource& random)
      : kernels_(*options.kernels), context_(options.context.begin(), options.context.end()), random_(random.Fork()) {
    for (const auto& pair : seeds.Reveal()) {
      for (const Block& seed : pair) prgs_.emplace_back(kernels_, seed);
    }
  }
  OtRole role() const override { return OtRole::kReceiver; }
  const Block& delta() const override { return none_; }

  absl::Status Make(std::span<Block> out, Channel& channel) override {
    Bytes message;
    PRIVDNN_RETURN_IF_ERROR(chunks_.ForEach(out, [&](std::span<Block> part, uint64_t number) {
      Extend(part, number, message);
      return absl::OkStatus();
    }));
    return channel.Exchange(kStep, message, 0).status();
  }

 private:
  void Extend(std::span<Block> out, uint64_t number, Bytes& message) {
    const size_t blocks = Chunks::RowBlocks(out.size()), start = message.size();
    Rows rows(blocks);
    Secret<Block> choices(blocks), other(blocks);
    const auto r = choices.RevealMutable(), second = other.RevealMutable();
    random_->Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(r.data()), r.size_bytes()));
    for (size_t i = 0; i < kBits; ++i) {
      prgs_[2 * i].Fill(rows.row(i));
      prgs_[2 * i + 1].Fill(second);
      for (size_t c = 0; c < blocks; ++c) second[c] ^= rows.row(i)[c] ^ r[c];
      const auto bytes = BytesOf(second);
      message.insert(message.end(), bytes.begin(), bytes.end());
    }
    const RowHash hash(kernels_, context_, number, std::span<const uint8_t>(message).subspan(start), blocks);
    const auto append = [&](const Block& block) {
      const auto bytes = BytesOf({&block, 1});
      message.insert(message.end(), bytes.begin(), bytes.end());
    };
    append(hash(r));
    for (size_t i = 0; i < kBits; ++i) append(hash(rows.row(i)));
    std::ranges::copy(r, rows.row(0).begin());  // the low bit
    Columns(rows, out);
  }

  const OtKernels& kernels_;
  const Bytes context_;
  std::unique_ptr<RandomSource> random_;
  std::vector<Prg> prgs_;  // two for each bit of Delta
  Chunks chunks_;
  const Block none_;
};

class IknpSender final : public CotSource {
 public:
  IknpSender(const OtOptions& options, const Block& delta, const Secret<Block>& seeds)
      : kernels_(*options.kernels), context_(options.context.begin(), options.context.end()), delta_(1) {
    delta_.RevealMutable()[0] = delta;
    for (const Block& seed : seeds.Reveal()) prgs_.emplace_back(kernels_, seed);
  }
  OtRole role() const override { return OtRole::kSender; }
  const Block& delta() const override { return delta_.Reveal()[0]; }

  absl::Status Make(std::span<Block> out, Channel& channel) override {
    uint64_t size = 0;
    for (size_t left = out.size(); left > 0;) {
      const size_t n = std::min(left, kColumns * kBits);
      size += Chunks::MessageBytes(n);
      left -= n;
    }
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes message, channel.Exchange(kStep, {}, size));
    std::span<const uint8_t> rest = message;
    return chunks_.ForEach(out, [&](std::span<Block> part, uint64_t number) {
      const auto own = rest.first(Chunks::MessageBytes(part.size()));
      rest = rest.subspan(own.size());
      return Extend(part, number, own);
    });
  }

 private:
  absl::Status Extend(std::span<Block> out, uint64_t number, std::span<const uint8_t> message) {
    const size_t blocks = Chunks::RowBlocks(out.size());
    std::vector<Block> received(message.size() / sizeof(Block));
    std::copy(message.begin(), message.end(), reinterpret_cast<uint8_t*>(received.data()));
    const std::span<const Block> u = received;
    const RowHash hash(kernels_, context_, number, message.first(kBits * blocks * sizeof(Block)), blocks);
    const Block hashed_choices = u[kBits * blocks];
    Rows rows(blocks);
    Block wrong;  // gathered over all rows: which one is wrong tells a bit of Delta
    for (size_t i = 0; i < kBits; ++i) {
      const auto row = rows.row(i);
      prgs_[i].Fill(row);
      const Block mask = MaskOf(Bit(i));
      for (size_t c = 0; c < blocks; ++c) row[c] ^= u[i * blocks + c] & mask;
      const Block difference = hash(row) ^ u[kBits * blocks + 1 + i] ^ (hashed_choices & mask);
      wrong.low |= difference.low;
      wrong.high |= difference.high;
    }
    if (wrong != Block{}) {
      return absl::PermissionDeniedError(
          fmt::format("{}: the receiver's rows are not consistent; it deviates from the protocol", kStep));
    }
    std::ranges::fill(rows.row(0), Block{});  // the low bit
    Columns(rows, out);
    return absl::OkStatus();
  }

  uint64_t Bit(size_t i) const { return ((i < 64 ? delta().low : delta().high) >> (i % 64)) & 1; }

  const OtKernels& kernels_;
  const Bytes context_;
  Secret<Block> delta_;
  std::vector<Prg> prgs_;
  Chunks chunks_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CotSource>> MakeIknp(OtRole role, const OtOptions& options, RandomSource& random,
                                                    Channel& channel) {
  if (role == OtRole::kReceiver) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto seeds, SendBaseOts(kBits, options.context, random, channel));
    return std::make_unique<IknpReceiver>(options, seeds, random);
  }
  Secret<Block> delta(1);
  Block& bits = delta.RevealMutable()[0];
  random.Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(&bits), sizeof bits));
  bits.low |= 1;
  Secret<uint8_t> choices(kBits);
  for (size_t i = 0; i < kBits; ++i) {
    choices.RevealMutable()[i] = static_cast<uint8_t>(((i < 64 ? bits.low : bits.high) >> (i % 64)) & 1);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto seeds, ReceiveBaseOts(choices, options.context, random, channel));
  return std::make_unique<IknpSender>(options, bits, seeds);
}

}  // namespace privdnn
