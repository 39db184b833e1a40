// Dense linear algebra in doubles, using LibTorch.
#pragma once

#include <cstdint>
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

}  // namespace privdnn
