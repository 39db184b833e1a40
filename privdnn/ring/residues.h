// Packs residues into bytes: each to the bit length of its prime, prime by prime. Files and messages hold polynomials
// in this form.
#pragma once

#include <cstdint>
#include <span>

namespace privdnn {

// Returns the bytes that `count` residues of one prime take.
uint64_t PackedLimbBytes(uint64_t prime, uint64_t count);
// Returns the bytes that `count` residues of each prime take. Every prime starts on a byte.
uint64_t PackedResidueBytes(std::span<const uint64_t> primes, uint64_t count);

// Packs residues.size() / primes.size() residues of each prime, prime-major. out.size() must equal
// PackedResidueBytes().
void PackResidues(std::span<const uint64_t> primes, std::span<const uint64_t> residues, std::span<uint8_t> out);

// Unpacks the residues of one prime; in.size() must equal PackedLimbBytes(). Returns false if a residue is not below
// the prime or a padding bit is set; writes the residues even then.
[[nodiscard]] bool UnpackLimb(uint64_t prime, std::span<const uint8_t> in, std::span<uint64_t> residues);
// The same for every prime, as PackResidues wrote them.
[[nodiscard]] bool UnpackResidues(std::span<const uint64_t> primes, std::span<const uint8_t> in,
                                  std::span<uint64_t> residues);

}  // namespace privdnn
