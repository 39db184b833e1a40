#include "privdnn/attack/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace privdnn {
namespace {

constexpr double kPrecision = 1e-15;

// x^a e^-x / Gamma(a)
double GammaDensityFactor(double a, double x) { return std::exp(a * std::log(x) - x - std::lgamma(a)); }

// P(a, x) = x^a e^-x / Gamma(a+1) * (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...), DLMF 8.11.4; converges fast for x < a.
double LowerGammaSeries(double a, double x) {
  double term = 1 / a, sum = term;
  for (int k = 1; term > sum * kPrecision; ++k) {
    term *= x / (a + k);
    sum += term;
  }
  return sum * GammaDensityFactor(a, x);
}

// Q(a, x) = x^a e^-x / Gamma(a) * 1/(x+1-a - 1(1-a)/(x+3-a - 2(2-a)/(x+5-a - ...)))      (DLMF 8.9.2, even part), by
// the modified Lentz method; converges fast for x > a.
double UpperGammaFraction(double a, double x) {
  constexpr double kTiny = 1e-300;  // stands for a denominator of zero
  const auto nonzero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double b = x + 1 - a;
  double c = 1 / kTiny, d = 1 / nonzero(b), product = d;
  for (int k = 1; k < 100000; ++k) {
    const double numerator = -k * (k - a);
    b += 2;
    d = 1 / nonzero(b + numerator * d);
    c = nonzero(b + numerator / c);
    product *= c * d;
    if (std::abs(c * d - 1) < kPrecision) break;
  }
  return product * GammaDensityFactor(a, x);
}

double LogBinomialProbability(uint64_t k, uint64_t n, double p) {
  const auto x = static_cast<double>(k), m = static_cast<double>(n);
  return std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) + x * std::log(p) + (m - x) * std::log1p(-p);
}

// Least p in [0, 1] with tail(p) >= target, for an increasing tail.
template <typename Tail>
double Invert(const Tail& tail, double target) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (tail(middle) < target ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Tails ChiSquareTails(double statistic, double degrees) {
  const double a = degrees / 2, x = statistic / 2;
  if (x <= 0) return {0, 1};
  if (x < a + 1) {
    const double lower = LowerGammaSeries(a, x);
    return {lower, 1 - lower};
  }
  const double upper = UpperGammaFraction(a, x);
  return {1 - upper, upper};
}

double BinomialUpperTail(uint64_t successes, uint64_t trials, double p) {
  if (successes == 0) return 1;
  if (successes > trials) return 0;
  // Sums outwards from the edge that lies towards the mean, so that terms fall and none that counts underflows.
  const bool above = static_cast<double>(successes) > p * static_cast<double>(trials);
  double sum = 0;
  if (above) {
    double term = std::exp(LogBinomialProbability(successes, trials, p));
    for (uint64_t k = successes; k <= trials && term > sum * kPrecision; ++k) {
      sum += term;
      term *= static_cast<double>(trials - k) / static_cast<double>(k + 1) * (p / (1 - p));
    }
    return std::min(sum, 1.0);
  }
  double term = std::exp(LogBinomialProbability(successes - 1, trials, p));
  for (uint64_t k = successes - 1; term > sum * kPrecision; --k) {
    sum += term;
    if (k == 0) break;
    term *= static_cast<double>(k) / static_cast<double>(trials - k + 1) * ((1 - p) / p);
  }
  return std::max(1 - sum, 0.0);
}

Interval ClopperPearson(uint64_t successes, uint64_t trials, double confidence) {
  const double tail = (1 - confidence) / 2;
  Interval interval{0, 1};
  if (successes > 0) {
    interval.low = Invert([&](double p) { return BinomialUpperTail(successes, trials, p); }, tail);
  }
  if (successes < trials) {
    // P[X <= successes] = tail is P[X >= successes + 1] = 1 - tail.
    interval.high = Invert([&](double p) { return BinomialUpperTail(successes + 1, trials, p); }, 1 - tail);
  }
  return interval;
}

double StudentQuantile(double confidence, int degrees) {
  // With t = sqrt(degrees) tan(angle) the density is proportional to cos(angle)^(degrees - 1): smooth, and bounded.
  const auto integral = [&](double angle) {  // Simpson's rule
    constexpr int kSteps = 2000;
    double sum = 0;
    for (int k = 0; k <= kSteps; ++k) {
      const double weight = k == 0 || k == kSteps ? 1 : 2 + 2 * (k % 2);
      sum += weight * std::pow(std::cos(angle * k / kSteps), degrees - 1);
    }
    return sum * angle / (3 * kSteps);
  };
  constexpr double kRightAngle = std::numbers::pi / 2;
  const double whole = integral(kRightAngle);
  const double share = Invert([&](double x) { return integral(x * kRightAngle) / whole; }, confidence);
  return std::sqrt(degrees) * std::tan(share * kRightAngle);
}

MeanInterval StudentInterval(std::span<const double> values, double confidence) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double v : values) mean += v / count;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double error = std::sqrt(squares / (count - 1) / count);
  const double half = StudentQuantile(confidence, static_cast<int>(values.size()) - 1) * error;
  return {mean, {mean - half, mean + half}};
}

}  // namespace privdnn
