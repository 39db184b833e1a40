// Extracts what the owner sees of a user's images, and tests whether it looks like noise.
//
// The claim under test: a query can be simulated without the image (docs/protocol.md). For each image the owner gets
//   a'   = sum_j a_j phi_j + a_pk v + g          ring-LWE under the user's fresh v, g: pseudo-random in R_Q
//   b'_f = (sum_j b_{f,j} phi_j + b_{f,pk} v)[needed coefficients] + rho_f
// with uniform rho: one-time-padded, so exactly uniform and independent of everything else. The numbers in real query
// bytes are tested against that claim: for goodness of fit in this file, with a classifier in distinguisher.h. Such
// tests prove nothing about lattices; they find masks that are missing, short, reused or misplaced.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/attack/statistics.h"
#include "privdnn/package/owner_key.h"
#include "privdnn/party/wire.h"

namespace privdnn {

// One unit of a query (an image, if its segment is neither tiled nor packs several images), with everything that the
// owner can compute from it with its keys.
struct OwnerView {
  NttPoly a;                             // a' as it was sent
  CoefficientPoly a_coefficients;        // the same polynomial
  std::vector<std::vector<uint64_t>> b;  // b': the residues [output][position] for each prime
  std::vector<Torus> phases;             // (b'_f + (a' s_f)[position])/Q, [output][position]: what is decrypted
};

// An owner that inspects queries instead of answering them.
class Observer {
 public:
  explicit Observer(OwnerKey key);

  const Parameters& parameters(size_t segment) const { return key_.segments()[segment].parameters; }
  size_t outputs(size_t segment) const { return key_.segments()[segment].header.spec.outputs(); }
  // Returns one view per unit. Returns the errors of Owner::Answer if the message isn't a query to this owner.
  absl::StatusOr<std::vector<OwnerView>> Views(std::span<const uint8_t> query) const;

 private:
  OwnerKey key_;
  std::vector<MessageLayout> layouts_;  // [segment]
};

// Pearson's chi-square statistic, sum (observed - expected)^2 / expected over kCells cells of equal probability. Under
// the null hypothesis, that the values are independent and uniform, it has the chi-square distribution with kCells - 1
// degrees of freedom if there are many values. `p` holds both tails: leaking values show in the upper one, values too
// even to be random in the lower one.
struct UniformityTest {
  static constexpr size_t kCells = 256;
  std::string name;
  uint64_t values = 0;  // values (or pairs) counted
  double statistic = 0;
  Tails p{1, 1};
};

// Collects counts over any number of views. A residue's cell is floor(256 r / q), r mod 256 ("low byte"), or 16
// floor(16 r / q) + floor(16 r' / q') for a pair (r, r'). Since q > 2^20, the cells' probabilities differ by under
// 2^-12, relatively, and by under 2^-40 for the 50-bit primes in use. The tests, each for every prime for which it
// makes sense:
//   a'              cell and low byte of each residue in NTT form; pairs of neighbours, not overlapping
//   a' coefficients the same in coefficient form
//   b'              the same over all outputs and positions
//   primes          pairs of residues of the same a' coefficient, or of the same b', modulo neighbouring primes
//   phases          cell of each phase, and neighbours
class UniformityTests {
 public:
  explicit UniformityTests(const Parameters& params);
  void Add(const OwnerView& view);
  // Returns the tests in the order above.
  std::vector<UniformityTest> Results() const;

 private:
  struct Counts {
    std::string name;
    std::array<uint64_t, UniformityTest::kCells> cells{};
  };
  // Cells, pairs and low bytes of consecutive values in [0, q).
  struct StreamCounts {
    Counts cells, pairs, low_bytes;
    explicit StreamCounts(const std::string& name);
    void Add(std::span<const uint64_t> residues, uint64_t q);
  };
  // Counts residues of the same numbers modulo primes i and i+1.
  void AddAcrossPrimes(size_t i, std::span<const uint64_t> residues, std::span<const uint64_t> next,
                       Counts& counts) const;
  std::vector<uint64_t> primes_;
  std::vector<StreamCounts> a_, a_coefficients_, b_;  // one per prime
  std::vector<Counts> a_primes_, b_primes_;           // one per pair of neighbouring primes
  Counts phase_cells_, phase_pairs_;
};

}  // namespace privdnn
