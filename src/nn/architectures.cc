#include "nn/architectures.h"

#include <array>
#include <cmath>

#include "base/random.h"

namespace privdnn::nn {
namespace {

// Builds a chain of operators on one value.
class ChainBuilder {
 public:
  ChainBuilder(const std::string& name, std::vector<int64_t> image_shape, uint64_t seed) : random_(seed) {
    graph_.name = name;
    image_shape.insert(image_shape.begin(), -1);
    graph_.inputs = {{"image", std::move(image_shape)}};
    value_ = "image";
  }

  // Square kernels, stride 1, no padding.
  void AddConv(const std::string& name, int64_t in, int64_t out, int64_t side) {
    AddParameters(name, {out, in, side, side}, out, in * side * side);
    Append(name, Conv{{{side, side}, {1, 1}, {}}, 1}, {name + ".weight", name + ".bias"});
  }
  void AddAveragePool(const std::string& name, int64_t side) {
    Append(name, AveragePool{{{side, side}, {side, side}, {}}, false}, {});
  }
  void AddLinear(const std::string& name, int64_t in, int64_t out) {
    AddParameters(name, {out, in}, out, in);
    Gemm gemm;
    gemm.trans_b = true;
    Append(name, gemm, {name + ".weight", name + ".bias"});
  }
  void Append(const std::string& name, Op op, std::vector<std::string> parameters) {
    parameters.insert(parameters.begin(), value_);
    graph_.nodes.push_back({name, std::move(op), std::move(parameters), name + ".out"});
    value_ = name + ".out";
  }
  Graph Finish(int64_t classes) && {
    graph_.outputs = {{"logits", {-1, classes}}};
    graph_.nodes.back().output = "logits";
    return std::move(graph_);
  }

 private:
  // PyTorch's default: Kaiming-uniform with a = sqrt(5), that is uniform in +-1/sqrt(fan_in), for weights and biases.
  void AddParameters(const std::string& name, std::vector<int64_t> shape, int64_t outputs, int64_t fan_in) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(fan_in));
    graph_.initializers[name + ".weight"] = Uniform(std::move(shape), bound);
    graph_.initializers[name + ".bias"] = Uniform({outputs}, bound);
  }
  Tensor Uniform(std::vector<int64_t> shape, float bound) {
    Tensor tensor = Tensor::Zeros(std::move(shape));
    std::vector<uint64_t> words(tensor.values.size());
    random_.Fill(std::span<uint64_t>(words));
    for (size_t i = 0; i < words.size(); ++i) {
      const float unit = static_cast<float>(words[i] >> 40) * 0x1p-24f;  // [0, 1)
      tensor.values[i] = (2 * unit - 1) * bound;
    }
    return tensor;
  }

  Graph graph_;
  std::string value_;
  DeterministicRandom random_;
};

Graph BuildLenet5Mnist(uint64_t seed) {
  ChainBuilder chain("lenet5-mnist", {1, 28, 28}, seed);
  chain.AddConv("conv1", 1, 6, 5);
  chain.AddAveragePool("pool1", 2);
  chain.Append("square1", Square{}, {});
  chain.AddConv("conv2", 6, 16, 5);
  chain.AddAveragePool("pool2", 2);
  chain.Append("square2", Square{}, {});
  chain.Append("flatten", Flatten{}, {});
  chain.AddLinear("fc1", 256, 120);
  chain.Append("relu1", Relu{}, {});
  chain.AddLinear("fc2", 120, 84);
  chain.Append("relu2", Relu{}, {});
  chain.AddLinear("fc3", 84, 10);
  return std::move(chain).Finish(10);
}

}  // namespace

std::vector<std::string> ArchitectureNames() { return {"lenet5-mnist"}; }

absl::StatusOr<Graph> BuildArchitecture(const std::string& name, uint64_t seed) {
  if (name == "lenet5-mnist") return BuildLenet5Mnist(seed);
  return NotFound("architecture '{}' is unknown (known: {})", name, fmt::join(ArchitectureNames(), ", "));
}

}  // namespace privdnn::nn
