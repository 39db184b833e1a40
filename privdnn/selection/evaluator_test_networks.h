// Networks, images and candidates for tests of the evaluator.
#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/selection/evaluator.h"
#include "privdnn/testing/networks.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

inline bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

// The embedded network and its 1,000 images.
struct LeNet {
  Graph graph;
  ImageSet images;
};
inline const LeNet& Embedded() {
  static const LeNet lenet = [] {
    const std::filesystem::path assets = std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist";
    return LeNet{*LoadOnnx(assets / "model.onnx"),
                 *LoadIdx(assets / "t10k-1000-images-idx3-ubyte", assets / "t10k-1000-labels-idx1-ubyte")};
  }();
  return lenet;
}

// Returns random pixels, with the labels that the network predicts for about half of them.
inline ImageSet RandomImages(const Graph& graph, int64_t count, uint64_t seed) {
  const auto& shape = graph.inputs[0].shape;
  const auto classes = static_cast<int32_t>(graph.outputs[0].shape[1]);
  ImageSet set{count, shape[1], shape[2], shape[3], {}, {}, classes};
  std::mt19937_64 random(seed);
  set.pixels.resize(static_cast<size_t>(count * shape[1] * shape[2] * shape[3]));
  for (uint8_t& pixel : set.pixels) pixel = static_cast<uint8_t>(random());
  set.labels =
      Argmax(Executor::Create(graph)->Run({{graph.inputs[0].name, set.Batch(0, count)}})->at(graph.outputs[0].name));
  for (int32_t& label : set.labels) {
    if (random() % 2 == 0) label = static_cast<int32_t>(random() % static_cast<uint64_t>(classes));
  }
  return set;
}

// Takes 3x32x32 images; has a second layer with 65,536 values per image (so 64 images make a batch), and a pool after
// it.
inline Graph VggLike() {
  NetworkBuilder b({3, 32, 32}, 5);
  const Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  b.Conv(6, same);
  b.Append(op::Square{});
  b.Conv(64, same);
  b.BatchNorm();
  b.Append(op::Relu{});
  b.Append(op::MaxPool{{{4, 4}, {4, 4}, {}}});
  b.Conv(8, same);
  b.Append(op::Relu{});
  b.Append(op::Flatten{1});
  b.Gemm(10);
  return b.Finish();
}

// The square is read by the next convolution and by a shortcut around it.
inline Graph ResNetLike() {
  NetworkBuilder b({3, 12, 12}, 7);
  const Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(op::Square{});
  const std::string shortcut = b.at;
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(op::Relu{});
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(op::Add{}, {}, {shortcut});
  b.Append(op::Relu{});
  b.Pool({{4, 4}, {4, 4}, {}});
  b.Append(op::Flatten{1});
  b.Gemm(10);
  return b.Finish();
}

// Returns random candidates that a selection may have, with every size of either layer.
inline std::vector<Candidate> RandomCandidates(const Evaluator& evaluator, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](int64_t neurons, int64_t least) {
    std::vector<int64_t> all(static_cast<size_t>(neurons));
    std::iota(all.begin(), all.end(), 0);
    std::vector<int64_t> some;
    const auto size = static_cast<size_t>(least) + random() % static_cast<uint64_t>(neurons - least + 1);
    std::sample(all.begin(), all.end(), std::back_inserter(some), size, random);
    return some;
  };
  std::vector<Candidate> candidates;
  while (candidates.size() < count) {
    Candidate c{{}, pick(evaluator.second_neurons(), 1)};
    if (evaluator.first_neurons() > 0) c.first = pick(evaluator.first_neurons(), 0);
    const bool nothing_to_read = evaluator.first_neurons() > 0 &&
                                 static_cast<int64_t>(c.first.size()) == evaluator.first_neurons() &&
                                 static_cast<int64_t>(c.second.size()) < evaluator.second_neurons();
    if (nothing_to_read) continue;
    candidates.push_back(c);
    // Repeats the first layer, so that candidates share what is left of it.
    for (size_t same = random() % 3; same > 0 && candidates.size() < count && !c.first.empty(); --same) {
      if (static_cast<int64_t>(c.first.size()) == evaluator.first_neurons()) break;
      candidates.push_back({c.first, pick(evaluator.second_neurons(), 1)});
    }
  }
  std::shuffle(candidates.begin(), candidates.end(), random);
  return candidates;
}

}  // namespace privdnn
