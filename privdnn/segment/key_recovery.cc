#include "privdnn/segment/key_recovery.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

#include "privdnn/ring/sampling.h"

namespace privdnn {
namespace {

const double kTernaryEntropy = std::log2(3.0);
constexpr double kTernaryVariance = 2.0 / 3;

double OperationBits(const ReductionCost& cost, double per_block) {
  if (cost.block_size == 0) return 0;
  return per_block * cost.block_size + 16.4 + std::log2(8 * static_cast<double>(cost.dimension));
}

double ChensLimit(double b) {
  using std::numbers::e, std::numbers::pi;
  return std::pow(std::pow(pi * b, 1 / b) * b / (2 * pi * e), 1 / (2 * (b - 1)));
}

// Probability that a normal number is below x deviations.
double NormalBelow(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// Of the output group whose positions come first by `compare`.
template <typename Compare>
uint64_t Positions(const Geometry& geometry, const Compare& compare) {
  uint64_t best = geometry.spec().groups[0].positions();
  for (const OutputGroup& group : geometry.spec().groups) {
    if (compare(group.positions(), best)) best = group.positions();
  }
  return best;
}

uint64_t ImagesByPacking(const Geometry& geometry, int plain_bits) {
  const auto digits = static_cast<uint64_t>((plain_bits - 1) / kTernaryEntropy);
  const uint64_t per_image = Positions(geometry, std::less<>()) * std::max<uint64_t>(digits, 1);
  return (geometry.n() + per_image - 1) / per_image;
}

// The fewest images for which `holds`, which then holds for more, too; at most `limit`, for which it does.
template <typename Holds>
uint64_t Fewest(uint64_t limit, const Holds& holds) {
  uint64_t below = 0;
  while (below < limit) {
    const uint64_t middle = below + (limit - below) / 2;
    if (holds(middle)) {
      limit = middle;
    } else {
      below = middle + 1;
    }
  }
  return limit;
}

}  // namespace

double ReductionCost::ClassicalBits() const { return OperationBits(*this, 0.292); }
double ReductionCost::QuantumBits() const { return OperationBits(*this, 0.265); }

double RootHermiteFactor(uint32_t block_size) {
  constexpr double kLimitFrom = 50;
  // Measured for small blocks, as in Albrecht's lattice estimator (Albrecht, Player, Scott, ePrint 2015/046).
  static constexpr std::array<std::pair<double, double>, 8> kMeasured = {{{2, 1.02190},
                                                                          {5, 1.01862},
                                                                          {10, 1.01616},
                                                                          {15, 1.01485},
                                                                          {20, 1.01420},
                                                                          {25, 1.01342},
                                                                          {28, 1.01331},
                                                                          {40, 1.01295}}};
  const double b = block_size;
  if (b >= kLimitFrom) return ChensLimit(b);
  std::pair<double, double> to = {kLimitFrom, ChensLimit(kLimitFrom)};
  for (auto from = kMeasured.rbegin(); from != kMeasured.rend(); to = *from++) {
    if (b >= from->first) {
      return from->second + (to.second - from->second) * (b - from->first) / (to.first - from->first);
    }
  }
  return kMeasured[0].second;
}

ReductionCost PrimalAttack(const LweInstance& lwe) {
  if (lwe.n == 0) return {};
  const auto n = static_cast<double>(lwe.n);
  const double log_scale = std::log2(lwe.error_deviation / lwe.secret_deviation);
  const double most = n + static_cast<double>(lwe.samples) + 1;
  for (uint32_t b = 2; b < most; ++b) {
    const double log_delta = std::log2(RootHermiteFactor(b));
    // log2 of the right side is log_q + (2b-1) log_delta - loss/d - d log_delta, largest where the last two are equal.
    const double loss = (n + 1) * lwe.log_q - n * log_scale;
    const double least = std::max<double>(n + 1, b);
    const double d = std::clamp(std::round(std::sqrt(std::max(loss, 0.0) / log_delta)), least, most);
    const double right = lwe.log_q + (2.0 * b - 1) * log_delta - loss / d - d * log_delta;
    if (std::log2(lwe.error_deviation) + 0.5 * std::log2(b) <= right) return {b, static_cast<uint64_t>(d)};
  }
  return {static_cast<uint32_t>(most), static_cast<uint64_t>(most)};
}

double ReplyInformation(int plain_bits) {
  // In units of the reply. Rounding tells most of a value in the middle of a step.
  const double deviation = std::exp2(kReplyGuardBits) * kDrowningSigma;
  double entropy = 0;
  for (int step = -16; step <= 16; ++step) {
    const double p = NormalBelow((step + 0.5) / deviation) - NormalBelow((step - 0.5) / deviation);
    if (p > 0) entropy -= p * std::log2(p);
  }
  return plain_bits + kReplyGuardBits - entropy;
}

ReductionCost KeyCostAfter(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images) {
  const double an_image = static_cast<double>(Positions(geometry, std::greater<>())) *
                          ReplyInformation(parameters.plain_bits) / kTernaryEntropy;
  const auto n = static_cast<double>(parameters.n);
  const double known = std::min(n, std::floor(static_cast<double>(images) * an_image));
  return PrimalAttack({.n = static_cast<uint64_t>(n - known),
                       .samples = parameters.n,
                       .log_q = LogQ(parameters.primes),
                       .secret_deviation = std::sqrt(kTernaryVariance),
                       .error_deviation = std::sqrt(kBinomialVariance)});
}

KeyRecovery CountKeyRecovery(const Geometry& geometry, const ParameterSpec& parameters) {
  const auto cost = [&](uint64_t images) { return KeyCostAfter(geometry, parameters, images); };
  const uint64_t all = ImagesByPacking(geometry, parameters.plain_bits);
  const uint64_t feasible = Fewest(all, [&](uint64_t i) { return cost(i).ClassicalBits() <= kFeasibleBits; });
  const uint64_t unsafe = Fewest(feasible, [&](uint64_t i) { return cost(i).QuantumBits() < kSafeBits; });
  return {.images_by_packing = all,
          .images_by_lattice = feasible,
          .cost = cost(feasible),
          .safe_images = unsafe > 0 ? unsafe - 1 : 0};
}

}  // namespace privdnn
