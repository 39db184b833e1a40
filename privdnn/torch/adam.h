// Adam's update (Kingma and Ba, ICLR 2015) of a tensor x. In step `step`, counted from 1:
//   x -= AdamRate(rate, step) * first_moment / AdamRoot(first_moment, second_moment, gradient, step).
// Internal to torch.
#pragma once

namespace at {
class Tensor;
}

namespace privdnn {

// Updates both moments, which start as 0, with the gradient. Returns sqrt(second moment / (1 - beta2^step)) + epsilon.
at::Tensor AdamRoot(at::Tensor& first_moment, at::Tensor& second_moment, const at::Tensor& gradient, double step);
// Returns rate / (1 - beta1^step).
double AdamRate(double rate, double step);

}  // namespace privdnn
