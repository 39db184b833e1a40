// Goes back from lifted kernels to the two layers behind them.
//
// A quadratic segment's coefficients of products are A_f[ij,t] = (2 -) sum_c r_{f,c,t} w_c[i] w_c[j]. They are known
// individually where windows of neighbouring taps don't overlap, and otherwise as sums. The method first finds the span
// of the squares, then the squares in it (square_span.h); this also works if the first layer has more neurons than a
// window has places. The rest is least squares over all coefficients. The result is approximate, since kernels are
// rounded to integers.
#pragma once

#include <vector>

#include "privdnn/attack/extract.h"
#include "privdnn/base/progress.h"

namespace privdnn {

// The two layers, up to what no output reveals: the order and signs of the first layer's neurons, and one scale per
// neuron that moves between the layers.
struct Layers {
  std::vector<std::vector<double>> first;   // [neuron][place of the window], each of length 1
  std::vector<std::vector<double>> second;  // [output][neuron*taps + tap], in units of the output's integers
  // Root mean square of what remains of the products' coefficients, relative to theirs. Excludes the missing neurons'
  // part, as far as that many free squares can represent it.
  double residual = 0;
  double rounding = 0;  // what it would be for the true layers, since kernels are rounded to integers
  size_t missing = 0;   // neurons that were not found
};

// `known` holds those of the first layer's `neurons` that are not encrypted, [neuron][place], in any scale. They come
// first in the result; those without weights come as zeros. Neurons that aren't found are not in the result; those that
// contribute nothing never are. Fails with FailedPrecondition, giving the numbers, if no neuron is found or the method
// doesn't apply. It needs a quadratic segment with at most max(K, (K-1) K / 2) neurons in the first layer for windows
// of K places, at most as many unknown neurons as there are outputs times taps, more equations than a matrix of that
// rank has degrees of freedom, and linear systems of at most kMostUnknowns. Fails with InvalidArgument if rounding
// leaves no linear system that can be solved, and with Cancelled if `progress` (iterations) returns false.
absl::StatusOr<Layers> Decompose(const OutputPolynomial& polynomial, const ExtractedKernels& kernels,
                                 const std::vector<std::vector<double>>& known, size_t neurons,
                                 const ProgressFn& progress);

// The distance of layers from the true ones, [neuron][place] and [output][neuron*taps + tap]. Each true neuron in turn
// is matched with the nearest one left. The errors are the sine of the angle between their weights, and that between
// the contributions of the two neurons to all outputs; 1 and 1 if none is left.
struct LayerErrors {
  std::vector<double> first, second;
};
LayerErrors CompareLayers(const Layers& found, const std::vector<std::vector<double>>& first,
                          const std::vector<std::vector<double>>& second);

}  // namespace privdnn
