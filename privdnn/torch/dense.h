// Dense linear algebra in doubles, by LibTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Rows of doubles, one after the other.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;
};

// The X, (a.columns x b.columns), that makes ||a X - b||^2 + lambda ||X||^2 least, for each lambda > 0. By a Cholesky
// decomposition of the smaller of a a^T + lambda and a^T a + lambda. InvalidArgument if sizes don't fit together, for
// values that are not finite and for a lambda so small that rounding leaves no positive definite matrix.
absl::StatusOr<std::vector<Matrix>> RidgeRegression(const Matrix& a, const Matrix& b,
                                                    const std::vector<double>& lambdas);

// The X of a X = b for a symmetric, positive definite a, of which the lower half is read; by Cholesky. InvalidArgument
// if sizes don't fit together, for values that are not finite and if a is not positive definite.
absl::StatusOr<Matrix> SolvePositive(const Matrix& a, const Matrix& b);

}  // namespace privdnn
