// Extraction from fewer images than determine the kernels: the likeliest ones by ridge regression.
#pragma once

#include <span>
#include <vector>

#include "privdnn/attack/extract.h"

namespace privdnn {

// Real numbers in place of ExtractedKernels' integers.
struct ApproximateKernels {
  std::vector<std::vector<double>> sums;  // [output][unknown]
  double lambda = 0;                      // the penalty, as a share of the number of unknowns
  // Outputs [output][position] of an image, rounded.
  std::vector<int64_t> Outputs(const OutputPolynomial& polynomial, std::span<const int16_t> z_map) const;
};

// Ridge regression of outputs on monomials, each scaled to a mean square of 1 over the equations and outputs centred.
// The penalty is the one of kPenalties that predicts the last fifth of the images best from the others; the fit is then
// to all. With fewer than five images it is kFewImagesPenalty. The large ones are for outputs with noise: the best is
// about the square of noise over signal.
inline constexpr double kPenalties[] = {1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 10};
inline constexpr double kFewImagesPenalty = 1e-5;
absl::StatusOr<ApproximateKernels> Approximate(const OutputPolynomial& polynomial,
                                               std::span<const Extractor::Image> images);

}  // namespace privdnn
