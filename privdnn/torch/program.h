// A graph compiled for LibTorch: the one place where operators are executed, for inference and for training. Internal
// to torch: it names LibTorch's tensor type, without including it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"

namespace at {
class Tensor;
}

namespace privdnn {

class Program {
 public:
  // Checks the graph with InferShapes. Batch normalisation whose running mean and variance are both in `fixed` uses
  // them, unchanged, in training too.
  static absl::StatusOr<Program> Compile(const Graph& graph, const std::set<std::string>& fixed = {});
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;
  ~Program();

  // Returns the initializers in the order in which Run takes their tensors: ascending by name.
  const std::vector<std::string>& parameter_names() const;
  // Runs the graph. `parameters` has one tensor per name; `inputs` has one per graph input, all of one batch, with
  // shapes already checked. Returns the graph's outputs in order. Keeps a value only as long as a later node reads it.
  // Returns exceptions of LibTorch as Internal, naming the node. Thread-safe.
  // With a `training_seed`, batch normalisation normalises by the batch and updates its running mean and variance, and
  // Dropout drops values chosen by the seed's low 32 bits: give every step a different seed.
  absl::StatusOr<std::vector<at::Tensor>> Run(const std::vector<at::Tensor>& parameters, std::vector<at::Tensor> inputs,
                                              std::optional<uint64_t> training_seed = std::nullopt) const;

 private:
  struct Impl;
  explicit Program(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Copy a tensor's values to LibTorch, and back from a contiguous float tensor.
at::Tensor ToTorch(const Tensor& tensor);
Tensor FromTorch(const at::Tensor& tensor);

}  // namespace privdnn
