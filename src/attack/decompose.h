// From lifted kernels back to the two layers behind them.
//
// A quadratic segment's coefficients of products are A_f[ij,t] = (2 -) sum_c r_{f,c,t} w_c[i] w_c[j]: for a tap t whose
// window has places E that no other window holds, the coefficients of (e, i), e in E, are known one by one, and the
// slices S_e[i,f] = sum_c w_c[e] w_c[i] r_{f,c,t} are diagonal in a common basis, the w_c (Jennrich's algorithm). From
// there on, least squares over all coefficients, sums over overlapping windows included. Kernels are rounded to
// integers, so that what is found is approximate.
#pragma once

#include <vector>

#include "attack/extract.h"
#include "base/progress.h"

namespace privdnn::attack {

// Up to what no output can tell: the order of the first layer's neurons, their signs, and a scale a neuron that moves
// between the layers.
struct Layers {
  std::vector<std::vector<double>> first;   // [neuron][place of the window], each of length 1
  std::vector<std::vector<double>> second;  // [output][neuron*taps + tap], in units of the output's integers
  double residual = 0;  // root mean square of what remains of the products' coefficients, relative to theirs
};

// FailedPrecondition, with the numbers, if the method doesn't reach: it needs a quadratic segment, at most as many
// neurons in the first layer as outputs and as places in a window, and a tap with two places of its own. Cancelled if
// `progress` (iterations) says so.
absl::StatusOr<Layers> Decompose(const OutputPolynomial& polynomial, const ExtractedKernels& kernels, size_t neurons,
                                 const ProgressFn& progress);

// How far layers are from the true ones, [neuron][place] and [output][neuron*taps + tap]: for each true neuron, matched
// in turn with the nearest one left, the sine of the angle between the weights, and between what all outputs make of
// it.
struct LayerErrors {
  std::vector<double> first, second;
};
LayerErrors CompareLayers(const Layers& found, const std::vector<std::vector<double>>& first,
                          const std::vector<std::vector<double>>& second);

}  // namespace privdnn::attack
