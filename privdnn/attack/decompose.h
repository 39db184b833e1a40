// From lifted kernels back to the two layers behind them.
//
// A quadratic segment's coefficients of products are A_f[ij,t] = (2 -) sum_c r_{f,c,t} w_c[i] w_c[j], known as far as
// windows of neighbouring taps don't overlap, and else as sums. The span of the squares comes first, then the squares
// in it (square_span.h), also where the first layer has more neurons than a window has places; from there on, least
// squares over all coefficients. Kernels are rounded to integers, so that what is found is approximate.
#pragma once

#include <vector>

#include "privdnn/attack/extract.h"
#include "privdnn/base/progress.h"

namespace privdnn {

// Up to what no output can tell: the order of the first layer's neurons, their signs, and a scale a neuron that moves
// between the layers.
struct Layers {
  std::vector<std::vector<double>> first;   // [neuron][place of the window], each of length 1
  std::vector<std::vector<double>> second;  // [output][neuron*taps + tap], in units of the output's integers
  // Root mean square of what remains of the products' coefficients, relative to theirs; beside the missing neurons'
  // part, as far as so many free squares can stand for it.
  double residual = 0;
  double rounding = 0;  // what it would be of the true layers, fitted: kernels are rounded to integers
  size_t missing = 0;   // neurons that were not found
};

// `known`: those of the first layer's `neurons` that are not encrypted, [neuron][place], in any scale; they come first
// in the result, those without weights as zeros. Neurons that aren't found, as those that contribute nothing never are,
// are not in the result. FailedPrecondition, with the numbers, if none is found or the method doesn't reach: it needs a
// quadratic segment with at most max(K, (K-1) K / 2) neurons in the first layer for windows of K places, at most as
// many of them unknown as there are outputs times taps, more equations than a matrix of that rank has freedom, and
// linear systems of at most kMostUnknowns. InvalidArgument if rounding leaves no linear system that can be solved.
// Cancelled if `progress` (iterations) says so.
absl::StatusOr<Layers> Decompose(const OutputPolynomial& polynomial, const ExtractedKernels& kernels,
                                 const std::vector<std::vector<double>>& known, size_t neurons,
                                 const ProgressFn& progress);

// How far layers are from the true ones, [neuron][place] and [output][neuron*taps + tap]: for each true neuron, matched
// in turn with the nearest one left, the sine of the angle between the weights, and between what all outputs make of
// it; 1 and 1 if none is left.
struct LayerErrors {
  std::vector<double> first, second;
};
LayerErrors CompareLayers(const Layers& found, const std::vector<std::vector<double>>& first,
                          const std::vector<std::vector<double>>& second);

}  // namespace privdnn
