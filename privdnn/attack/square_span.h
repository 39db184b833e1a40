// The squares of a first layer's neurons from extracted kernels, for layers with more neurons than a window has places.
//
// Kernels are A_f[pair, t] = sum_c r_{f,c,t} m_c[pair] with m_c the coefficients of neuron c's square: a matrix with a
// row for every output f and tap t, of rank C only, of which the equations give sums over taps of single entries.
// FindSpan does this matrix completion, which gives the span of all m_c. The squares of linear forms in a space of
// quadratic forms of dimension C are generically no others than the m_c as long as C is at most about (K-1) K / 2, and
// can be found by search: Kileel and Pereira, "Subspace power method for symmetric tensor decomposition and generalized
// PCA" (2019). The search here is Levenberg-Marquardt in place of a power method.
#pragma once

#include "privdnn/attack/product_equations.h"
#include "privdnn/base/progress.h"

namespace privdnn {

// An orthonormal basis, [neuron][pair], of the span of `known`, [neuron][pair], and of `unknown` other squares: by
// alternating least squares for either factor of the matrix, from `start`, [unknown][pair], or if that is empty from
// random numbers. In all no more squares than pairs. FailedPrecondition if they are too many for one linear system
// (CheckSystem); Cancelled if `progress` (iterations) says so.
absl::StatusOr<std::vector<double>> FindSpan(const ProductEquations& equations, std::span<const double> known,
                                             size_t unknown, std::span<const double> start, const ProgressFn& progress);
// Orthonormal rows, [count][pair], that together with `squares`, [neuron][pair], span most of a span.
std::vector<double> Remainder(std::span<const double> span, size_t pairs, std::span<const double> squares,
                              size_t count);

// Up to `count` neurons, [neuron][place] of length 1, with squares in a span, [dimension][pair] orthonormal, other than
// the neurons `known`, [neuron][place], from fixed pseudo-random starts. A square is in the span if what is outside is
// no longer than 0.3 of it; where no square is, those count that are about as near as the nearest. Fewer if no more are
// found. Cancelled if `progress` (neurons) says so.
absl::StatusOr<std::vector<double>> FindSquares(std::span<const double> span, size_t window,
                                                std::span<const double> known, size_t count,
                                                const ProgressFn& progress);

}  // namespace privdnn
