#include "privdnn/attack/hidden_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/graph/architectures.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

bool IsHidden(const HiddenWeights& hidden, const std::string& name, size_t i) {
  const auto flagged = [&](const WeightFlags& flags) {
    const auto it = flags.find(name);
    return it != flags.end() && it->second[i];
  };
  return flagged(hidden.core) || flagged(hidden.cut);
}

TEST(HiddenWeights, OfLenetAreRowsBiasesAndWhatCoreNeuronsFeed) {
  const Graph graph = BuildArchitecture("lenet5-mnist", 1).value();
  const Selection selection{{{1, {0, 3}}, {2, {5, 7, 15}}}};
  const auto hidden = FindHiddenWeights(graph, selection);
  ASSERT_TRUE(hidden.ok()) << hidden.status();
  EXPECT_EQ(hidden->core.size(), 4u);
  for (size_t i = 0; i < 6 * 25; ++i) {
    const bool core = i / 25 == 0 || i / 25 == 3;
    EXPECT_EQ(hidden->core.at("conv1.weight")[i], core) << i;
  }
  EXPECT_EQ(hidden->core.at("conv1.bias"), (std::vector<bool>{true, false, false, true, false, false}));
  EXPECT_EQ(hidden->cut.size(), 1u);
  for (size_t i = 0; i < 16 * 150; ++i) {
    const size_t f = i / 150, c = i % 150 / 25;
    const bool core = f == 5 || f == 7 || f == 15;
    EXPECT_EQ(hidden->core.at("conv2.weight")[i], core) << i;
    EXPECT_EQ(hidden->cut.at("conv2.weight")[i], !core && (c == 0 || c == 3)) << i;
  }
  EXPECT_EQ(CountFlags(hidden->core), 2 * 26 + 3 * 151);
  EXPECT_EQ(CountFlags(hidden->cut), 13 * 2 * 25);
}

// Batch normalisation that is folded into a core neuron is hidden with it.
TEST(HiddenWeights, IncludeWhatIsFolded) {
  const Graph graph = BuildArchitecture("resnet18-tinyimagenet", 1, 5).value();
  const auto hidden = FindHiddenWeights(graph, Selection{{{1, {2}}, {2, {7}}}});
  ASSERT_TRUE(hidden.ok()) << hidden.status();
  for (const auto& [norm, neuron] : {std::pair("bn1", 2), std::pair("block1a.bn1", 7)}) {
    for (const char* part : {".scale", ".shift", ".mean", ".variance"}) {
      std::vector<bool> expected(64);
      expected[static_cast<size_t>(neuron)] = true;
      EXPECT_EQ(hidden->core.at(std::string(norm) + part), expected) << norm << part;
    }
  }
  EXPECT_EQ(CountFlags(hidden->core), 27 + 64 * 9 + 8);
  EXPECT_EQ(CountFlags(hidden->cut), 63 * 9);
}

// Whatever values hidden weights have, the plaintext part of a package is the same; of other values it depends on each.
TEST(HiddenWeights, AreExactlyThoseThatThePlaintextPartDoesNotDependOn) {
  int networks = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    const Graph graph = RandomNetwork(seed, seed % 2 == 1);
    const Selection selection = RandomSelection(graph, seed);
    const auto hidden = FindHiddenWeights(graph, selection);
    const auto segments = FindSegments(graph, selection);
    ASSERT_EQ(hidden.ok(), segments.ok());
    if (!hidden.ok()) continue;
    ++networks;
    const Graph rest = PlaintextRest(graph, *segments).value();
    Graph changed = graph;
    for (auto& [name, tensor] : changed.initializers) {
      for (size_t i = 0; i < tensor.values.size(); ++i) {
        if (IsHidden(*hidden, name, i)) tensor.values[i] += 7.5f;
      }
    }
    EXPECT_EQ(PlaintextRest(changed, *segments).value(), rest) << seed;
    for (const auto& [name, tensor] : graph.initializers) {
      for (size_t i = seed % 7; i < tensor.values.size(); i += 7) {
        if (IsHidden(*hidden, name, i)) continue;
        changed = graph;
        changed.initializers.at(name).values[i] += 7.5f;
        EXPECT_NE(PlaintextRest(changed, *segments).value(), rest) << seed << " " << name << " " << i;
      }
    }
  }
  EXPECT_GT(networks, 100);
}

TEST(HiddenWeights, RefuseWhatCannotBeEncrypted) {
  const Graph graph = BuildArchitecture("lenet5-mnist", 1).value();
  EXPECT_THAT(Message(FindHiddenWeights(graph, {}).status()), HasSubstr("no neuron is chosen"));
  EXPECT_THAT(Message(FindHiddenWeights(graph, Selection{{{1, {6}}}}).status()), HasSubstr("6"));
}

}  // namespace
}  // namespace privdnn
