// Finds the squares of a first layer's neurons from extracted kernels, for layers with more neurons than a window has
// places.
//
// Kernels are A_f[pair, t] = sum_c r_{f,c,t} m_c[pair], where m_c holds the coefficients of neuron c's square. This is
// a matrix with one row per output f and tap t, and its rank is only C. The equations give sums over taps of single
// entries. FindSpan completes this matrix and so gives the span of all m_c. If C is at most about (K-1) K / 2, a space
// of quadratic forms of dimension C generically contains no squares of linear forms but the m_c, and a search can find
// them: Kileel and Pereira, "Subspace power method for symmetric tensor decomposition and generalized PCA" (2019). The
// search here uses Levenberg-Marquardt instead of a power method.
#pragma once

#include "privdnn/attack/product_equations.h"
#include "privdnn/base/progress.h"

namespace privdnn {

// Returns an orthonormal basis, [neuron][pair], of the span of `known`, [neuron][pair], and of `unknown` other squares.
// Alternates least squares for the two factors of the matrix, from `start`, [unknown][pair], or from random numbers if
// that is empty. There must be no more squares than pairs in total. Fails with FailedPrecondition if there are too many
// for one linear system (CheckSystem), and with Cancelled if `progress` (iterations) returns false.
absl::StatusOr<std::vector<double>> FindSpan(const ProductEquations& equations, std::span<const double> known,
                                             size_t unknown, std::span<const double> start, const ProgressFn& progress);
// Returns orthonormal rows, [count][pair], that together with `squares`, [neuron][pair], cover as much of the span as
// possible.
std::vector<double> Remainder(std::span<const double> span, size_t pairs, std::span<const double> squares,
                              size_t count);

// Returns up to `count` neurons, [neuron][place] of length 1, whose squares lie in a span, [dimension][pair]
// orthonormal, other than the neurons `known`, [neuron][place]. Searches from fixed pseudo-random starts; returns fewer
// if no more are found. A square counts as in the span if the part outside is at most 0.3 of its length; if there is
// none, those about as near as the nearest count. Fails with Cancelled if `progress` (neurons) returns false.
absl::StatusOr<std::vector<double>> FindSquares(std::span<const double> span, size_t window,
                                                std::span<const double> known, size_t count,
                                                const ProgressFn& progress);

}  // namespace privdnn
