// Tails and intervals of the distributions that the tests of this module use.
#pragma once

#include <cstdint>
#include <span>

namespace privdnn {

struct Tails {
  double lower, upper;  // P[X <= x], P[X >= x]
};

// Returns the tails of the chi-square distribution with `degrees` > 0 degrees of freedom at `statistic` >= 0: the
// regularised incomplete gamma functions P and Q of (degrees/2, statistic/2). Computes each tail directly or as one
// minus the other, whichever is more accurate. The relative error of the smaller one is about 1e-12.
Tails ChiSquareTails(double statistic, double degrees);

// Returns P[X >= successes] for X binomial with `trials` trials of probability p, 0 < p < 1.
double BinomialUpperTail(uint64_t successes, uint64_t trials, double p);

struct Interval {
  double low, high;
  bool Contains(double x) const { return low <= x && x <= high; }
};

// Returns the exact confidence interval of a binomial probability (Clopper and Pearson, Biometrika 26, 1934). It
// contains the true probability with at least the given confidence, in (0, 1), for every number of trials >= 1.
Interval ClopperPearson(uint64_t successes, uint64_t trials, double confidence);

// Returns the t > 0 with P[|T| <= t] = confidence, in (0, 1), for Student's distribution with `degrees` >= 1 degrees of
// freedom. The relative error is about 1e-9 up to 1,000 degrees.
double StudentQuantile(double confidence, int degrees);

struct MeanInterval {
  double mean;
  Interval interval;
};
// Returns the mean of at least two independent values, and Student's confidence interval for the mean of their
// distribution: exact for normal values, approximate for others.
MeanInterval StudentInterval(std::span<const double> values, double confidence);

}  // namespace privdnn
