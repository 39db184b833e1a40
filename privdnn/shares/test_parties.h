// Two parties in memory, and plaintext against shares.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/ot/test_channel.h"
#include "privdnn/shares/bits.h"
#include "privdnn/shares/party.h"

namespace privdnn {

struct SharedValues {
  ShareValues of[2];
};

// Random shares modulo 2^bits.
inline SharedValues Share(std::span<const int64_t> values, int bits, RandomSource& random) {
  SharedValues shares;
  for (ShareValues& s : shares.of) s.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t mask;
    random.Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(&mask), sizeof mask));
    shares.of[0][i] = mask & LowMask(bits);
    shares.of[1][i] = (static_cast<uint32_t>(values[i]) - mask) & LowMask(bits);
  }
  return shares;
}

// In [-2^(bits - 1), 2^(bits - 1)).
inline int64_t Rebuild(uint32_t x, uint32_t y, int bits) {
  const uint32_t sum = (x + y) & LowMask(bits);
  const int64_t top = int64_t{1} << (bits - 1);
  return static_cast<int64_t>(sum) >= top ? static_cast<int64_t>(sum) - 2 * top : static_cast<int64_t>(sum);
}

// Runs `run(party, own shares)` on both sides and returns what each got, and the number of its flows without those of
// creation.
template <typename Run>
auto RunShared(const SharedValues& x, Run run, uint64_t* flows = nullptr, MemoryPipe* given = nullptr) {
  MemoryPipe own;
  MemoryPipe& pipe = given == nullptr ? own : *given;
  const Bytes context = {42};
  const auto side = [&](int id) {
    return [&, id](Channel& channel) -> decltype(run(std::declval<SharesParty&>(), x.of[0])) {
      DeterministicRandom random(5, static_cast<uint64_t>(id));
      PRIVDNN_ASSIGN_OR_RETURN(SharesParty party, SharesParty::Create(id, context, random, channel));
      return run(party, x.of[id]);
    };
  };
  auto results = RunBoth(pipe, side(0), side(1));
  if (flows != nullptr) *flows = 0;
  return results;
}

}  // namespace privdnn
