// Solves linear equations modulo a prime as they arrive: says which are new, when they determine everything, and the
// solution.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Equations in `unknowns` variables with several right-hand sides, modulo p = 2^31 - 1. Held in reduced echelon form,
// [I | X | R], where the first rank() columns, in an order of their own, are pivots. Exact: an equation counts as
// dependent exactly if it is dependent modulo p. One that is independent over the integers is dependent modulo p with a
// chance of about 1/p.
class ModularSystem {
 public:
  static constexpr uint32_t kPrime = 0x7fffffff;

  ModularSystem(size_t unknowns, size_t right_hand_sides, int threads);

  size_t unknowns() const { return unknowns_; }
  size_t width() const { return unknowns_ + sides_; }
  size_t rank() const { return rank_; }
  bool determined() const { return rank_ == unknowns_; }

  // Adds equations of width() residues each: coefficients, then right-hand sides. Returns for each whether it is
  // independent of those before it. Fails with InvalidArgument if one contradicts them, that is, if its coefficients
  // depend on theirs and its right-hand sides don't; the system must not be used after that.
  absl::StatusOr<std::vector<bool>> Add(std::span<const uint32_t> equations);
  // Returns the value of an unknown, centred, |value| <= p/2. Call it only if determined().
  int64_t Solution(size_t unknown, size_t side) const;

 private:
  absl::Status AddBlock(std::span<const uint32_t> equations, std::vector<bool>& independent);
  void SwapColumns(size_t a, size_t b, std::span<uint32_t> more);
  size_t unknowns_, sides_, rank_ = 0;
  int threads_;
  std::vector<uint32_t> order_;   // [column]: its unknown
  std::vector<uint32_t> column_;  // [unknown]: its column
  std::vector<std::vector<uint32_t>> rows_;
};

inline uint32_t ModularResidue(int64_t value) {
  const int64_t r = value % int64_t{ModularSystem::kPrime};
  return static_cast<uint32_t>(r < 0 ? r + ModularSystem::kPrime : r);
}

}  // namespace privdnn
