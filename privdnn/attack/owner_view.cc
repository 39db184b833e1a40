#include "privdnn/attack/owner_view.h"

#include <utility>

namespace privdnn {
namespace {

constexpr uint64_t kCells = UniformityTest::kCells;
constexpr uint64_t kSide = 16;
static_assert(kSide * kSide == kCells);

// floor(count * r / q) for r < q < 2^50 and count <= 256.
size_t Cell(uint64_t count, uint64_t r, uint64_t q) { return count * r / q; }

size_t PairCell(uint64_t r, uint64_t q, uint64_t other, uint64_t other_q) {
  return kSide * Cell(kSide, r, q) + Cell(kSide, other, other_q);
}

}  // namespace

Observer::Observer(OwnerKey key) : key_(std::move(key)) {
  for (const PreparedSegment& segment : key_.segments()) layouts_.emplace_back(segment);
}

absl::StatusOr<std::vector<OwnerView>> Observer::Views(std::span<const uint8_t> bytes) const {
  PRIVDNN_ASSIGN_OR_RETURN(const Query query, Query::Parse(bytes, key_.package_id(), layouts_));
  const size_t k = query.header().segment;
  const PreparedSegment& segment = key_.segments()[k];
  const Ring& ring = segment.parameters.ring();
  const TorusMap torus(ring);
  std::vector<OwnerView> views;
  for (uint64_t u = 0; u < query.units(); ++u) {
    OwnerView view{NttPoly(ring), CoefficientPoly(ring), std::vector<std::vector<uint64_t>>(ring.num_primes()), {}};
    PRIVDNN_RETURN_IF_ERROR(query.ReadMaskedPoly(u, view.a.all()));
    for (uint32_t f = 0; f < outputs(k); ++f) {
      const auto positions = segment.geometry.positions(segment.geometry.unit(u, query.header().images), f);
      std::vector<uint64_t> b(ring.num_primes() * positions.size());
      PRIVDNN_RETURN_IF_ERROR(query.ReadMaskedOutput(u, f, b));
      const auto phases = Phases(segment.parameters, torus, key_.secrets(k).keys[f], view.a, b, positions, {});
      view.phases.insert(view.phases.end(), phases.begin(), phases.end());
      for (size_t i = 0; i < ring.num_primes(); ++i) {
        const auto limb = std::span(b).subspan(i * positions.size(), positions.size());
        view.b[i].insert(view.b[i].end(), limb.begin(), limb.end());
      }
    }
    view.a_coefficients = ToCoefficients(ring, view.a);
    views.push_back(std::move(view));
  }
  return views;
}

UniformityTests::StreamCounts::StreamCounts(const std::string& name)
    : cells{name, {}}, pairs{name + ", neighbours", {}}, low_bytes{name + ", low byte", {}} {}

void UniformityTests::StreamCounts::Add(std::span<const uint64_t> residues, uint64_t q) {
  for (const uint64_t r : residues) {
    ++cells.cells[Cell(kCells, r, q)];
    ++low_bytes.cells[r % kCells];
  }
  for (size_t k = 0; k + 1 < residues.size(); k += 2) ++pairs.cells[PairCell(residues[k], q, residues[k + 1], q)];
}

UniformityTests::UniformityTests(const Parameters& params)
    : phase_cells_{"phases", {}}, phase_pairs_{"phases, neighbours", {}} {
  const Ring& ring = params.ring();
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    primes_.push_back(ring.modulus(i).value());
    a_.emplace_back(fmt::format("a' mod q_{}", i));
    a_coefficients_.emplace_back(fmt::format("a' coefficients mod q_{}", i));
    b_.emplace_back(fmt::format("b' mod q_{}", i));
    if (i == 0) continue;
    a_primes_.push_back({fmt::format("a' mod q_{} and q_{}", i - 1, i), {}});
    b_primes_.push_back({fmt::format("b' mod q_{} and q_{}", i - 1, i), {}});
  }
}

void UniformityTests::AddAcrossPrimes(size_t i, std::span<const uint64_t> residues, std::span<const uint64_t> next,
                                      Counts& counts) const {
  for (size_t k = 0; k < residues.size(); ++k) {
    ++counts.cells[PairCell(residues[k], primes_[i], next[k], primes_[i + 1])];
  }
}

void UniformityTests::Add(const OwnerView& view) {
  for (size_t i = 0; i < primes_.size(); ++i) {
    a_[i].Add(view.a.limb(i), primes_[i]);
    a_coefficients_[i].Add(view.a_coefficients.limb(i), primes_[i]);
    b_[i].Add(view.b[i], primes_[i]);
    if (i + 1 == primes_.size()) break;
    AddAcrossPrimes(i, view.a_coefficients.limb(i), view.a_coefficients.limb(i + 1), a_primes_[i]);
    AddAcrossPrimes(i, view.b[i], view.b[i + 1], b_primes_[i]);
  }
  // The top bits of a fraction are its cell.
  const auto top = [](Torus phase, int bits) { return static_cast<size_t>(phase >> (128 - bits)); };
  for (const Torus phase : view.phases) ++phase_cells_.cells[top(phase, 8)];
  for (size_t k = 0; k + 1 < view.phases.size(); k += 2) {
    ++phase_pairs_.cells[kSide * top(view.phases[k], 4) + top(view.phases[k + 1], 4)];
  }
}

std::vector<UniformityTest> UniformityTests::Results() const {
  std::vector<UniformityTest> results;
  const auto add = [&](const Counts& counts) {
    UniformityTest test{counts.name, 0, 0, {1, 1}};
    for (const uint64_t c : counts.cells) test.values += c;
    if (test.values > 0) {
      const double expected = static_cast<double>(test.values) / kCells;
      for (const uint64_t c : counts.cells) {
        test.statistic += (static_cast<double>(c) - expected) * (static_cast<double>(c) - expected) / expected;
      }
      test.p = ChiSquareTails(test.statistic, kCells - 1);
    }
    results.push_back(std::move(test));
  };
  for (const auto* streams : {&a_, &a_coefficients_, &b_}) {
    for (const StreamCounts& s : *streams) {
      add(s.cells);
      add(s.low_bytes);
      add(s.pairs);
    }
  }
  for (const auto* counts : {&a_primes_, &b_primes_}) {
    for (const Counts& c : *counts) add(c);
  }
  add(phase_cells_);
  add(phase_pairs_);
  return results;
}

}  // namespace privdnn
