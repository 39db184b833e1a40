#include "privdnn/attack/modular_system.h"

#include <algorithm>
#include <numeric>

#include "privdnn/base/parallel.h"

namespace privdnn {
namespace {

constexpr uint64_t kP = ModularSystem::kPrime;
// Columns of a tile, rows that are subtracted and rows that they are subtracted from at a time.
constexpr size_t kTile = 512, kChunk = 64, kTargets = 32;
// Equations that are reduced together, so that a pass over the rows serves them all.
constexpr size_t kBlock = 128;

// The compiler makes one version for each of these instruction sets, and the loader chooses. What it makes of AVX-512
// is slower.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PRIVDNN_FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define PRIVDNN_FOR_EACH_PROCESSOR
#endif

// sums[j] += sum_i a[i] rows[i][j], partly reduced: sums stay below 2^35. 4 (p-1)^2 + 2^35 < 2^64. Factors have 32 bits
// where they are used, or else GCC multiplies numbers of 64.
PRIVDNN_FOR_EACH_PROCESSOR
void AddFour(uint64_t* __restrict sums, const uint32_t* __restrict a, const uint32_t* __restrict r0,
             const uint32_t* __restrict r1, const uint32_t* __restrict r2, const uint32_t* __restrict r3, size_t n) {
  const uint32_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
  for (size_t j = 0; j < n; ++j) {
    const uint64_t s =
        sums[j] + uint64_t{a0} * r0[j] + uint64_t{a1} * r1[j] + uint64_t{a2} * r2[j] + uint64_t{a3} * r3[j];
    sums[j] = (s & kP) + (s >> 31);
  }
}

// out = sums mod p.
PRIVDNN_FOR_EACH_PROCESSOR
void Finish(const uint64_t* __restrict sums, uint32_t* __restrict out, size_t n) {
  for (size_t j = 0; j < n; ++j) {
    uint64_t s = (sums[j] & kP) + (sums[j] >> 31);  // below 2^31 + 2^4
    s = s >= kP ? s - kP : s;
    out[j] = static_cast<uint32_t>(s);
  }
}

uint32_t Negate(uint32_t a) { return a == 0 ? 0 : static_cast<uint32_t>(kP - a); }

uint32_t Invert(uint32_t a) {
  uint64_t result = 1, base = a;
  for (uint64_t e = kP - 2; e > 0; e >>= 1) {
    if (e & 1) result = result * base % kP;
    base = base * base % kP;
  }
  return static_cast<uint32_t>(result);
}

// A row from which multiples of others are to be subtracted.
struct Target {
  uint32_t* row;
  const uint32_t* factors;  // one for each of these others
};

// target.row[begin, end) -= sum_i target.factors[i] rows[i][begin, end), for every target. Tiles of `kChunk` rows stay
// in the second-level cache while all targets of a task use them.
void SubtractMultiples(std::span<const Target> targets, std::span<const std::vector<uint32_t>> rows, size_t begin,
                       size_t end, int threads) {
  if (rows.empty() || targets.empty()) return;
  const size_t tiles = (end - begin + kTile - 1) / kTile;
  const size_t groups = (targets.size() + kTargets - 1) / kTargets;
  ParallelFor(tiles * groups, threads, [&](size_t task) {
    const size_t from = begin + task % tiles * kTile, n = std::min(kTile, end - from);
    const auto mine = targets.subspan(task / tiles * kTargets);
    const size_t count = std::min(kTargets, mine.size());
    std::vector<uint64_t> sums(count * n);
    for (size_t t = 0; t < count; ++t) std::copy_n(mine[t].row + from, n, sums.data() + t * n);
    const auto row = [&](size_t i) { return rows[std::min(i, rows.size() - 1)].data() + from; };  // beyond: times 0
    for (size_t chunk = 0; chunk < rows.size(); chunk += kChunk) {
      const size_t last = std::min(chunk + kChunk, rows.size());
      for (size_t t = 0; t < count; ++t) {
        for (size_t i = chunk; i < last; i += 4) {
          uint32_t a[4];
          for (size_t k = 0; k < 4; ++k) a[k] = i + k < last ? Negate(mine[t].factors[i + k]) : 0;
          AddFour(sums.data() + t * n, a, row(i), row(i + 1), row(i + 2), row(i + 3), n);
        }
      }
    }
    for (size_t t = 0; t < count; ++t) Finish(sums.data() + t * n, mine[t].row + from, n);
  });
}

}  // namespace

ModularSystem::ModularSystem(size_t unknowns, size_t right_hand_sides, int threads)
    : unknowns_(unknowns), sides_(right_hand_sides), threads_(threads), order_(unknowns), column_(unknowns) {
  std::iota(order_.begin(), order_.end(), 0U);
  std::iota(column_.begin(), column_.end(), 0U);
}

void ModularSystem::SwapColumns(size_t a, size_t b, std::span<uint32_t> more) {
  if (a == b) return;
  for (auto& row : rows_) std::swap(row[a], row[b]);
  for (size_t at = 0; at < more.size(); at += width()) std::swap(more[at + a], more[at + b]);
  std::swap(order_[a], order_[b]);
  column_[order_[a]] = static_cast<uint32_t>(a);
  column_[order_[b]] = static_cast<uint32_t>(b);
}

absl::StatusOr<std::vector<bool>> ModularSystem::Add(std::span<const uint32_t> equations) {
  std::vector<bool> independent;
  for (size_t first = 0; first < equations.size(); first += kBlock * width()) {
    PRIVDNN_RETURN_IF_ERROR(
        AddBlock(equations.subspan(first, std::min(kBlock * width(), equations.size() - first)), independent));
  }
  return independent;
}

absl::Status ModularSystem::AddBlock(std::span<const uint32_t> equations, std::vector<bool>& independent) {
  const size_t size = equations.size() / width(), before = rank_;
  std::vector<uint32_t> block(equations.begin(), equations.end());
  std::vector<Target> targets;
  // Against the rows there are.
  for (size_t i = 0; i < size; ++i) {
    uint32_t* row = block.data() + i * width();
    for (size_t c = 0; c < unknowns_; ++c) row[c] = equations[i * width() + order_[c]];
    targets.push_back({row, row});
  }
  SubtractMultiples(targets, rows_, rank_, width(), threads_);
  // Against each other, one by one.
  std::vector<std::vector<uint32_t>> fresh;
  for (size_t i = 0; i < size; ++i) {
    uint32_t* row = block.data() + i * width();
    const Target target{row, row + before};
    SubtractMultiples({&target, 1}, fresh, rank_, width(), 1);
    const auto nonzero = [](uint32_t v) { return v != 0; };
    const auto at = static_cast<size_t>(std::find_if(row + rank_, row + unknowns_, nonzero) - row);
    independent.push_back(at < unknowns_);
    if (at == unknowns_) {
      if (std::none_of(row + unknowns_, row + width(), nonzero)) continue;
      return InvalidArgument("equation {} contradicts those before it", independent.size() - 1);
    }
    SwapColumns(at, rank_, block);
    for (auto& other : fresh) std::swap(other[at], other[rank_]);
    const uint64_t scale = Invert(row[rank_]);
    for (size_t c = rank_; c < width(); ++c) row[c] = static_cast<uint32_t>(scale * row[c] % kP);
    // Those before it in the block lose this column.
    const std::vector<std::vector<uint32_t>> mine = {{row, row + width()}};
    std::vector<uint32_t> factors;
    for (const auto& other : fresh) factors.push_back(other[rank_]);
    targets.clear();
    for (size_t k = 0; k < fresh.size(); ++k) targets.push_back({fresh[k].data(), &factors[k]});
    SubtractMultiples(targets, mine, rank_, width(), 1);
    fresh.push_back(mine[0]);
    ++rank_;
  }
  // The rows there are lose the new columns.
  targets.clear();
  for (auto& row : rows_) targets.push_back({row.data(), row.data() + before});
  SubtractMultiples(targets, fresh, rank_, width(), threads_);
  rows_.insert(rows_.end(), fresh.begin(), fresh.end());
  return absl::OkStatus();
}

int64_t ModularSystem::Solution(size_t unknown, size_t side) const {
  const int64_t value = rows_[column_[unknown]][unknowns_ + side];
  return value > int64_t{kPrime / 2} ? value - kPrime : value;
}

}  // namespace privdnn
