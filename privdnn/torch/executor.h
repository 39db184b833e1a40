// Runs a graph with LibTorch. LibTorch stays behind this header (and torch/train.h): nothing here includes it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Threads that LibTorch uses for one operator, process-wide (it starts with 1). For small networks 1 is fastest. With
// more, OpenMP's threads wait actively for each other within a network and end with it. By default they do so for
// milliseconds an operator, which is slow where other work keeps the cores busy; GOMP_SPINCOUNT=5000 in the
// environment, as the program sets it, makes them sleep soon.
void SetExecutorThreads(int threads);

class Executor {
 public:
  // Checks the graph with InferShapes.
  static absl::StatusOr<Executor> Create(const Graph& graph);
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  // inputs: one tensor for each graph input, all of the same batch. Returns the graph's outputs by name. Thread-safe.
  absl::StatusOr<std::map<std::string, Tensor>> Run(const std::map<std::string, Tensor>& inputs) const;

 private:
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// argmax of each row of a (batch, classes) tensor.
std::vector<int32_t> Argmax(const Tensor& logits);

}  // namespace privdnn
