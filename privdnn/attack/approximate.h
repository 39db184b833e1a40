// Extracts kernels from fewer images than determine them: the most likely ones, by ridge regression.
#pragma once

#include <span>
#include <vector>

#include "privdnn/attack/extract.h"

namespace privdnn {

// Real numbers instead of the integers of ExtractedKernels.
struct ApproximateKernels {
  std::vector<std::vector<double>> sums;  // [output][unknown]
  double lambda = 0;                      // the penalty, relative to the number of unknowns
  // Returns the outputs [output][position] of an image, rounded.
  std::vector<int64_t> Outputs(const OutputPolynomial& polynomial, std::span<const int16_t> z_map) const;
};

// Fits kernels by ridge regression of outputs on monomials. Each monomial is scaled to a mean square of 1 over the
// equations; outputs are centred. The penalty is the one of kPenalties that, fitted to the first four fifths of the
// images, predicts the last fifth best; the final fit uses all images. With fewer than five images it is
// kFewImagesPenalty. The large penalties are for noisy outputs: the best is about the square of noise over signal.
inline constexpr double kPenalties[] = {1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 10};
inline constexpr double kFewImagesPenalty = 1e-5;
absl::StatusOr<ApproximateKernels> Approximate(const OutputPolynomial& polynomial,
                                               std::span<const Extractor::Image> images);

}  // namespace privdnn
