#include "privdnn/torch/adam.h"

#include <ATen/ATen.h>

#include <cmath>

namespace privdnn {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

}  // namespace

at::Tensor AdamRoot(at::Tensor& first_moment, at::Tensor& second_moment, const at::Tensor& gradient, double step) {
  first_moment.mul_(kBeta1).add_(gradient, 1 - kBeta1);
  second_moment.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  return (second_moment / (1 - std::pow(kBeta2, step))).sqrt_().add_(kEpsilon);
}

double AdamRate(double rate, double step) { return rate / (1 - std::pow(kBeta1, step)); }

}  // namespace privdnn
