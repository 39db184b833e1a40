#include "privdnn/attack/extract.h"

#include <algorithm>
#include <numeric>

#include "privdnn/base/parallel.h"

namespace privdnn {
namespace {

// The prime of the few unknowns that don't fit ModularSystem's: values up to 2^60 in size.
constexpr uint64_t kP = (uint64_t{1} << 61) - 1;

uint64_t Times(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  const uint64_t sum = (static_cast<uint64_t>(product) & kP) + static_cast<uint64_t>(product >> 61);
  return sum >= kP ? sum - kP : sum;
}
uint64_t Residue(int64_t value) {
  const int64_t r = value % static_cast<int64_t>(kP);
  return static_cast<uint64_t>(r < 0 ? r + static_cast<int64_t>(kP) : r);
}
uint64_t Invert(uint64_t a) {
  uint64_t result = 1;
  for (uint64_t e = kP - 2; e > 0; e >>= 1) {
    if (e & 1) result = Times(result, a);
    a = Times(a, a);
  }
  return result;
}

// A few unknowns modulo 2^61 - 1, by plain elimination, in reduced echelon form.
class SmallSystem {
 public:
  explicit SmallSystem(size_t unknowns) : rows_(unknowns) {}
  bool determined() const { return rank_ == rows_.size(); }
  void Add(std::vector<uint64_t> row) {
    for (size_t c = 0; c < rows_.size(); ++c) {
      if (row[c] != 0 && !rows_[c].empty()) Subtract(row, row[c], rows_[c]);
    }
    size_t pivot = 0;
    while (pivot < rows_.size() && row[pivot] == 0) ++pivot;
    if (pivot == rows_.size()) return;
    const uint64_t scale = Invert(row[pivot]);
    for (uint64_t& v : row) v = Times(v, scale);
    for (auto& other : rows_) {
      if (!other.empty() && other[pivot] != 0) Subtract(other, other[pivot], row);
    }
    rows_[pivot] = std::move(row);
    ++rank_;
  }
  int64_t Solution(size_t unknown, size_t side) const {
    const uint64_t value = rows_[unknown][rows_.size() + side];
    return value > kP / 2 ? -static_cast<int64_t>(kP - value) : static_cast<int64_t>(value);
  }

 private:
  static void Subtract(std::vector<uint64_t>& target, uint64_t factor, const std::vector<uint64_t>& row) {
    for (size_t c = 0; c < row.size(); ++c) {
      if (row[c] == 0) continue;
      const uint64_t less = Times(factor, row[c]);
      target[c] = target[c] >= less ? target[c] - less : target[c] + kP - less;
    }
  }
  std::vector<std::vector<uint64_t>> rows_;  // [pivot]; empty: none yet
  size_t rank_ = 0;
};

}  // namespace

std::vector<int64_t> ExtractedKernels::Outputs(const OutputPolynomial& polynomial,
                                               std::span<const int16_t> z_map) const {
  return polynomial.Outputs(z_map, sums.size(), [&](std::span<const int64_t> equation, size_t f) -> int64_t {
    return std::inner_product(equation.begin(), equation.end(), sums[f].begin(), int64_t{0});
  });
}

Extractor::Extractor(const OutputPolynomial& polynomial, int threads)
    : polynomial_(polynomial), threads_(threads), system_(polynomial.unknowns(), polynomial.outputs(), threads) {}

absl::Status Extractor::Add(std::vector<Image> images) {
  const uint64_t positions = polynomial_.positions();
  std::vector<uint32_t> equations(images.size() * positions * system_.width());
  ParallelFor(images.size() * positions, threads_, [&](size_t i) {
    const Image& image = images[i / positions];
    std::vector<int64_t> equation(system_.unknowns());
    polynomial_.Equation(image.z_map, i % positions, equation);
    uint32_t* row = equations.data() + i * system_.width();
    for (const int64_t v : equation) *row++ = ModularResidue(v);
    for (uint32_t f = 0; f < polynomial_.outputs(); ++f) {
      *row++ = ModularResidue(image.outputs[f * positions + i % positions]);
    }
  });
  size_t found = rank();
  const auto added = system_.Add(equations);
  if (!added.ok()) return Annotate(added.status(), fmt::format("after {} images", images_.size()));
  for (size_t i = 0; i < images.size(); ++i) {
    const auto first = added->begin() + static_cast<std::ptrdiff_t>(i * positions);
    found += static_cast<size_t>(std::count(first, first + static_cast<std::ptrdiff_t>(positions), true));
    images_.push_back(std::move(images[i]));
    if (found == unknowns() && needed_ == 0) needed_ = images_.size();
  }
  return absl::OkStatus();
}

void Extractor::Observe(std::vector<Image> images) {
  for (Image& image : images) images_.push_back(std::move(image));
}

absl::StatusOr<ExtractedKernels> Extractor::Solve() const {
  if (!determined()) {
    return FailedPrecondition("extraction: {} images determine {} of {} unknowns", images(), rank(), unknowns());
  }
  // Leading coefficients fit the system's prime. With them, the others are what is left of few equations.
  const size_t leading = polynomial_.leading(), rest = unknowns() - leading;
  const uint32_t outputs = polynomial_.outputs();
  ExtractedKernels kernels;
  for (uint32_t f = 0; f < outputs; ++f) {
    kernels.sums.emplace_back(unknowns());
    for (size_t u = 0; u < leading; ++u) kernels.sums[f][u] = system_.Solution(u, f);
  }
  SmallSystem small(rest);
  std::vector<int64_t> equation(unknowns());
  for (size_t i = 0; i < images_.size() && !small.determined(); ++i) {
    for (uint64_t p = 0; p < polynomial_.positions() && !small.determined(); ++p) {
      polynomial_.Equation(images_[i].z_map, p, equation);
      std::vector<uint64_t> row;
      for (size_t u = leading; u < unknowns(); ++u) row.push_back(Residue(equation[u]));
      for (uint32_t f = 0; f < outputs; ++f) {
        const auto known = std::inner_product(equation.begin(), equation.begin() + static_cast<std::ptrdiff_t>(leading),
                                              kernels.sums[f].begin(), int64_t{0});
        row.push_back(Residue(images_[i].outputs[f * polynomial_.positions() + p] - known));
      }
      small.Add(std::move(row));
    }
  }
  if (!small.determined()) return absl::InternalError("extraction: constants are not determined");
  for (uint32_t f = 0; f < outputs; ++f) {
    for (size_t u = 0; u < rest; ++u) kernels.sums[f][leading + u] = small.Solution(u, f);
  }
  return kernels;
}

}  // namespace privdnn
