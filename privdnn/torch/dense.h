// Dense linear algebra in doubles, using LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// A matrix as rows of doubles, one after the other.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
};

// Returns the X, (a.columns x b.columns), that minimises ||a X - b||^2 + lambda ||X||^2, for each lambda > 0. Uses a
// Cholesky decomposition of the smaller of a a^T + lambda and a^T a + lambda. Fails with InvalidArgument if sizes don't
// fit together, if values are not finite, or if a lambda is so small that rounding leaves the matrix not positive
// definite.
absl::StatusOr<std::vector<Matrix>> RidgeRegression(const Matrix& a, const Matrix& b,
                                                    const std::vector<double>& lambdas);

// Solves a X = b for a symmetric, positive definite a by Cholesky decomposition; reads the lower half of a. Fails with
// InvalidArgument if sizes don't fit together, values are not finite, or a is not positive definite.
absl::StatusOr<Matrix> SolvePositive(const Matrix& a, const Matrix& b);

// Computes the convolution of `maps` [channel][height][width] with `kernels` [output][channel][kernel height][kernel
// width], without padding: [output][height'][width']. Sums of integers are exact if no partial sum exceeds 2^53. Fails
// with InvalidArgument if sizes don't fit together, with Internal for an exception of LibTorch.
struct DenseConvolutionView {
  std::array<int64_t, 4> shape;  // outputs, channels, kernel height, kernel width
  std::array<int64_t, 2> strides;
  std::span<const double> kernels;
};
absl::StatusOr<std::vector<double>> Convolve(const DenseConvolutionView& convolution, std::span<const double> maps,
                                             std::array<int64_t, 2> sides);

}  // namespace privdnn
