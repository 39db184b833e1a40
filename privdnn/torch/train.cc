#include "privdnn/torch/train.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <exception>
#include <numbers>
#include <optional>

#include "privdnn/base/file.h"
#include "privdnn/torch/adam.h"
#include "privdnn/torch/batches.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"
#include "privdnn/torch/program.h"
#include "privdnn/torch/train_setup.h"
#include "privdnn/torch/train_state.h"

namespace privdnn {
namespace {

constexpr double kMomentum = 0.9;
// Squares make gradients of rare batches very large; longer ones are scaled down to this length.
constexpr double kMaxGradientNorm = 5;
constexpr int64_t kValidationBatch = 500;
constexpr auto kCheckpointInterval = std::chrono::minutes(1);
// At least, in the time that a checkpoint takes: those of large networks hold gigabytes.
constexpr int kTimeBetweenCheckpoints = 50;
constexpr uint64_t kMaxCheckpointBytes = uint64_t{8} << 30;

// While one exists, convolutions and matrix products of this thread are computed in bfloat16, if so asked for.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision precision) : lower_(precision == Precision::kBfloat16) {
    if (!lower_) return;
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(true);
  }
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;
  ~PrecisionScope() {
    if (!lower_) return;
    at::autocast::set_cpu_enabled(false);
    at::autocast::clear_cache();
  }

 private:
  bool lower_;
};

// While one exists, the threads that compute take what is smaller than the smallest normal float for 0. Once a training
// set is learnt by heart, gradients and momenta fade out through such numbers, with which processors compute many times
// slower; next to any weight they are nothing.
class FlushScope {
 public:
  FlushScope() { SetInAllThreads(true); }
  FlushScope(const FlushScope&) = delete;
  FlushScope& operator=(const FlushScope&) = delete;
  ~FlushScope() { SetInAllThreads(false); }

 private:
  static void SetInAllThreads(bool flush) {
    at::parallel_for(0, at::get_num_threads(), 1, [flush](int64_t, int64_t) { at::Context::setFlushDenormal(flush); });
  }
};

// The tensors that belong to one initializer. `average` is what is validated; it is `value` itself without averaging.
struct Parameter {
  Role role;
  at::Tensor value, first_moment, second_moment, average, best;
  // Only if its values have rates of their own: these; which are 0; what the graph has.
  at::Tensor rates = {}, held = {}, start = {};
};

class Trainer {
 public:
  // `half_size`: the program for halved images, if there are epochs with such.
  Trainer(Program program, std::optional<Program> half_size, const Graph& graph, const ImageSet& train,
          const ImageSet& validation, const TrainOptions& options, const Normalization& normalization,
          const std::array<int64_t, 4>& border)
      : program_(std::move(program)),
        half_size_program_(std::move(half_size)),
        options_(options),
        train_(train, options, normalization, border),
        validation_(validation, options, normalization, border),
        validation_labels_(validation.labels) {
    const auto roles = AssignRoles(graph, options.rates);
    for (const std::string& name : program_.parameter_names()) {
      const at::Tensor value = Arrange(ToTorch(graph.initializers.at(name)));
      parameters_.push_back({roles.at(name), value, at::zeros_like(value), at::zeros_like(value),
                             options.averaging > 0 ? value.clone() : value, value.clone()});
      if (const auto rates = options.rates.find(name); rates != options.rates.end()) {
        SetRates(rates->second, parameters_.back());
      }
    }
  }

  uint64_t total_steps() const { return train_.steps_per_epoch() * static_cast<uint64_t>(options_.epochs); }

  absl::Status Run(const Fingerprint& fingerprint, const ProgressFn& progress) {
    PRIVDNN_RETURN_IF_ERROR(Resume(fingerprint));
    using Clock = std::chrono::steady_clock;
    Clock::time_point save_after = Clock::now() + kCheckpointInterval;
    while (step_ < total_steps() && !Exhausted()) {
      PRIVDNN_RETURN_IF_ERROR(Step());
      const bool epoch_ends = step_ % train_.steps_per_epoch() == 0;
      if (epoch_ends) PRIVDNN_RETURN_IF_ERROR(FinishEpoch());
      const bool proceed = Proceeds(progress, step_, total_steps(), Note());
      const Clock::time_point now = Clock::now();
      if (step_ == total_steps() || Exhausted() || !proceed || now >= save_after) {
        PRIVDNN_RETURN_IF_ERROR(Save(fingerprint));
        const Clock::time_point saved = Clock::now();
        save_after = saved + std::max<Clock::duration>(kCheckpointInterval, kTimeBetweenCheckpoints * (saved - now));
      }
      if (!proceed)
        return absl::CancelledError(fmt::format("training stopped after {} of {} steps", step_, total_steps()));
    }
    return absl::OkStatus();
  }

  // The best weights, in the place of the graph's.
  TrainResult Result(Graph graph) const {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      graph.initializers.at(program_.parameter_names()[i]) = FromTorch(parameters_[i].best);
    }
    return {std::move(graph), std::max(best_accuracy_, 0.0), epochs_};
  }

 private:
  void SetRates(const std::vector<float>& shares, Parameter& p) const;
  absl::Status Step();
  double LearningRate() const;
  // One step of the optimizer on a trained parameter, then the averages.
  void Update(Parameter& p, const at::Tensor& gradient, double gradient_scale) const;
  void UpdateByAdam(Parameter& p, const at::Tensor& gradient) const;
  void UpdateByMomentum(Parameter& p, at::Tensor gradient) const;
  absl::Status FinishEpoch();
  // Whether the patience of the options has run out.
  bool Exhausted() const;
  absl::StatusOr<double> ValidationAccuracy() const;
  absl::Status Save(const Fingerprint& fingerprint) const;
  absl::Status Resume(const Fingerprint& fingerprint);

  // In the layout in which it is computed with: bfloat16 convolutions are faster with the channels last.
  at::Tensor Arrange(const at::Tensor& tensor) const {
    const bool channels_last = options_.precision == Precision::kBfloat16 && tensor.dim() == 4;
    return channels_last ? tensor.contiguous(at::MemoryFormat::ChannelsLast) : tensor;
  }
  // Another one for each step; the same after a checkpoint.
  uint64_t DropoutSeed() const { return (options_.seed * 0x9e3779b97f4a7c15u + step_ + 1) * 0xbf58476d1ce4e5b9u >> 32; }
  int epoch() const { return static_cast<int>(epochs_.size()) + 1; }
  bool half_size() const { return epoch() <= options_.half_size_epochs; }
  const Program& program() const { return half_size() ? *half_size_program_ : program_; }
  std::string Note() const {
    const uint64_t in_epoch = step_ % train_.steps_per_epoch();
    const double loss = in_epoch == 0 ? epochs_.back().train_loss : loss_sum_ / static_cast<double>(in_epoch);
    return fmt::format("epoch {}/{}, loss {:.4f}, validation {:.2f} %", std::min(epoch(), options_.epochs),
                       options_.epochs, loss, epochs_.empty() ? 0.0 : epochs_.back().validation_accuracy);
  }

  Program program_;
  std::optional<Program> half_size_program_;
  const TrainOptions& options_;
  BatchSource train_, validation_;
  const std::vector<int32_t>& validation_labels_;
  std::vector<Parameter> parameters_;
  uint64_t step_ = 0;
  double loss_sum_ = 0;
  double best_accuracy_ = -1;
  std::vector<EpochReport> epochs_;
};

void Trainer::SetRates(const std::vector<float>& shares, Parameter& p) const {
  const std::vector<int64_t> shape = p.value.sizes().vec();
  p.rates = Arrange(shares.size() == 1 ? at::full(shape, shares[0]) : ToTorch({shape, shares}));
  p.held = p.rates.eq(0);
  p.start = p.value.clone();
}

absl::Status Trainer::Step() {
  // A callback may have run an Executor, which sets its own number.
  if (at::get_num_threads() != options_.threads) at::set_num_threads(options_.threads);
  const FlushScope flush;
  auto [images, labels] = train_.Training(step_, half_size());
  std::vector<at::Tensor> leaves;
  for (const Parameter& p : parameters_) {
    leaves.push_back(p.role == Role::kTrained ? p.value.detach().requires_grad_() : p.value);
  }
  at::Tensor logits;
  {
    const PrecisionScope scope(options_.precision);
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, program().Run(leaves, {Arrange(images)}, DropoutSeed()));
    logits = outputs[0].to(at::kFloat);
  }
  constexpr int64_t kIgnoreNone = -100;
  const at::Tensor loss =
      at::cross_entropy_loss(logits, labels, {}, at::Reduction::Mean, kIgnoreNone, options_.label_smoothing);
  const double loss_value = loss.item<double>();
  if (!std::isfinite(loss_value)) {
    return FailedPrecondition("the loss of step {} is {}; try a learning rate below {}", step_, loss_value,
                              options_.learning_rate);
  }
  loss.backward();
  double squares = 0;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Parameter& p = parameters_[i];
    if (p.role != Role::kTrained || !leaves[i].grad().defined()) continue;
    if (p.held.defined()) leaves[i].mutable_grad().masked_fill_(p.held, 0);
    squares += leaves[i].grad().square().sum().item<double>();
  }
  if (!std::isfinite(squares)) {
    return FailedPrecondition("the gradient of step {} is not finite; try a learning rate below {}", step_,
                              options_.learning_rate);
  }
  const double scale = std::min(1.0, kMaxGradientNorm / std::sqrt(std::max(squares, 1e-30)));
  ++step_;
  loss_sum_ += loss_value;
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < leaves.size(); ++i) Update(parameters_[i], leaves[i].grad(), scale);
  return absl::OkStatus();
}

// Linear warm-up, then a half cosine; of the step about to be done, counted from 1.
double Trainer::LearningRate() const {
  const double total = static_cast<double>(total_steps()), step = static_cast<double>(step_);
  const double warm_up = std::ceil(options_.warm_up * total);
  if (step <= warm_up) return options_.learning_rate * step / warm_up;
  return options_.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * (step - warm_up) / (total - warm_up)));
}

void Trainer::Update(Parameter& p, const at::Tensor& gradient, double gradient_scale) const {
  if (p.role == Role::kFixed) return;
  if (p.role == Role::kTrained && gradient.defined()) {
    const at::Tensor scaled = gradient * gradient_scale;
    options_.optimizer == Optimizer::kAdam ? UpdateByAdam(p, scaled) : UpdateByMomentum(p, scaled);
  }
  // Also running statistics, which the program has moved; and a step of 0 may change the sign of a zero.
  const auto hold = [&p](at::Tensor& tensor) {
    if (p.held.defined()) tensor.copy_(at::where(p.held, p.start, tensor));
  };
  hold(p.value);
  if (options_.averaging == 0) return;
  // Early averages forget faster, so that the random first weights do not linger.
  const double step = static_cast<double>(step_);
  const double decay = std::min(options_.averaging, (1 + step) / (10 + step));
  p.average.lerp_(p.value, 1 - decay);
  hold(p.average);
}

void Trainer::UpdateByAdam(Parameter& p, const at::Tensor& gradient) const {
  const double step = static_cast<double>(step_), rate = LearningRate();
  const at::Tensor root = AdamRoot(p.first_moment, p.second_moment, gradient, step);
  const double corrected = AdamRate(rate, step);
  if (!p.rates.defined()) {
    if (p.value.dim() >= 2) p.value.mul_(1 - rate * options_.weight_decay);
    p.value.addcdiv_(p.first_moment, root, -corrected);
    return;
  }
  if (p.value.dim() >= 2) p.value.addcmul_(p.value, p.rates, -rate * options_.weight_decay);
  p.value.addcmul_(p.first_moment / root, p.rates, -corrected);
}

// Nesterov's momentum as PyTorch has it (Sutskever et al., ICML 2013).
void Trainer::UpdateByMomentum(Parameter& p, at::Tensor gradient) const {
  if (p.value.dim() >= 2) gradient.add_(p.value, options_.weight_decay);
  p.first_moment.mul_(kMomentum).add_(gradient);
  gradient.add_(p.first_moment, kMomentum);
  if (p.rates.defined()) gradient.mul_(p.rates);
  p.value.add_(gradient, -LearningRate());
}

bool Trainer::Exhausted() const {
  if (options_.patience == 0 || epoch() <= options_.half_size_epochs + 1) return false;
  const auto first = epochs_.begin() + options_.half_size_epochs;
  const auto best = std::max_element(first, epochs_.end(), [](const EpochReport& a, const EpochReport& b) {
    return a.validation_accuracy < b.validation_accuracy;
  });  // the first of equals
  return epochs_.end() - best > options_.patience;
}

absl::Status Trainer::FinishEpoch() {
  PRIVDNN_ASSIGN_OR_RETURN(const double accuracy, ValidationAccuracy());
  const bool first_of_full_size = options_.half_size_epochs > 0 && epoch() == options_.half_size_epochs + 1;
  if (accuracy >= best_accuracy_ || first_of_full_size) {
    best_accuracy_ = accuracy;
    for (Parameter& p : parameters_) p.best.copy_(p.average);
  }
  epochs_.push_back({epoch(), loss_sum_ / static_cast<double>(train_.steps_per_epoch()), accuracy});
  loss_sum_ = 0;
  if (options_.on_epoch) options_.on_epoch(epochs_.back());
  return absl::OkStatus();
}

absl::StatusOr<double> Trainer::ValidationAccuracy() const {
  const auto count = static_cast<int64_t>(validation_labels_.size());
  if (count == 0) return 0.0;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> averages;
  for (const Parameter& p : parameters_) averages.push_back(p.average);
  int64_t right = 0;
  for (int64_t begin = 0; begin < count; begin += kValidationBatch) {
    const int64_t end = std::min(begin + kValidationBatch, count);
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, program().Run(averages, {validation_.Plain(begin, end, half_size())}));
    const std::vector<int32_t> guesses = Argmax(FromTorch(outputs[0]));
    for (size_t i = 0; i < guesses.size(); ++i)
      right += guesses[i] == validation_labels_[static_cast<size_t>(begin) + i];
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(count);
}

absl::Status Trainer::Save(const Fingerprint& fingerprint) const {
  if (options_.checkpoint.empty()) return absl::OkStatus();
  TrainState state{step_, loss_sum_, best_accuracy_, epochs_, {}};
  for (const Parameter& p : parameters_) {
    state.parameters.push_back({FromTorch(p.value).values, FromTorch(p.first_moment).values,
                                FromTorch(p.second_moment).values, FromTorch(p.average).values,
                                FromTorch(p.best).values});
  }
  return WriteFile(options_.checkpoint, WriteTrainState(state, fingerprint), 0600);  // weights may be secret
}

absl::Status Trainer::Resume(const Fingerprint& fingerprint) {
  std::error_code ignored;
  if (options_.checkpoint.empty() || !std::filesystem::exists(options_.checkpoint, ignored)) return absl::OkStatus();
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(options_.checkpoint, kMaxCheckpointBytes));
  std::vector<int64_t> sizes;
  for (const Parameter& p : parameters_) sizes.push_back(p.value.numel());
  PRIVDNN_ASSIGN_OR_RETURN(TrainState state, ReadTrainState(bytes, options_.checkpoint.string(), fingerprint, sizes));
  step_ = state.step;
  loss_sum_ = state.loss_sum;
  best_accuracy_ = state.best_accuracy;
  epochs_ = std::move(state.epochs);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    const TrainState::Parameter& saved = state.parameters[i];
    const std::vector<int64_t> shape = p.value.sizes().vec();
    const auto arranged = [&](const std::vector<float>& values) { return Arrange(ToTorch({shape, values})); };
    p.value = arranged(saved.value);
    p.first_moment = arranged(saved.first_moment);
    p.second_moment = arranged(saved.second_moment);
    p.average = options_.averaging > 0 ? arranged(saved.average) : p.value;
    p.best = arranged(saved.best);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainResult> Train(const Graph& initial, const ImageSet& train, const ImageSet& validation,
                                  const TrainOptions& options, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckTrainArguments(initial, train, validation, options));
  const auto channels = static_cast<size_t>(train.channels);
  Normalization normalization{std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
  Graph graph = initial;
  const bool normalize = options.normalize && !FirstLayerHasRates(graph, options.rates);
  std::array<int64_t, 4> border{};
  if (normalize) {
    border = FirstPadding(graph);
    normalization = MeasureNormalization(train);
    PRIVDNN_ASSIGN_OR_RETURN(graph, FoldNormalization(WithFirstPadding(graph, {}), normalization.Inverse()));
  }
  const std::set<std::string> fixed = FixedByRates(options.rates);
  PRIVDNN_ASSIGN_OR_RETURN(Program program, Program::Compile(graph, fixed));
  std::optional<Program> half_size;
  if (options.half_size_epochs > 0) {
    PRIVDNN_ASSIGN_OR_RETURN(Graph small, ForHalfSize(normalize ? WithFirstPadding(graph, border) : graph));
    if (normalize) small = WithFirstPadding(std::move(small), {});
    PRIVDNN_ASSIGN_OR_RETURN(half_size, Program::Compile(small, fixed));
  }
  try {
    Trainer trainer(std::move(program), std::move(half_size), graph, train, validation, options, normalization, border);
    PRIVDNN_RETURN_IF_ERROR(trainer.Run(FingerprintOf(initial, train, validation, options), progress));
    TrainResult result = trainer.Result(std::move(graph));
    if (normalize) {
      PRIVDNN_ASSIGN_OR_RETURN(Graph folded, FoldNormalization(result.graph, normalization));
      result.graph = WithFirstPadding(std::move(folded), border);
    }
    return result;
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("training: {}", e.what()));
  }
}

absl::StatusOr<double> Accuracy(const Graph& graph, const ImageSet& set, const ProgressFn& progress, int64_t batch) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<double> top,
                           TopAccuracies(graph, set, std::array{int64_t{1}}, progress, batch));
  return top[0];
}

absl::StatusOr<std::vector<double>> TopAccuracies(const Graph& graph, const ImageSet& set, std::span<const int64_t> ks,
                                                  const ProgressFn& progress, int64_t batch) {
  PRIVDNN_RETURN_IF_ERROR(CheckOneInput(graph));
  if (graph.outputs.size() != 1) return InvalidArgument("the graph has {} outputs, needs 1", graph.outputs.size());
  if (set.count < 1 || batch < 1) return InvalidArgument("{} images in batches of {}", set.count, batch);
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(graph));
  std::vector<int64_t> right(ks.size());
  PRIVDNN_RETURN_IF_ERROR(InBatches(set.count, batch, progress, [&](int64_t begin, int64_t end) -> absl::Status {
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run({{graph.inputs[0].name, set.Batch(begin, end)}}));
    const Tensor& logits = outputs.begin()->second;
    if (logits.shape.size() != 2 || logits.dim(0) != end - begin || logits.dim(1) < set.classes) {
      return InvalidArgument("the graph's output '{}' of shape ({}) is not a row of {} or more logits for each image",
                             outputs.begin()->first, fmt::join(logits.shape, ", "), set.classes);
    }
    const auto classes = static_cast<size_t>(logits.dim(1));
    for (int64_t i = begin; i < end; ++i) {
      const auto row = std::span(logits.values).subspan(static_cast<size_t>(i - begin) * classes, classes);
      const int64_t rank = RankOf(row, static_cast<size_t>(set.labels[static_cast<size_t>(i)]));
      for (size_t k = 0; k < ks.size(); ++k) right[k] += rank < ks[k];
    }
    return absl::OkStatus();
  }));
  std::vector<double> percent;
  for (const int64_t count : right) {
    percent.push_back(100.0 * static_cast<double>(count) / static_cast<double>(set.count));
  }
  return percent;
}

}  // namespace privdnn
