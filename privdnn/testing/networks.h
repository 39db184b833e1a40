// Networks for tests of the partition, built node by node.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "privdnn/partition/partition.h"

namespace privdnn {

// Appends nodes to the value `at`. Node "NAME" writes value "NAME.out" and has parameters "NAME.1", "NAME.2", ... of
// random values of magnitude up to 1.
class NetworkBuilder {
 public:
  NetworkBuilder(std::vector<int64_t> image_shape, uint64_t seed);

  int64_t Int(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool Flip() { return Int(0, 1) != 0; }
  Tensor Random(std::vector<int64_t> shape, double low = -1, double high = 1);
  // A window that fits `at`, with kernel, strides and pads up to these.
  Window RandomWindow(int64_t kernel, int64_t stride, int64_t pad);

  // Each returns the node's name. Weights are scaled so that values keep their size.
  std::string Conv(int64_t neurons, const Window& window, bool bias = true, int64_t groups = 1);
  std::string Gemm(int64_t neurons);    // alpha, beta, transB and the shape of C at random
  std::string MatMul(int64_t neurons);  // by an initializer, without bias
  std::string BatchNorm();
  std::string Arithmetic();  // with a constant, per channel or one number
  std::string Append(Op op, std::vector<Tensor> parameters = {}, std::vector<std::string> more_inputs = {});
  std::string Pool(const Window& window) { return Append(op::AveragePool{window, false}); }

  Graph Finish();
  std::vector<int64_t> Shape() const;  // of `at`, the batch first

  Graph graph;
  std::string at;

 private:
  std::mt19937_64 random_;
};

// A network of two to five layers with squares, rectifiers, and all that folds between them, some with a square that is
// read twice. With `spread`, some convolutions are dilated or in groups.
Graph RandomNetwork(uint64_t seed, bool spread = false);

// Each layer with probability 1/2, at least one; neurons at random.
Selection RandomSelection(const Graph& graph, uint64_t seed);

}  // namespace privdnn
