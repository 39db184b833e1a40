#include "privdnn/attack/obfuscate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/attack/retrain.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/networks.h"
#include "privdnn/testing/training.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ImageSet Noise(int64_t count, int64_t channels, int64_t side) {
  ImageSet set{count, channels, side, side, {}, std::vector<int32_t>(static_cast<size_t>(count)), 2};
  set.pixels.resize(static_cast<size_t>(count * channels * side * side));
  DeterministicRandom(5).Fill(std::span(set.pixels));
  return set;
}

Tensor Values(const Graph& graph, const std::string& value, const ImageSet& images) {
  const Graph part = Extract(graph, {value}).value();
  const Executor executor = Executor::Create(part).value();
  return executor.Run({{part.inputs[0].name, images.Batch(0, images.count)}})->at(value);
}

absl::StatusOr<ObfuscatedNetwork> Obfuscated(const Graph& graph, const Selection& selection, const ImageSet& images,
                                             const ObfuscateOptions& options = {}, uint64_t seed = 1) {
  DeterministicRandom random(seed);
  return Obfuscate(graph, selection, images, options, random);
}

// Two convolutions, asymmetrically padded, the second with strides (2, 1), without bias, and layers behind.
Graph StridedNetwork() {
  NetworkBuilder b({2, 9, 9}, 1);
  b.Conv(3, {{3, 3}, {1, 1}, {1, 1, 1, 1}});
  b.Append(op::Square{});
  b.Conv(5, {{3, 2}, {2, 1}, {1, 0, 0, 1}}, false);
  b.Append(op::Relu{});
  b.Append(op::Flatten{1});
  b.Gemm(6);
  b.Append(op::Relu{});
  b.MatMul(4);
  b.Append(op::Relu{});
  b.Gemm(2);
  return b.Finish();
}

// The value of (image, channel, y, x).
double At(const Tensor& t, int64_t n, int64_t c, int64_t y, int64_t x) {
  return t.values[static_cast<size_t>(((n * t.dim(1) + c) * t.dim(2) + y) * t.dim(3) + x)];
}

struct Line {
  double mean_x, mean_y, deviation_x, deviation_y, correlation;
};
Line Fit(const std::vector<double>& x, const std::vector<double>& y) {
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  const auto n = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    sx += x[i], sy += y[i], sxx += x[i] * x[i], syy += y[i] * y[i], sxy += x[i] * y[i];
  }
  const double dx = std::sqrt(sxx / n - sx * sx / n / n), dy = std::sqrt(syy / n - sy * sy / n / n);
  return {sx / n, sy / n, dx, dy, (sxy / n - sx * sy / n / n) / (dx * dy)};
}

// New outputs are, away from the border, the old ones under the kernels that were drawn, and have the old mean and
// deviation; plaintext neurons' are the same everywhere.
TEST(Obfuscate, ComposesCoreNeuronsWithSecretKernels) {
  const Graph graph = StridedNetwork();
  const Selection selection{{{1, {0}}, {2, {1, 2, 4}}}};
  const ImageSet images = Noise(30, 2, 9);
  const auto segments = FindSegments(graph, selection).value();
  const std::string output = segments[0].output;
  const Tensor before = Values(Separate(graph, segments).value(), output, images);
  for (const bool mix : {true, false}) {
    const auto network = Obfuscated(graph, selection, images, {3, mix, true});
    ASSERT_TRUE(network.ok()) << network.status();
    ASSERT_EQ(network->layers.size(), 1u);
    EXPECT_EQ(network->layers[0].number, 2);
    EXPECT_EQ(network->layers[0].secret_numbers, mix ? 81 : 27);
    EXPECT_THAT(network->layers[0].kernel_before, ElementsAre(3, 2));
    EXPECT_THAT(network->layers[0].kernel_after, ElementsAre(7, 4));
    const Tensor after = Values(network->graph, output, images);
    ASSERT_EQ(before.shape, after.shape);
    std::vector<uint64_t> words(mix ? 81 : 27);
    DeterministicRandom random(1);
    random.Fill(std::span<uint64_t>(words));
    auto word = words.begin();
    for (const int64_t f : {1, 2, 4}) {
      std::vector<double> composed(before.values.size() / 5), now, was, inside;
      for (const int64_t g : mix ? std::vector<int64_t>{1, 2, 4} : std::vector<int64_t>{f}) {
        for (int64_t place = 0; place < 9; ++place, ++word) {
          auto sum = composed.begin();
          for (int64_t n = 0; n < 30; ++n) {
            for (int64_t y = 1; y + 1 < before.dim(2); ++y) {
              for (int64_t x = 1; x + 1 < before.dim(3); ++x) {
                *sum++ += (static_cast<double>(*word >> 11) * 0x1p-52 - 1) *
                          At(before, n, g, y + place / 3 - 1, x + place % 3 - 1);
              }
            }
          }
        }
      }
      for (int64_t n = 0; n < 30; ++n) {
        for (int64_t y = 0; y < before.dim(2); ++y) {
          for (int64_t x = 0; x < before.dim(3); ++x) {
            now.push_back(At(after, n, f, y, x));
            was.push_back(At(before, n, f, y, x));
            const bool border = y == 0 || x == 0 || y + 1 == before.dim(2) || x + 1 == before.dim(3);
            if (!border) inside.push_back(now.back());
          }
        }
      }
      composed.resize(inside.size());
      EXPECT_GT(Fit(composed, inside).correlation, 0.99999);
      const Line line = Fit(was, now);
      EXPECT_NEAR(line.mean_x, line.mean_y, 1e-4 * line.deviation_x);
      EXPECT_NEAR(line.deviation_x, line.deviation_y, 1e-4 * line.deviation_x);
      EXPECT_LT(line.correlation, 0.9);
    }
    for (const int64_t f : {0, 3}) {
      for (int64_t y = 0; y < before.dim(2); ++y) EXPECT_NEAR(At(before, 3, f, y, 2), At(after, 3, f, y, 2), 1e-5);
    }
  }
}

// A fully connected layer's neurons are mixed, whichever way its weights lie; a layer behind a layer.
TEST(Obfuscate, MixesFullyConnectedNeurons) {
  const Graph graph = StridedNetwork();
  const ImageSet images = Noise(40, 2, 9);
  for (const auto& [layer, neurons] : {std::pair<int64_t, std::vector<int64_t>>{3, {0, 2, 5}}, {4, {1, 3}}}) {
    const Selection selection{{{layer, neurons}}};
    const auto network = Obfuscated(graph, selection, images);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_THAT(network->layers[0].kernel_after, ElementsAre(1, 1));
    EXPECT_EQ(network->layers[0].secret_numbers, static_cast<int64_t>(neurons.size() * neurons.size()));
    const std::string output = FindSegments(graph, selection)->at(0).output;
    const Tensor before = Values(graph, output, images), after = Values(network->graph, output, images);
    ASSERT_EQ(before.shape, after.shape);
    for (int64_t f = 0; f < before.dim(1); ++f) {
      std::vector<double> was, now;
      for (size_t n = 0; n < 40; ++n) {
        was.push_back(before.values[n * static_cast<size_t>(before.dim(1)) + static_cast<size_t>(f)]);
        now.push_back(after.values[n * static_cast<size_t>(before.dim(1)) + static_cast<size_t>(f)]);
      }
      if (!std::ranges::binary_search(neurons, f)) {
        EXPECT_EQ(was, now);
        continue;
      }
      const Line line = Fit(was, now);
      EXPECT_NEAR(line.deviation_x, line.deviation_y, 1e-4 * line.deviation_x);
      EXPECT_LT(std::abs(line.correlation), 0.9999);
      // MatMul has no bias to keep the mean with.
      if (layer == 3) {
        EXPECT_NEAR(line.mean_x, line.mean_y, 1e-4 * line.deviation_x);
      }
    }
  }
}

TEST(Obfuscate, TrainsWhatLiesBehindAndRenewsTheNextLayer) {
  const Graph graph = StridedNetwork();
  const ImageSet images = Noise(10, 2, 9);
  const auto name = [&](size_t node, size_t input) { return graph.nodes[node].inputs[input]; };
  const Selection selection{{{1, {0}}, {2, {1, 2, 4}}}};
  const ObfuscatedNetwork network = Obfuscated(graph, selection, images).value();
  std::set<std::string> fixed;
  for (const auto& [weight, rate] : network.rates) {
    EXPECT_THAT(rate, ElementsAre(0));
    fixed.insert(weight);
  }
  // The second layer has got a bias.
  EXPECT_EQ(fixed, (std::set<std::string>{name(0, 1), name(0, 2), name(2, 1), network.graph.nodes[2].inputs.at(2)}));
  const auto changed = [&](const ObfuscatedNetwork& other, size_t node) {
    return other.graph.initializers.at(name(node, 1)) != graph.initializers.at(name(node, 1));
  };
  EXPECT_FALSE(changed(network, 0));
  EXPECT_TRUE(changed(network, 5));
  EXPECT_FALSE(changed(network, 7));
  EXPECT_EQ(network.renewed, graph.initializers.at(name(5, 1)).size() + graph.initializers.at(name(5, 2)).size());
  const ObfuscatedNetwork kept = Obfuscated(graph, selection, images, {1, true, false}).value();
  EXPECT_FALSE(changed(kept, 5));
  EXPECT_EQ(kept.renewed, 0);
  // Others draw other kernels, and other weights for what begins anew.
  const ObfuscatedNetwork other = Obfuscated(graph, selection, images, {}, 2).value();
  EXPECT_NE(other.graph.initializers.at(name(2, 1)), network.graph.initializers.at(name(2, 1)));
  EXPECT_NE(other.graph.initializers.at(name(5, 1)), network.graph.initializers.at(name(5, 1)));
  // Of two segments, the later one's layers train and do not begin anew.
  const ObfuscatedNetwork two = Obfuscated(graph, Selection{{{2, {1, 2}}, {3, {0, 1, 4}}}}, images).value();
  EXPECT_EQ(two.layers.size(), 2u);
  EXPECT_FALSE(two.rates.contains(name(5, 1)));
  EXPECT_EQ(two.renewed, graph.initializers.at(name(7, 1)).size());
}

TEST(Obfuscate, RefusesWhatItCannotDo) {
  const Graph graph = StridedNetwork();
  const ImageSet images = Noise(4, 2, 9);
  const auto error = [&](const Selection& selection, const ObfuscateOptions& options = {}) {
    return Message(Obfuscated(graph, selection, images, options).status());
  };
  const Selection second{{{2, {1, 2}}}};
  EXPECT_THAT(error(second, {4, true, true}), HasSubstr("side 4"));
  EXPECT_THAT(error(second, {17, true, true}), HasSubstr("side 17"));
  EXPECT_THAT(error(second, {1, false, true}), HasSubstr("nothing but signs"));
  EXPECT_THAT(error(Selection{{{3, {1}}}}), HasSubstr("layer 3"));
  EXPECT_THAT(error(Selection{{{3, {1, 2}}}}, {3, false, true}), HasSubstr("is not to mix"));
  EXPECT_THAT(error(Selection{{{5, {0, 1}}}}), HasSubstr("no layer behind it"));
  EXPECT_THAT(error({}), HasSubstr("no neuron"));
  EXPECT_THAT(Message(Obfuscated(graph, second, Noise(0, 2, 9)).status()), HasSubstr("no image"));
  EXPECT_FALSE(Obfuscated(graph, second, Noise(2, 1, 9)).ok());
}

// On the network and the selection that the program carries, two users, tails trained on 500 images.
class TwoUsers : public testing::Test {
 protected:
  static std::filesystem::path Asset(const std::string& name) {
    return std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist" / name;
  }
  void SetUp() override {
    graph_ = LoadOnnx(Asset("model.onnx")).value();
    images_ = LoadIdx(Asset("t10k-1000-images-idx3-ubyte"), Asset("t10k-1000-labels-idx1-ubyte")).value();
  }
  Graph Trained(uint64_t user, const ObfuscateOptions& options) const {
    const ObfuscatedNetwork network = Obfuscated(graph_, selection_, images_.Head(500), options, user).value();
    TrainOptions training;
    training.epochs = 40;
    training.batch = 50;
    training.averaging = 0;
    training.threads = 1;
    training.rates = network.rates;
    return Train(network.graph, images_.Head(500), {}, training, {})->graph;
  }
  double Accuracy(const Graph& graph) const { return privdnn::Accuracy(graph, images_.Slice(500, 1000)).value(); }
  double Stolen(const Graph& from, const Graph& into) const {
    return Accuracy(TransplantNetwork(from, into, selection_, {})->graph);
  }

  const Selection selection_{{{1, {3, 4}}, {2, {0, 1, 2, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15}}}};
  Graph graph_;
  ImageSet images_;
};

TEST_F(TwoUsers, KeepTheirAccuracyAndCannotUseEachOthersNeurons) {
  for (const int64_t kernel : {1, 3}) {
    const Graph alice = Trained(1, {.kernel = kernel}), bob = Trained(2, {.kernel = kernel});
    EXPECT_GT(Accuracy(alice), 90);
    EXPECT_GT(Accuracy(bob), 90);
    EXPECT_LT(Stolen(alice, bob), 50);
    EXPECT_LT(Stolen(bob, alice), 50);
    // In her own network alice's neurons are what is missing.
    EXPECT_EQ(TransplantNetwork(alice, alice, selection_, {})->graph, alice);
    EXPECT_EQ(Stolen(alice, alice), Accuracy(alice));
  }
}

TEST_F(TwoUsers, WithoutObfuscationATheftIsPerfect) {
  const auto segments = FindSegments(graph_, selection_).value();
  EXPECT_EQ(TransplantNetwork(graph_, graph_, selection_, {})->graph, Separate(graph_, segments).value());
  EXPECT_EQ(TransplantNetwork(graph_, graph_, selection_, {.knows_cut = true})->graph, graph_);
  // A network of another form has no use for them.
  const ObfuscatedNetwork alice = Obfuscated(graph_, selection_, images_.Head(50), {.kernel = 3}).value();
  EXPECT_THAT(Message(TransplantNetwork(alice.graph, graph_, selection_, {}).status()), HasSubstr("conv2.weight"));
}

}  // namespace
}  // namespace privdnn
