// Tests whether a trained classifier can tell from queries which of two images they hold.
//
// The game: many fresh queries of image A and as many of image B, with new randomness in each. A classifier is trained
// on half of them, with their labels, and guesses the labels of the other half. The images are public: a classifier
// that learns anything that distinguishes A from B refutes the claim that queries can be simulated.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/attack/owner_view.h"
#include "privdnn/attack/statistics.h"

namespace privdnn {

// Returns numbers that a linear classifier can work with. The streams are a' in NTT form, a' in coefficient form and
// b', modulo each prime, and the phases. A number r in [0, q) counts as x = 2r/q - 1, a phase as its fraction in [-1,
// 1). The features of each stream are:
//   - up to kSampledValues values x_k, evenly spaced: the first bits of residues, at fixed places;
//   - as many products x_k x_{k+1} of neighbours there;
//   - over the whole stream, the means of x, |x|, x^2 and x_k x_{k+1}, the share of x >= 0 (the top bit) and the share
//     of odd r.
// For each two neighbouring primes there are also the mean product of a' coefficients and that of b'.
inline constexpr size_t kSampledValues = 128;
std::vector<double> QueryFeatures(const Parameters& params, const OwnerView& view);

struct LogisticOptions {
  double l2 = 0.01;      // weight of |w|^2/2 against the mean loss of an example
  int iterations = 200;  // of accelerated gradient descent
};

// Logistic regression on standardised features: P[class B] = 1/(1 + exp(-(w x + w_0))), where w minimises
//   (1/n) sum log(1 + exp(-+(w x + w_0))) + l2/2 |w|^2
// by Nesterov's accelerated gradient method with step 1/L, L a bound on the loss's curvature. Deterministic.
class LogisticClassifier {
 public:
  // Trains on rows of equal length, at least one in each class.
  static LogisticClassifier Train(std::span<const std::vector<double>> class_a,
                                  std::span<const std::vector<double>> class_b, const LogisticOptions& options = {});
  bool IsClassB(std::span<const double> features) const;

 private:
  std::vector<double> mean_, inverse_deviation_, weights_;  // the last weight is w_0
};

// A classifier's success on examples that it had not seen.
//
// Null hypothesis: the examples of both classes have the same distribution. Then any trained classifier says "B" with
// the same probability p for each, and the number of correct answers among m + m examples is distributed as Bin(m, p) +
// Bin(m, 1-p). Above the mean, no tail of that is heavier than that of Bin(2m, 1/2) (Hoeffding, "On the distribution of
// the number of successes in independent trials", 1956), so p_value, the exact tail of the latter, is an upper bound.
struct Distinction {
  uint64_t tested = 0, correct = 0;
  double accuracy = 0;
  Interval interval95{0, 1}, interval99{0, 1};  // of the true accuracy: Clopper and Pearson's, exact
  double p_value = 1;                           // P[Bin(tested, 1/2) >= correct]
};

// Trains on the first half of each class and tests on the second. Features may be anything: those of QueryFeatures, or
// those of a broken view, which shows that the classifier can succeed. Both classes have the same number of rows, at
// least two.
Distinction Distinguish(std::span<const std::vector<double>> class_a, std::span<const std::vector<double>> class_b,
                        const LogisticOptions& options = {});

// Returns text such as "accuracy 0.5032 on 4000 queries, 95 % [0.4876, 0.5188], 99 % [0.4827, 0.5237], p = 0.347".
std::string Describe(const Distinction& distinction);

}  // namespace privdnn
