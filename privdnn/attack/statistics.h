// Tails of the distributions that the module's tests refer to.
#pragma once

#include <cstdint>
#include <span>

namespace privdnn {

struct Tails {
  double lower, upper;  // P[X <= x], P[X >= x]
};

// Tails of the chi-square distribution with `degrees` > 0 degrees of freedom at `statistic` >= 0: the regularised
// incomplete gamma functions P and Q of (degrees/2, statistic/2). Each tail is computed or is one minus the other,
// whichever is accurate, to a relative error of about 1e-12 for the smaller one.
Tails ChiSquareTails(double statistic, double degrees);

// P[X >= successes] for X binomial with `trials` trials of probability p, 0 < p < 1.
double BinomialUpperTail(uint64_t successes, uint64_t trials, double p);

struct Interval {
  double low, high;
  bool Contains(double x) const { return low <= x && x <= high; }
};

// The exact confidence interval of a binomial probability (Clopper and Pearson, Biometrika 26, 1934): it holds the true
// one with at least the given confidence, in (0, 1), for every number of trials >= 1.
Interval ClopperPearson(uint64_t successes, uint64_t trials, double confidence);

// The t > 0 with P[|T| <= t] = confidence, in (0, 1), for Student's distribution with `degrees` >= 1 degrees of
// freedom; to a relative error of about 1e-9 up to 1,000 degrees.
double StudentQuantile(double confidence, int degrees);

struct MeanInterval {
  double mean;
  Interval interval;
};
// The mean of at least two independent values and Student's interval of the mean that they are drawn around: exact for
// normal values, near it for the mean of others.
MeanInterval StudentInterval(std::span<const double> values, double confidence);

}  // namespace privdnn
