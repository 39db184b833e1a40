#include "privdnn/torch/executor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "privdnn/torch/program.h"

namespace privdnn {
namespace {

std::atomic<int> executor_threads = 1;

// OpenMP keeps its thread count in each calling thread.
void ApplyThreads() {
  const int threads = executor_threads.load(std::memory_order_relaxed);
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

// OpenMP's threads wait for the next operator by turning, which is fast between operators; once the last has run they
// would take a core from what comes next, the encrypted part. So they go, and come anew with the next network.
struct ReleaseThreads {
  ~ReleaseThreads() {
    if (at::get_num_threads() > 1) omp_pause_resource_all(omp_pause_soft);
  }
};

}  // namespace

void SetExecutorThreads(int threads) {
  executor_threads = std::max(threads, 1);
  ApplyThreads();
}

struct Executor::Impl {
  Program program;
  std::vector<at::Tensor> parameters;
  std::vector<ValueInfo> inputs, outputs;

  // The tensor that a graph input is given, checked: the declared shape, `batch` images (0: not known yet).
  absl::StatusOr<const Tensor*> FindInput(const std::map<std::string, Tensor>& given, const ValueInfo& info,
                                          int64_t& batch) const {
    const auto it = given.find(info.name);
    if (it == given.end()) return InvalidArgument("graph input '{}' is not given", info.name);
    const Tensor& tensor = it->second;
    const bool fits = tensor.shape.size() == info.shape.size() && tensor.shape[0] >= 1 &&
                      std::equal(tensor.shape.begin() + 1, tensor.shape.end(), info.shape.begin() + 1);
    if (!fits) {
      return InvalidArgument("graph input '{}' has shape ({}), needs ({}) with any batch", info.name,
                             fmt::join(tensor.shape, ", "), fmt::join(info.shape, ", "));
    }
    PRIVDNN_ASSIGN_OR_RETURN(const int64_t count, ElementCount(tensor.shape));
    if (count != tensor.size()) {
      return InvalidArgument("graph input '{}' holds {} elements, its shape needs {}", info.name, tensor.size(), count);
    }
    if (batch != 0 && batch != tensor.dim(0)) {
      return InvalidArgument("graph input '{}' has {} images, another has {}", info.name, tensor.dim(0), batch);
    }
    batch = tensor.dim(0);
    return &tensor;
  }
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;
Executor::~Executor() = default;

absl::StatusOr<Executor> Executor::Create(const Graph& graph) {
  PRIVDNN_ASSIGN_OR_RETURN(Program program, Program::Compile(graph));
  auto impl = std::make_unique<Impl>(Impl{std::move(program), {}, graph.inputs, graph.outputs});
  const c10::InferenceMode inference;
  try {
    for (const auto& [name, tensor] : graph.initializers) impl->parameters.push_back(ToTorch(tensor));
  } catch (const std::exception& e) {
    return absl::ResourceExhaustedError(fmt::format("copying the weights: {}", e.what()));
  }
  return Executor(std::move(impl));
}

absl::StatusOr<std::map<std::string, Tensor>> Executor::Run(const std::map<std::string, Tensor>& inputs) const {
  ApplyThreads();
  const ReleaseThreads release;
  const c10::InferenceMode inference;
  std::vector<at::Tensor> tensors;
  int64_t batch = 0;
  for (const ValueInfo& info : impl_->inputs) {
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor* tensor, impl_->FindInput(inputs, info, batch));
    // No operator writes to its inputs, so the caller's memory is read in place.
    tensors.push_back(at::from_blob(const_cast<float*>(tensor->values.data()), tensor->shape, at::kFloat));
  }
  if (inputs.size() != impl_->inputs.size()) {
    return InvalidArgument("{} inputs given, the graph has {}", inputs.size(), impl_->inputs.size());
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto results, impl_->program.Run(impl_->parameters, std::move(tensors)));
  std::map<std::string, Tensor> outputs;
  try {
    for (size_t i = 0; i < results.size(); ++i) outputs.emplace(impl_->outputs[i].name, FromTorch(results[i]));
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("reading the outputs: {}", e.what()));
  }
  return outputs;
}

std::vector<int32_t> Argmax(const Tensor& logits) {
  if (logits.shape.size() != 2 || logits.dim(1) < 1) return {};
  std::vector<int32_t> result;
  const int64_t classes = logits.dim(1);
  for (auto row = logits.values.begin(); row != logits.values.end(); row += classes) {
    result.push_back(static_cast<int32_t>(std::max_element(row, row + classes) - row));
  }
  return result;
}

}  // namespace privdnn
