// Runs a graph with LibTorch. LibTorch stays behind this header (and torch/train.h): nothing here includes it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Sets how many threads LibTorch uses for one operator, process-wide (initially 1). For small networks 1 is fastest.
// With more, OpenMP's threads wait actively for each other during a network's run, and end with it. By default they do
// so for milliseconds per operator, which is slow if other work keeps the cores busy. With GOMP_SPINCOUNT=5000 in the
// environment, which the program sets, they soon go to sleep.
void SetExecutorThreads(int threads);

class Executor {
 public:
  // Checks the graph with InferShapes.
  static absl::StatusOr<Executor> Create(const Graph& graph);
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  // Runs the graph on one tensor per graph input, all with the same batch size. Returns the graph's outputs by name.
  // Thread-safe.
  absl::StatusOr<std::map<std::string, Tensor>> Run(const std::map<std::string, Tensor>& inputs) const;

 private:
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Returns the argmax of each row of a (batch, classes) tensor.
std::vector<int32_t> Argmax(const Tensor& logits);

}  // namespace privdnn
