#include "privdnn/attack/retrain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "privdnn/base/file.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/networks.h"
#include "privdnn/testing/training.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

const Selection kSelection{{{1, {0, 3}}, {2, {5, 7, 15}}}};

std::filesystem::path Asset(const std::string& name) {
  return std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist" / name;
}
ImageSet Images() {
  return LoadIdx(Asset("t10k-1000-images-idx3-ubyte"), Asset("t10k-1000-labels-idx1-ubyte")).value();
}

bool IsFlagged(const WeightFlags& flags, const std::string& name, size_t i) {
  return flags.contains(name) && flags.at(name)[i];
}

// Largest magnitude.
float Largest(const std::vector<float>& values) {
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

TEST(Reinitialize, DrawsByFanInAndChangesNothingElse) {
  const Graph graph = BuildArchitecture("lenet5-mnist", 1).value();
  WeightFlags all;
  for (const auto& [name, tensor] : graph.initializers) all[name] = std::vector<bool>(tensor.values.size(), true);
  const Graph fresh = Reinitialize(graph, all, 2);
  EXPECT_EQ(fresh.nodes, graph.nodes);
  const std::map<std::string, double> bounds = {
      {"conv1.weight", 1 / std::sqrt(25.0)},  {"conv1.bias", 1 / std::sqrt(25.0)},
      {"conv2.weight", 1 / std::sqrt(150.0)}, {"fc1.weight", std::sqrt(6 / 256.0)},  // in front of ReLU
      {"fc1.bias", 1 / std::sqrt(256.0)},     {"fc2.weight", std::sqrt(6 / 120.0)},
      {"fc3.weight", 1 / std::sqrt(84.0)},
  };
  for (const auto& [name, bound] : bounds) {
    const std::vector<float>& values = fresh.initializers.at(name).values;
    EXPECT_LE(Largest(values), bound * 1.000001) << name;
    if (values.size() < 100) continue;
    EXPECT_GT(Largest(values), bound * 0.9) << name;
    double squares = 0;
    for (const float v : values) squares += double{v} * v / static_cast<double>(values.size());
    EXPECT_NEAR(squares, bound * bound / 3, 0.3 * bound * bound / 3) << name;
  }
  // The same places get the same values, whatever else is drawn; other seeds give others.
  const WeightFlags some = FindHiddenWeights(graph, kSelection)->core;
  const Graph partly = Reinitialize(graph, some, 2), other = Reinitialize(graph, some, 3);
  for (const auto& [name, tensor] : graph.initializers) {
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      const bool flagged = IsFlagged(some, name, i);
      const float value = partly.initializers.at(name).values[i];
      EXPECT_EQ(value, (flagged ? fresh : graph).initializers.at(name).values[i]);
      EXPECT_EQ(value == other.initializers.at(name).values[i], !flagged);
    }
  }
}

TEST(Reinitialize, ResetsNormalisationAndConstants) {
  NetworkBuilder b({2, 6, 6}, 1);
  b.Append(op::Sub{}, {b.Random({2, 1, 1})});  // prepares images
  b.Conv(4, {{3, 3}, {1, 1}, {}});
  const std::string norm = b.BatchNorm();
  b.Append(op::Mul{}, {b.Random({4, 1, 1})});
  b.Append(op::Add{}, {b.Random({4, 1, 1})});
  b.Append(op::Mul{}, {Tensor{{1}, {3}}});  // a part of an operator
  b.Append(op::Square{});
  b.Append(op::Flatten{1});
  b.MatMul(3);
  const Graph graph = b.Finish();
  const AttackNetwork network = ScratchNetwork(graph, 1);
  const auto& before = graph.initializers;
  const auto& after = network.graph.initializers;
  EXPECT_EQ(after.at(graph.nodes[0].inputs[1]), before.at(graph.nodes[0].inputs[1]));
  const auto expect_all = [&](const std::string& name, float value) {
    EXPECT_EQ(after.at(name).values, std::vector<float>(after.at(name).values.size(), value)) << name;
  };
  for (const auto& [i, value] : {std::pair(1, 1.0f), {2, 0.0f}, {3, 0.0f}, {4, 1.0f}}) {
    expect_all(graph.nodes[2].inputs[static_cast<size_t>(i)], value);
  }
  const auto constant = [&](size_t node) {
    const auto& inputs = graph.nodes[node].inputs;
    return before.contains(inputs[0]) ? inputs[0] : inputs[1];
  };
  expect_all(constant(3), 1);
  expect_all(constant(4), 0);
  expect_all(constant(5), 3);
  EXPECT_NE(after.at(graph.nodes[1].inputs[1]), before.at(graph.nodes[1].inputs[1]));
  EXPECT_NE(after.at(graph.nodes[8].inputs[1]), before.at(graph.nodes[8].inputs[1]));
  EXPECT_EQ(network.weights, graph.ParameterCount());
  EXPECT_EQ(network.unknown, network.weights - 2 - 1);
  EXPECT_TRUE(network.rates.empty());
}

TEST(RecoverNetwork, KnowsWhatThePackageHolds) {
  const Graph graph = BuildArchitecture("lenet5-mnist", 1).value();
  const HiddenWeights hidden = FindHiddenWeights(graph, kSelection).value();
  for (const bool knows_cut : {false, true}) {
    const auto network = RecoverNetwork(graph, kSelection, {0.25, knows_cut, 3});
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_EQ(network->unknown, 2 * 26 + 3 * 151 + (knows_cut ? 0 : 13 * 50));
    EXPECT_EQ(network->weights, 44426);
    for (const auto& [name, tensor] : graph.initializers) {
      const std::vector<float>& values = network->graph.initializers.at(name).values;
      const std::vector<float>& rates = network->rates.at(name);
      for (size_t i = 0; i < values.size(); ++i) {
        const float rate = rates.size() == 1 ? rates[0] : rates[i];
        if (IsFlagged(hidden.core, name, i)) {
          EXPECT_NE(values[i], tensor.values[i]);
          EXPECT_EQ(rate, 1);
        } else if (!knows_cut && IsFlagged(hidden.cut, name, i)) {
          EXPECT_EQ(values[i], 0);
          EXPECT_EQ(rate, 1);
        } else {
          EXPECT_EQ(values[i], tensor.values[i]);
          EXPECT_EQ(rate, 0.25f);
        }
      }
    }
  }
  EXPECT_THAT(Message(RecoverNetwork(graph, kSelection, {1.5, false, 1}).status()), HasSubstr("1.5"));
  EXPECT_THAT(Message(RecoverNetwork(graph, {}, {}).status()), HasSubstr("no neuron"));
}

TEST(DrawSamples, DrawsWithoutRepetition) {
  ImageSet set{50, 1, 1, 1, {}, {}, 256};
  for (int32_t i = 0; i < 50; ++i) {
    set.pixels.push_back(static_cast<uint8_t>(i));
    set.labels.push_back(i);
  }
  const ImageSet drawn = DrawSamples(set, 20, 1).value();
  EXPECT_EQ(drawn.count, 20);
  EXPECT_EQ(std::set(drawn.labels.begin(), drawn.labels.end()).size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(drawn.pixels[i], drawn.labels[i]);
  EXPECT_FALSE(std::ranges::is_sorted(drawn.labels));
  EXPECT_EQ(DrawSamples(set, 20, 1)->labels, drawn.labels);
  EXPECT_NE(DrawSamples(set, 20, 2)->labels, drawn.labels);
  // More samples are the same and others.
  EXPECT_EQ(DrawSamples(set, 50, 1)->Head(20).labels, drawn.labels);
  EXPECT_THAT(Message(DrawSamples(set, 51, 1).status()), HasSubstr("51 samples of 50"));
  EXPECT_FALSE(DrawSamples(set, 0, 1).ok());
}

// How many hidden values differ between `before` and `after`. All others must be those of the graph.
int64_t ChangedWhereHidden(const Graph& graph, const Selection& selection, const Graph& before, const Graph& after) {
  const HiddenWeights hidden = FindHiddenWeights(graph, selection).value();
  int64_t changed = 0;
  for (const auto& [name, tensor] : graph.initializers) {
    const std::vector<float>& values = after.initializers.at(name).values;
    for (size_t i = 0; i < values.size(); ++i) {
      if (IsFlagged(hidden.core, name, i) || IsFlagged(hidden.cut, name, i)) {
        changed += values[i] != before.initializers.at(name).values[i];
      } else {
        EXPECT_EQ(values[i], tensor.values[i]) << name << " " << i;
      }
    }
  }
  return changed;
}

// Batch normalisation belongs to neurons: that of core neurons is measured and trained, the others' stays.
TEST(Retrain, FreezesBatchNormalisationByNeuron) {
  Graph graph = SmallNetwork();
  graph.initializers["mean"] = PatternTensor({4}, 5);
  graph.initializers["variance"] = {{4}, {0.5, 2, 3, 1.5}};
  const Selection selection{{{1, {1, 2}}, {2, {0, 3}}}};
  const AttackNetwork network = RecoverNetwork(graph, selection, {.known_rate = 0}).value();
  EXPECT_EQ(network.unknown, 2 * (9 + 4) + 2 * (16 + 1) + 2 * 2 * 4);
  const auto result = Retrain(network, Quadrants(100, 1), Quadrants(20, 2), SmallOptions(), {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ChangedWhereHidden(graph, selection, network.graph, result->graph), network.unknown);
  for (const char* name : {"mean", "variance"}) {
    EXPECT_NE(result->graph.initializers.at(name), network.graph.initializers.at(name));
  }
}

// On the network and the selection that the program carries, by an attacker with 200 images.
class Attacks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    graph_ = LoadOnnx(Asset("model.onnx")).value();
    selection_ = ParseSelection(ReadTextFile(Asset("selection.json"), 1 << 10).value(), graph_).value();
    const ImageSet images = Images();
    samples_ = DrawSamples(images.Head(500), 200, 1).value();
    test_ = images.Slice(500, 1000);
  }
  static TrainOptions Options() {
    TrainOptions options;
    options.epochs = 60;
    options.batch = 50;
    options.averaging = 0;
    options.augmentation = Augmentation::None();
    options.threads = 1;
    return options;
  }
  static Graph Run(const AttackNetwork& network) {
    auto result = Retrain(network, samples_, {}, Options(), {});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? std::move(result->graph) : Graph();
  }
  static double TestAccuracy(const Graph& graph) { return Accuracy(graph, test_).value(); }

  static Graph graph_;
  static Selection selection_;
  static ImageSet samples_, test_;
};
Graph Attacks::graph_;
Selection Attacks::selection_;
ImageSet Attacks::samples_, Attacks::test_;

TEST_F(Attacks, RecoverComesNearTheOriginalAndBeatsScratch) {
  const AttackNetwork start = RecoverNetwork(graph_, selection_, {}).value();
  const AttackNetwork frozen = RecoverNetwork(graph_, selection_, {.known_rate = 0}).value();
  EXPECT_EQ(start.graph, frozen.graph);
  const double before = TestAccuracy(start.graph);
  const Graph recovered = Run(start), beside_frozen = Run(frozen);
  const double scratch = TestAccuracy(Run(ScratchNetwork(graph_, 1)));
  EXPECT_LT(before, 40);
  EXPECT_GT(TestAccuracy(recovered), 87);
  EXPECT_GT(TestAccuracy(beside_frozen), 87);
  EXPECT_GT(scratch, 60);
  EXPECT_LT(scratch, TestAccuracy(recovered) - 5);
  EXPECT_LT(scratch, TestAccuracy(beside_frozen) - 5);

  EXPECT_GT(ChangedWhereHidden(graph_, selection_, start.graph, beside_frozen), start.unknown * 9 / 10);
}

}  // namespace
}  // namespace privdnn
