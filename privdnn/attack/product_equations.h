// The equations that extracted kernels give for the products of two inputs: linear equations between the squares of a
// first layer's neurons and the second layer's weights for them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/attack/extract.h"
#include "privdnn/torch/dense.h"

namespace privdnn {

// Returns the number of coefficients of a square. A first layer's neuron w has the square <w, z>^2. Its coefficients,
// those of z_i z_j for i <= j < K, i slow, are w_i w_j or, for i < j, twice that. K is the window's size.
inline size_t Pairs(size_t window) { return window * (window + 1) / 2; }
// Adds the coefficients of w's square to the end of `squares`.
void AppendSquare(std::span<const double> w, std::vector<double>& squares);
double Length(std::span<const double> v);

// The most unknowns of a linear system that is solved at once: its matrix takes 512 MiB.
inline constexpr size_t kMostUnknowns = 8192;
// Fails with FailedPrecondition, naming the system, if it has more.
absl::Status CheckSystem(size_t unknowns, const std::string& name);

// Equation u holds for every output f:
//   sum over its terms of factor * (the coefficient of `pair` in tap `tap` of f's kernel) = values[u][f].
// The equations are as simple as possible: where several sums over taps of one product are known, as at the border of a
// padded second layer, they are reduced to single taps as far as possible.
struct ProductEquations {
  struct Term {
    uint32_t tap, pair;
    double factor;
  };
  size_t window = 0, taps = 0, outputs = 0;
  std::vector<std::pair<uint32_t, uint32_t>> places;  // [pair]: i, j
  std::vector<std::vector<Term>> terms;               // [equation]
  std::vector<double> values;                         // [equation][output]
  double square = 0;                                  // sum of the values' squares
  double rounding = 0;                                // expected sum of their errors' squares, as kernels are rounded

  size_t size() const { return terms.size(); }
  size_t pairs() const { return places.size(); }
};
// Makes the equations from `kernels` of a quadratic segment, in units of its outputs' integers.
ProductEquations MakeEquations(const OutputPolynomial& polynomial, const ExtractedKernels& kernels);

// The second layer that fits a first one: the weights with which `squares`, [neuron][pair], come nearest to the
// equations.
struct SecondLayer {
  Matrix weights;            // (neurons*taps) x outputs
  std::vector<double> left;  // [equation][output]: what remains
  double error = 0;          // the sum of the squares of `left`
};
// Fails with InvalidArgument if squares or equations are not finite, or all squares are 0.
absl::StatusOr<SecondLayer> SolveSecond(const ProductEquations& equations, std::span<const double> squares);

// Returns inner products, over outputs, of the weights of `neurons` neurons from number `first` on:
// [tap][tap][neuron][neuron].
std::vector<double> WeightProducts(const ProductEquations& equations, const SecondLayer& second, size_t first,
                                   size_t neurons);

}  // namespace privdnn
