#include "privdnn/attack/distinguisher.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace privdnn {
namespace {

double Dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Appends a stream's features but for the parity: values in [-1, 1].
void AppendStream(std::span<const double> x, std::vector<double>& features) {
  const size_t sampled = std::min(x.size(), kSampledValues);
  for (size_t s = 0; s < sampled; ++s) {
    const size_t k = s * x.size() / sampled;
    features.push_back(x[k]);
    features.push_back(x[k] * x[(k + 1) % x.size()]);
  }
  double sum = 0, magnitudes = 0, products = 0, positive = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    sum += x[k];
    magnitudes += std::abs(x[k]);
    products += x[k] * x[(k + 1) % x.size()];
    positive += x[k] >= 0 ? 1 : 0;
  }
  const auto n = static_cast<double>(x.size());
  for (const double total : {sum, magnitudes, Dot(x, x), products, positive}) features.push_back(total / n);
}

std::vector<double> Scaled(std::span<const uint64_t> residues, uint64_t q) {
  std::vector<double> x;
  x.reserve(residues.size());
  for (const uint64_t r : residues) x.push_back(2 * static_cast<double>(r) / static_cast<double>(q) - 1);
  return x;
}

// Streams of one polynomial (or of b'), modulo each prime; limb(i) gives the residues.
template <typename Limb>
void AppendResidues(const Ring& ring, const Limb& limb, bool across_primes, std::vector<double>& features) {
  std::vector<double> previous;
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const std::span<const uint64_t> residues = limb(i);
    std::vector<double> x = Scaled(residues, ring.modulus(i).value());
    AppendStream(x, features);
    const auto odd = std::count_if(residues.begin(), residues.end(), [](uint64_t r) { return r % 2 == 1; });
    features.push_back(static_cast<double>(odd) / static_cast<double>(x.size()));
    if (across_primes && i > 0) features.push_back(Dot(previous, x) / static_cast<double>(x.size()));
    previous = std::move(x);
  }
}

// Standardised examples with a final column of ones.
using Rows = std::vector<std::vector<double>>;

// Largest eigenvalue of (1/n) X^T X, from below, by power iteration.
double LargestEigenvalue(const Rows& rows) {
  std::vector<double> v(rows[0].size(), 1 / std::sqrt(static_cast<double>(rows[0].size())));
  double value = 0;
  for (int i = 0; i < 30; ++i) {
    std::vector<double> next(v.size(), 0);
    for (const auto& row : rows) {
      const double projection = Dot(row, v) / static_cast<double>(rows.size());
      for (size_t k = 0; k < v.size(); ++k) next[k] += projection * row[k];
    }
    value = std::sqrt(Dot(next, next));
    if (value == 0) break;
    for (size_t k = 0; k < v.size(); ++k) v[k] = next[k] / value;
  }
  return value;
}

}  // namespace

std::vector<double> QueryFeatures(const Parameters& params, const OwnerView& view) {
  const Ring& ring = params.ring();
  std::vector<double> features;
  AppendResidues(
      ring, [&](size_t i) { return view.a.limb(i); }, false, features);
  AppendResidues(
      ring, [&](size_t i) { return view.a_coefficients.limb(i); }, true, features);
  AppendResidues(
      ring, [&](size_t i) { return std::span<const uint64_t>(view.b[i]); }, true, features);
  std::vector<double> phases;
  for (const Torus phase : view.phases) {
    phases.push_back(static_cast<double>(static_cast<int64_t>(static_cast<uint64_t>(phase >> 64))) * 0x1p-63);
  }
  AppendStream(phases, features);
  return features;
}

LogisticClassifier LogisticClassifier::Train(std::span<const std::vector<double>> class_a,
                                             std::span<const std::vector<double>> class_b,
                                             const LogisticOptions& options) {
  assert(!class_a.empty() && !class_b.empty());
  Rows rows(class_a.begin(), class_a.end());
  rows.insert(rows.end(), class_b.begin(), class_b.end());
  const size_t size = rows[0].size();
  const auto n = static_cast<double>(rows.size());

  LogisticClassifier c;
  c.mean_.assign(size, 0);
  c.inverse_deviation_.assign(size, 0);
  for (const auto& row : rows) {
    for (size_t k = 0; k < size; ++k) c.mean_[k] += row[k] / n;
  }
  for (const auto& row : rows) {
    for (size_t k = 0; k < size; ++k) c.inverse_deviation_[k] += (row[k] - c.mean_[k]) * (row[k] - c.mean_[k]) / n;
  }
  // A feature that never changes says nothing; rounding must not make it seem to.
  for (double& d : c.inverse_deviation_) d = d > 1e-24 ? 1 / std::sqrt(d) : 0;
  for (auto& row : rows) {
    for (size_t k = 0; k < size; ++k) row[k] = (row[k] - c.mean_[k]) * c.inverse_deviation_[k];
    row.push_back(1);
  }

  // The logistic function's slope is at most 1/4. The eigenvalue is an estimate from below, hence the margin.
  const double step = 1 / (0.25 * 1.1 * LargestEigenvalue(rows) + options.l2);
  std::vector<double> w(size + 1, 0), ahead = w, previous = w, gradient(size + 1);
  for (int t = 0; t < options.iterations; ++t) {
    for (size_t k = 0; k <= size; ++k) gradient[k] = options.l2 * ahead[k];
    for (size_t i = 0; i < rows.size(); ++i) {
      const double target = i < class_a.size() ? 0 : 1;
      const double residual = (1 / (1 + std::exp(-Dot(rows[i], ahead))) - target) / n;
      for (size_t k = 0; k <= size; ++k) gradient[k] += residual * rows[i][k];
    }
    const double momentum = static_cast<double>(t) / (t + 3);
    for (size_t k = 0; k <= size; ++k) {
      previous[k] = w[k];
      w[k] = ahead[k] - step * gradient[k];
      ahead[k] = w[k] + momentum * (w[k] - previous[k]);
    }
  }
  c.weights_ = std::move(w);
  return c;
}

bool LogisticClassifier::IsClassB(std::span<const double> features) const {
  assert(features.size() + 1 == weights_.size());
  double score = weights_.back();
  for (size_t k = 0; k < features.size(); ++k) {
    score += weights_[k] * (features[k] - mean_[k]) * inverse_deviation_[k];
  }
  return score > 0;
}

Distinction Distinguish(std::span<const std::vector<double>> class_a, std::span<const std::vector<double>> class_b,
                        const LogisticOptions& options) {
  assert(class_a.size() >= 2 && class_a.size() == class_b.size());
  const size_t half = class_a.size() / 2;
  const auto classifier = LogisticClassifier::Train(class_a.first(half), class_b.first(half), options);
  Distinction d;
  for (const auto& row : class_a.subspan(half)) d.correct += classifier.IsClassB(row) ? 0 : 1;
  for (const auto& row : class_b.subspan(half)) d.correct += classifier.IsClassB(row) ? 1 : 0;
  d.tested = 2 * (class_a.size() - half);
  d.accuracy = static_cast<double>(d.correct) / static_cast<double>(d.tested);
  d.interval95 = ClopperPearson(d.correct, d.tested, 0.95);
  d.interval99 = ClopperPearson(d.correct, d.tested, 0.99);
  d.p_value = BinomialUpperTail(d.correct, d.tested, 0.5);
  return d;
}

std::string Describe(const Distinction& d) {
  return fmt::format("accuracy {:.4f} on {} queries, 95 % [{:.4f}, {:.4f}], 99 % [{:.4f}, {:.4f}], p = {:.3g}",
                     d.accuracy, d.tested, d.interval95.low, d.interval95.high, d.interval99.low, d.interval99.high,
                     d.p_value);
}

}  // namespace privdnn
