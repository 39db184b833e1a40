// What the owner sees of a user's images, and whether it looks like noise.
//
// The claim under test: a query can be simulated without the image (docs/protocol.md). Of each image the owner gets
//   a'   = sum_j a_j phi_j + a_pk v + g          ring-LWE under the user's fresh v, g: pseudo-random in R_Q
//   b'_f = (sum_j b_{f,j} phi_j + b_{f,pk} v)[needed coefficients] + rho_f
// with rho uniform: one-time-padded, so exactly uniform and independent of everything else. Here the numbers in real
// query bytes are held against that claim: by goodness of fit in this file, by a classifier in distinguisher.h. Such
// tests prove nothing about lattices; they find masks that are missing, short, reused or misplaced.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/attack/statistics.h"
#include "privdnn/package/package.h"

namespace privdnn {

// One unit of a query (an image, if its segment is neither tiled nor packed with several), with all that the owner can
// compute from it with its keys.
struct OwnerView {
  NttPoly a;                             // a' as it was sent
  CoefficientPoly a_coefficients;        // the same polynomial
  std::vector<std::vector<uint64_t>> b;  // b': for each prime the residues [output][position]
  std::vector<Torus> phases;             // (b'_f + (a' s_f)[position])/Q, [output][position]: what is decrypted
};

// An owner that looks at queries rather than answering them.
class Observer {
 public:
  static absl::StatusOr<Observer> Create(OwnerKey key);

  const Parameters& parameters(size_t segment) const { return segments_[segment].parameters; }
  size_t outputs(size_t segment) const { return segments_[segment].header.spec.outputs(); }
  // One view a unit; the errors of Owner::Answer for a message that isn't a query to this owner.
  absl::StatusOr<std::vector<OwnerView>> Views(std::span<const uint8_t> query) const;

 private:
  Observer(OwnerKey key, std::vector<PreparedSegment> segments)
      : key_(std::move(key)), segments_(std::move(segments)) {}
  OwnerKey key_;
  std::vector<PreparedSegment> segments_;
};

// Pearson's chi-square statistic sum (observed - expected)^2 / expected over kCells cells of equal probability. Under
// the null hypothesis - the values are independent and uniform - it has, for many values, the chi-square distribution
// with kCells - 1 degrees of freedom. `p` holds both tails: leaking values sit in the upper one, values too even to be
// random in the lower one.
struct UniformityTest {
  static constexpr size_t kCells = 256;
  std::string name;
  uint64_t values = 0;  // values (or pairs) counted
  double statistic = 0;
  Tails p{1, 1};
};

// Collects counts over any number of views. A residue's cell is floor(256 r / q), r mod 256 ("low byte"), or
// 16 floor(16 r / q) + floor(16 r' / q') for a pair (r, r'); since q > 2^20, cells differ in probability by under
// 2^-12 of themselves, and by under 2^-40 for the 50-bit primes in use. Tests, each for every prime modulo which it
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
  // In the order above.
  std::vector<UniformityTest> Results() const;

 private:
  struct Counts {
    std::string name;
    std::array<uint64_t, UniformityTest::kCells> cells{};
  };
  // cells, pairs and low bytes of consecutive values in [0, q).
  struct StreamCounts {
    Counts cells, pairs, low_bytes;
    explicit StreamCounts(const std::string& name);
    void Add(std::span<const uint64_t> residues, uint64_t q);
  };
  // Residues modulo primes i and i+1 of the same numbers.
  void AddAcrossPrimes(size_t i, std::span<const uint64_t> residues, std::span<const uint64_t> next,
                       Counts& counts) const;
  std::vector<uint64_t> primes_;
  std::vector<StreamCounts> a_, a_coefficients_, b_;  // one a prime
  std::vector<Counts> a_primes_, b_primes_;           // one for each two neighbouring primes
  Counts phase_cells_, phase_pairs_;
};

}  // namespace privdnn
