#include "privdnn/torch/invert.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numbers>
#include <random>

#include "privdnn/base/random.h"
#include "privdnn/torch/adam.h"
#include "privdnn/torch/program.h"

namespace privdnn {
namespace {

// The least |t_c|^2 that a channel is measured by, as a share of the mean over channels.
constexpr double kLeastEnergy = 1e-3;
// Noise that the search starts from: uniform from 0 to this.
constexpr float kStartNoise = 0.5f;
constexpr double kTiny = 1e-12;

absl::Status Check(const Graph& graph, const std::vector<Tensor>& targets, const InvertOptions& o) {
  if (graph.inputs.size() != 1 || graph.inputs[0].shape.size() != 4) {
    return InvalidArgument("inversion: graph '{}' must have one input of images (N, C, H, W)", graph.name);
  }
  if (o.steps < 1 || !(o.learning_rate > 0) || !(o.total_variation >= 0) || !(o.l2 >= 0)) {
    return InvalidArgument(
        "inversion: {} steps at rate {} with priors {} and {}: needs 1 step or more, a positive rate, no negative "
        "prior",
        o.steps, o.learning_rate, o.total_variation, o.l2);
  }
  const std::vector<int64_t> image(graph.inputs[0].shape.begin() + 1, graph.inputs[0].shape.end());
  for (const Tensor* prior : {&o.pixel_mean, &o.pixel_deviation}) {
    const bool deviation = prior == &o.pixel_deviation;
    if (prior->values.empty()) continue;
    const auto bad = [&](float v) { return !std::isfinite(v) || (deviation && !(v > 0)); };
    const bool fits = prior->shape == image && ElementCount(image).value_or(0) == prior->size();
    if (!fits || std::any_of(prior->values.begin(), prior->values.end(), bad)) {
      return InvalidArgument("inversion: the pixels' {} must be finite{} numbers of shape ({})",
                             deviation ? "deviation" : "mean", deviation ? ", positive" : "", fmt::join(image, ", "));
    }
  }
  if (targets.empty() || targets.size() != graph.outputs.size()) {
    return InvalidArgument("inversion: {} targets for the {} outputs of graph '{}'", targets.size(),
                           graph.outputs.size(), graph.name);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Shapes shapes, InferShapes(graph));
  for (size_t i = 0; i < targets.size(); ++i) {
    const std::vector<int64_t>& needed = shapes.at(graph.outputs[i].name);
    const Tensor& t = targets[i];
    const bool fits = needed.size() >= 2 && t.shape.size() == needed.size() && t.dim(0) >= 1 &&
                      t.dim(0) == targets[0].dim(0) &&
                      std::equal(t.shape.begin() + 1, t.shape.end(), needed.begin() + 1);
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(t.shape));
    if (!fits || count != t.size()) {
      return InvalidArgument("inversion: target {} has shape ({}) and {} values, output '{}' gives ({}) an image", i,
                             fmt::join(t.shape, ", "), t.size(), graph.outputs[i].name, fmt::join(needed, ", "));
    }
    for (const float v : t.values) {
      if (!std::isfinite(v)) return InvalidArgument("inversion: target {} has a value that is not finite", i);
    }
  }
  return absl::OkStatus();
}

// (N, C, ...) as (N, C, values of a channel).
at::Tensor ByChannel(const at::Tensor& x) { return x.reshape({x.size(0), x.size(1), -1}); }

// The sum over images of the mean over channels of d(f_c, t_c).
at::Tensor Distance(const at::Tensor& features, const at::Tensor& target, bool unknown_scales) {
  const at::Tensor f = ByChannel(features), t = ByChannel(target);
  const at::Tensor energy = t.square().sum(2);  // (N, C)
  if (unknown_scales) {
    const at::Tensor norms = (f.square().sum(2) + kTiny).sqrt() * (energy + kTiny).sqrt();
    return (1 - (f * t).sum(2) / norms).mean(1).sum();
  }
  const at::Tensor least = energy.mean(1, true) * kLeastEnergy + kTiny;
  return ((f - t).square().sum(2) / (f.square().sum(2) + at::maximum(energy, least))).mean(1).sum();
}

// Sums over images of the priors. A root of a square with a little added has a gradient at 0.
at::Tensor Priors(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& deviation, const InvertOptions& o) {
  const auto smooth_mean = [&](const at::Tensor& difference) {
    if (difference.numel() == 0) return at::zeros({}, x.options());
    return (difference.square() + 1e-6).sqrt().mean({1, 2, 3}).sum();
  };
  const int64_t h = x.size(2), w = x.size(3);
  const at::Tensor rows = smooth_mean(x.slice(2, 1, h) - x.slice(2, 0, h - 1));
  const at::Tensor columns = smooth_mean(x.slice(3, 1, w) - x.slice(3, 0, w - 1));
  return (rows + columns) * o.total_variation + ((x - mean) / deviation).square().mean({1, 2, 3}).sum() * o.l2;
}

// The same noise for each of `count` images of this shape.
Tensor Start(int64_t count, const std::vector<int64_t>& image_shape, uint64_t seed) {
  Tensor x = Tensor::Zeros(image_shape);
  std::mt19937_64 engine(seed);
  for (float& v : x.values) v = kStartNoise * UnitUniform<float>(engine());
  const std::vector<float> one = x.values;
  for (int64_t i = 1; i < count; ++i) x.values.insert(x.values.end(), one.begin(), one.end());
  x.shape[0] = count;
  return x;
}

absl::StatusOr<Tensor> Search(const Program& program, const Graph& graph, const std::vector<Tensor>& given,
                              const InvertOptions& options, const ProgressFn& progress) {
  std::vector<at::Tensor> parameters, targets;
  for (const auto& [name, tensor] : graph.initializers) parameters.push_back(ToTorch(tensor));
  for (const Tensor& t : given) targets.push_back(ToTorch(t));
  std::vector<int64_t> shape = graph.inputs[0].shape;
  shape[0] = 1;
  at::Tensor x = ToTorch(Start(given[0].dim(0), shape, options.seed));
  const auto prior = [](const Tensor& given_prior, double otherwise) {
    return given_prior.values.empty() ? at::full({1}, otherwise, at::kFloat) : ToTorch(given_prior);
  };
  const at::Tensor mean = prior(options.pixel_mean, 0), deviation = prior(options.pixel_deviation, 1);
  at::Tensor first_moment = at::zeros_like(x), second_moment = at::zeros_like(x);
  for (int step = 1; step <= options.steps; ++step) {
    const at::Tensor leaf = x.detach().requires_grad_();
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, program.Run(parameters, {leaf}));
    at::Tensor loss = Priors(leaf, mean, deviation, options);
    for (size_t i = 0; i < targets.size(); ++i) {
      loss = loss + Distance(outputs[i], targets[i], options.unknown_scales) / static_cast<double>(targets.size());
    }
    const double value = loss.item<double>();
    if (!std::isfinite(value)) return FailedPrecondition("inversion: the loss of step {} is {}", step, value);
    loss.backward();
    const at::Tensor gradient = leaf.grad();
    const at::NoGradGuard no_grad;
    const double rate = options.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * (step - 1) / options.steps));
    const at::Tensor root = AdamRoot(first_moment, second_moment, gradient, step);
    x.addcdiv_(first_moment, root, -AdamRate(rate, step)).clamp_(0, 1);
    const std::string note = fmt::format("loss {:.4f}", value / static_cast<double>(x.size(0)));
    if (!Proceeds(progress, static_cast<uint64_t>(step), static_cast<uint64_t>(options.steps), note)) {
      return absl::CancelledError(fmt::format("inversion stopped after {} of {} steps", step, options.steps));
    }
  }
  return FromTorch(x);
}

}  // namespace

absl::StatusOr<Tensor> Invert(const Graph& graph, const std::vector<Tensor>& targets, const InvertOptions& options,
                              const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(Check(graph, targets, options));
  PRIVDNN_ASSIGN_OR_RETURN(const Program program, Program::Compile(graph));
  try {
    return Search(program, graph, targets, options, progress);
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("inversion: {}", e.what()));
  }
}

}  // namespace privdnn
