// Computes in the clear what a sealed program computes on shares, roundings included: for its owner, before anything is
// encrypted.
#pragma once

#include <span>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/sealed/evaluate.h"
#include "privdnn/sealed/program.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

// Integers of a value, [image][channel][row][column], centred modulo 2^bits.
using ClearValues = std::vector<int64_t>;

struct SealedSimulation {
  SealedAnswer answer;              // labels also where scores are revealed
  std::vector<ClearValues> values;  // of each step
  // Values that lay beyond what their bits hold and wrapped around, by step: results are wrong where that happens.
  std::vector<uint64_t> overflows;
};

// What a step makes of the values before it, exactly, as integers before low bits are dropped: sums of a linear step or
// of a square, the value itself of others. `segments` are the encrypted layers' integers, in the package's order.
ClearValues ExactStep(const SealedProgram& program, size_t at, std::span<const QuantizedSegment> segments,
                      const FrontOutputs& front, std::span<const ClearValues> values, uint32_t images);

// Simulates `images` images. `random` draws the shares of which low bits are dropped: each drop gives floor(x / 2^s) or
// one less, as both parties' shares would. Encrypted layers give exact sums, from which those of the parties differ by
// at most 1.
SealedSimulation SimulateSealed(const SealedProgram& program, std::span<const QuantizedSegment> segments,
                                const FrontOutputs& front, uint32_t images, RandomSource& random);

// value modulo 2^bits, in [-2^(bits-1), 2^(bits-1)).
constexpr int64_t Centre(int64_t value, int bits) {
  const int unused = 64 - bits;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << unused) >> unused;
}

}  // namespace privdnn
