// What a partition computes, against the executor: folded layers, the separated network, the plaintext rest and its
// stages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "privdnn/graph/architectures.h"
#include "privdnn/partition/partition.h"
#include "privdnn/testing/networks.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

constexpr int64_t kBatch = 2;

std::vector<int64_t> Batched(std::vector<int64_t> shape) {
  shape[0] = kBatch;
  return shape;
}

using Values = std::map<std::string, Tensor>;

Tensor RandomImages(const Graph& graph, uint64_t seed) {
  return NetworkBuilder({1}, seed).Random(Batched(graph.inputs[0].shape));
}

// All values of the graph that nodes compute, and its input.
Values AllValues(Graph graph, const Tensor& images) {
  const auto shapes = InferShapes(graph).value();
  graph.outputs = {graph.inputs[0]};
  for (const Node& node : graph.nodes) {
    auto shape = shapes.at(node.output);
    shape[0] = -1;
    graph.outputs.push_back({node.output, shape});
  }
  return Executor::Create(graph)->Run({{graph.inputs[0].name, images}}).value();
}

// The channels `indices` of a batch.
Tensor TakeChannels(const Tensor& tensor, const std::vector<int64_t>& indices) {
  Tensor out{tensor.shape, {}};
  out.shape[1] = static_cast<int64_t>(indices.size());
  const int64_t area = tensor.size() / tensor.dim(0) / tensor.dim(1);
  for (int64_t n = 0; n < tensor.dim(0); ++n) {
    for (const int64_t c : indices) {
      const auto from = tensor.values.begin() + (n * tensor.dim(1) + c) * area;
      out.values.insert(out.values.end(), from, from + area);
    }
  }
  return out;
}

void ExpectNear(const Tensor& actual, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.shape, expected.shape) << what;
  float largest = 1;
  for (const float v : expected.values) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < expected.values.size(); ++i) {
    ASSERT_NEAR(actual.values[i], expected.values[i], 2e-5f * largest) << what << ", element " << i;
  }
}

// A map of doubles, {C, H, W}.
struct Map {
  std::array<int64_t, 3> shape;
  std::vector<double> values;
  double at(int64_t c, int64_t i, int64_t j) const {
    if (i < 0 || j < 0 || i >= shape[1] || j >= shape[2]) return 0;
    return values[static_cast<size_t>((c * shape[1] + i) * shape[2] + j)];
  }
};

Map Slide(const Map& in, int64_t channels, const std::array<int64_t, 2>& kernel, const std::array<int64_t, 2>& strides,
          const std::array<int64_t, 4>& pads, const std::function<double(int64_t, int64_t, int64_t)>& at_corner) {
  Map out{{channels, (in.shape[1] + pads[0] + pads[2] - kernel[0]) / strides[0] + 1,
           (in.shape[2] + pads[1] + pads[3] - kernel[1]) / strides[1] + 1},
          {}};
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < out.shape[1]; ++i) {
      for (int64_t j = 0; j < out.shape[2]; ++j) {
        out.values.push_back(at_corner(c, i * strides[0] - pads[0], j * strides[1] - pads[1]));
      }
    }
  }
  return out;
}

// What FoldedLayer says, by plain loops.
Map Apply(const FoldedLayer& layer, const Map& in) {
  const auto [kh, kw] = layer.window.kernel;
  const Map sums = Slide(in, layer.outputs, layer.window.kernel, layer.window.strides, layer.window.pads,
                         [&](int64_t f, int64_t i, int64_t j) {
                           double sum = layer.bias[static_cast<size_t>(f)];
                           for (int64_t c = 0; c < layer.inputs; ++c) {
                             for (int64_t a = 0; a < kh; ++a) {
                               for (int64_t b = 0; b < kw; ++b) {
                                 sum += layer.weights[static_cast<size_t>(((f * layer.inputs + c) * kh + a) * kw + b)] *
                                        in.at(c, i + a, j + b);
                               }
                             }
                           }
                           return sum;
                         });
  return Slide(sums, layer.outputs, layer.pool.kernel, layer.pool.strides, {}, [&](int64_t f, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t a = 0; a < layer.pool.kernel[0]; ++a) {
      for (int64_t b = 0; b < layer.pool.kernel[1]; ++b) sum += sums.at(f, i + a, j + b);
    }
    return sum / static_cast<double>(layer.pool.kernel[0] * layer.pool.kernel[1]);
  });
}

// Image `n` of a batch in the shape that a segment gives.
Map ImageOf(const Tensor& batch, int64_t n, const std::vector<int64_t>& shape) {
  const int64_t size = batch.size() / batch.dim(0);
  EXPECT_EQ(size, shape[0] * shape[1] * shape[2]);
  return {{shape[0], shape[1], shape[2]}, {batch.values.begin() + n * size, batch.values.begin() + (n + 1) * size}};
}

void ExpectImage(const Map& actual, const Map& expected, const std::string& what) {
  ASSERT_EQ(actual.shape, expected.shape) << what;
  double largest = 1;
  for (const double v : expected.values) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < expected.values.size(); ++i) {
    ASSERT_NEAR(actual.values[i], expected.values[i], 2e-5 * largest) << what << ", element " << i;
  }
}

void ExpectFoldedLayersCompute(const Segment& s, const Values& values) {
  for (int64_t n = 0; n < kBatch; ++n) {
    Map map = ImageOf(values.at(s.input), n, s.input_shape);
    if (s.first) {
      map = Apply(*s.first, map);
      for (double& v : map.values) v *= v;
      ExpectImage(map, ImageOf(values.at(s.square_output), n, s.square_shape), s.square_output);
    }
    ExpectImage(Apply(s.layer, map), ImageOf(values.at(s.output), n, s.output_shape), s.output);
  }
}

// The stages one after the other, each with what the earlier ones gave and with the owner's answers, which come only
// once the feed has been there.
Values RunStages(const std::vector<Graph>& stages, const Values& given) {
  Values known, outputs;
  for (size_t k = 0; k < stages.size(); ++k) {
    for (const auto& [name, tensor] : given) {
      bool answered = !IsSegmentInput(name);
      for (size_t j = 0; j < k; ++j) answered = answered || name == SegmentInputName(j) || name == ShortcutInputName(j);
      if (answered) known[name] = tensor;
    }
    if (stages[k].nodes.empty()) continue;
    Values inputs;
    for (const ValueInfo& input : stages[k].inputs) {
      EXPECT_TRUE(known.contains(input.name)) << "stage " << k << " reads " << input.name;
      inputs[input.name] = known.at(input.name);
    }
    const auto executor = Executor::Create(stages[k]);
    EXPECT_TRUE(executor.ok()) << executor.status();
    const Values results = executor->Run(inputs).value();
    for (const auto& [name, tensor] : results) known[name] = outputs[name] = tensor;
  }
  return outputs;
}

// Everything that the partition of a graph promises.
void ExpectPartitionComputes(const Graph& graph, const std::vector<Segment>& segments) {
  const Tensor images = RandomImages(graph, 7);
  const Values original = AllValues(graph, images);
  for (const Segment& s : segments) ExpectFoldedLayersCompute(s, original);

  const auto separated = Separate(graph, segments);
  ASSERT_TRUE(separated.ok()) << separated.status();
  const Values expected = AllValues(*separated, images);
  const auto rest = PlaintextRest(graph, segments);
  ASSERT_TRUE(rest.ok()) << rest.status();
  const auto executor = Executor::Create(*rest);
  ASSERT_TRUE(executor.ok()) << executor.status();
  Values given = {{graph.inputs[0].name, images}};
  for (size_t k = 0; k < segments.size(); ++k) {
    const Segment& s = segments[k];
    given[SegmentInputName(k)] = TakeChannels(expected.at(s.output), s.neurons);
    if (!s.shortcut.empty()) given[ShortcutInputName(k)] = TakeChannels(expected.at(s.square_output), s.shortcut);
  }
  const auto outputs = executor->Run(given);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  for (const ValueInfo& output : graph.outputs) {
    ExpectNear(outputs->at(output.name), expected.at(output.name), output.name);
  }
  for (size_t k = 0; k < segments.size(); ++k) {
    if (segments[k].input == graph.inputs[0].name) continue;
    ExpectNear(outputs->at(FeedOutputName(k)), expected.at(segments[k].input), FeedOutputName(k));
  }

  const auto stages = SplitStages(*rest, segments.size());
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), segments.size() + 1);
  const Values staged = RunStages(*stages, given);
  for (const auto& [name, tensor] : *outputs) EXPECT_EQ(staged.at(name), tensor) << name;
}

TEST(Partition, ComputesWhatTheSeparatedNetworkComputes) {
  int linear = 0, quadratic = 0, shortcuts = 0, several = 0, fed = 0, pooled = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNetwork(seed, seed % 2 == 1);
    const auto segments = FindSegments(graph, RandomSelection(graph, seed));
    if (!segments.ok()) {
      EXPECT_THAT(Message(segments.status()), testing::HasSubstr("nothing to read"));
      continue;
    }
    ExpectPartitionComputes(graph, *segments);
    if (HasFatalFailure()) return;
    several += segments->size() > 1;
    for (const Segment& s : *segments) {
      (s.first ? quadratic : linear) += 1;
      shortcuts += !s.shortcut.empty();
      fed += s.first && s.input != "image";
      pooled += s.first && s.layer_nodes.size() > 1 && s.layer.window.pads != std::array<int64_t, 4>{};
    }
  }
  // The random networks have every kind.
  EXPECT_GT(linear, 50);
  EXPECT_GT(quadratic, 50);
  EXPECT_GT(shortcuts, 5);
  EXPECT_GT(several, 50);
  EXPECT_GT(fed, 5);
  EXPECT_GT(pooled, 3);
}

TEST(Partition, ComputesLenet) {
  const Graph graph = *BuildArchitecture("lenet5-mnist", 1);
  for (const char* text :
       {"1:0,3;2:5-9", "2:all", "1:all;2:all;3:0-119;4:all;5:all", "1:2;2:1;3:7,9;4:0-80;5:3", "5:0", "3:0-5", "1:5"}) {
    SCOPED_TRACE(text);
    ExpectPartitionComputes(graph, FindSegments(graph, ParseSelection(text, graph).value()).value());
  }
}

}  // namespace
}  // namespace privdnn
