#include "privdnn/ring/residues.h"

#include <algorithm>
#include <bit>

#include "privdnn/base/bytes.h"

namespace privdnn {
namespace {

int ResidueBits(uint64_t prime) { return static_cast<int>(std::bit_width(prime)); }

}  // namespace

uint64_t PackedLimbBytes(uint64_t prime, uint64_t count) { return PackedBytes(count, ResidueBits(prime)); }

uint64_t PackedResidueBytes(std::span<const uint64_t> primes, uint64_t count) {
  uint64_t bytes = 0;
  for (const uint64_t q : primes) bytes += PackedLimbBytes(q, count);
  return bytes;
}

void PackResidues(std::span<const uint64_t> primes, std::span<const uint64_t> residues, std::span<uint8_t> out) {
  const size_t count = residues.size() / primes.size();
  for (size_t i = 0; i < primes.size(); ++i) {
    const uint64_t bytes = PackedLimbBytes(primes[i], count);
    PackBits(residues.subspan(i * count, count), ResidueBits(primes[i]), out.first(bytes));
    out = out.subspan(bytes);
  }
}

bool UnpackLimb(uint64_t prime, std::span<const uint8_t> in, std::span<uint64_t> residues) {
  const bool padded = UnpackBits(in, ResidueBits(prime), residues);
  return std::all_of(residues.begin(), residues.end(), [prime](uint64_t v) { return v < prime; }) && padded;
}

bool UnpackResidues(std::span<const uint64_t> primes, std::span<const uint8_t> in, std::span<uint64_t> residues) {
  const size_t count = residues.size() / primes.size();
  bool good = true;
  for (size_t i = 0; i < primes.size(); ++i) {
    const uint64_t bytes = PackedLimbBytes(primes[i], count);
    good &= UnpackLimb(primes[i], in.first(bytes), residues.subspan(i * count, count));
    in = in.subspan(bytes);
  }
  return good;
}

}  // namespace privdnn
