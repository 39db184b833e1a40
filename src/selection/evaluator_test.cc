// The evaluator against the naive way: the separated network and the plaintext rest, built and run for each candidate.
#include "selection/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <random>

#include "nn/architectures.h"
#include "nn/executor.h"
#include "nn/onnx.h"
#include "nn/test_networks.h"
#include "selection/selection.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

// The embedded network and its 1,000 images.
struct LeNet {
  nn::Graph graph;
  nn::ImageSet images;
};
const LeNet& Embedded() {
  static const LeNet lenet = [] {
    const std::filesystem::path assets = std::filesystem::path(PRIVDNN_SELECTION_ASSETS) / "lenet5-mnist";
    return LeNet{*nn::LoadOnnx(assets / "model.onnx"),
                 *nn::LoadIdx(assets / "t10k-1000-images-idx3-ubyte", assets / "t10k-1000-labels-idx1-ubyte")};
  }();
  return lenet;
}

// Random pixels, and labels that the network gives to about half of them.
nn::ImageSet RandomImages(const nn::Graph& graph, int64_t count, uint64_t seed) {
  const auto& shape = graph.inputs[0].shape;
  const auto classes = static_cast<int32_t>(graph.outputs[0].shape[1]);
  nn::ImageSet set{count, shape[1], shape[2], shape[3], {}, {}, classes};
  std::mt19937_64 random(seed);
  set.pixels.resize(static_cast<size_t>(count * shape[1] * shape[2] * shape[3]));
  for (uint8_t& pixel : set.pixels) pixel = static_cast<uint8_t>(random());
  set.labels = nn::Argmax(
      nn::Executor::Create(graph)->Run({{graph.inputs[0].name, set.Batch(0, count)}})->at(graph.outputs[0].name));
  for (int32_t& label : set.labels) {
    if (random() % 2 == 0) label = static_cast<int32_t>(random() % static_cast<uint64_t>(classes));
  }
  return set;
}

// 3x32x32, a second layer with 65,536 values an image (so that 64 images make a batch), a pool behind it.
nn::Graph VggLike() {
  nn::NetworkBuilder b({3, 32, 32}, 5);
  const nn::Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  b.Conv(6, same);
  b.Append(nn::Square{});
  b.Conv(64, same);
  b.BatchNorm();
  b.Append(nn::Relu{});
  b.Append(nn::MaxPool{{{4, 4}, {4, 4}, {}}});
  b.Conv(8, same);
  b.Append(nn::Relu{});
  b.Append(nn::Flatten{1});
  b.Gemm(10);
  return b.Finish();
}

// The square is read by the next convolution and by a shortcut around it.
nn::Graph ResNetLike() {
  nn::NetworkBuilder b({3, 12, 12}, 7);
  const nn::Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(nn::Square{});
  const std::string shortcut = b.at;
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(nn::Relu{});
  b.Conv(8, same, false);
  b.BatchNorm();
  b.Append(nn::Add{}, {}, {shortcut});
  b.Append(nn::Relu{});
  b.Pool({{4, 4}, {4, 4}, {}});
  b.Append(nn::Flatten{1});
  b.Gemm(10);
  return b.Finish();
}

// Whether the label is among the k largest scores, or nothing where float rounding may decide.
std::vector<std::optional<bool>> Right(const nn::Tensor& scores, const std::vector<int32_t>& labels, int64_t top_k) {
  std::vector<std::optional<bool>> right;
  const int64_t classes = scores.dim(1);
  for (size_t k = 0; k < labels.size(); ++k) {
    const float* row = scores.values.data() + static_cast<int64_t>(k) * classes;
    float largest = 0;
    for (int64_t c = 0; c < classes; ++c) largest = std::max(largest, std::abs(row[c]));
    const float margin = 2e-5F * largest;
    int64_t before = 0, close = 0;
    for (int64_t c = 0; c < classes; ++c) {
      // Equal scores are zeros and constants, which rounding leaves alone: the first of them counts.
      const bool equal = row[c] == row[labels[k]];
      before += row[c] > row[labels[k]] + margin || (equal && c < labels[k]);
      close += !equal && std::abs(row[c] - row[labels[k]]) <= margin;
    }
    if (before >= top_k) {
      right.emplace_back(false);
    } else if (before + close < top_k) {
      right.emplace_back(true);
    } else {
      right.emplace_back(std::nullopt);
    }
  }
  return right;
}

struct Naive {
  std::vector<std::optional<bool>> separated, removed;
};

// What EvaluateSelection counts, image by image.
absl::StatusOr<Naive> RunNaively(const nn::Graph& graph, const nn::Selection& selection, const nn::ImageSet& images,
                                 int64_t top_k) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, nn::FindSegments(graph, selection));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph separated, nn::Separate(graph, segments));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segments));
  Naive naive;
  for (const nn::Graph* network : {&separated, &rest}) {
    PRIVDNN_ASSIGN_OR_RETURN(const nn::Executor executor, nn::Executor::Create(*network));
    std::map<std::string, nn::Tensor> inputs;
    for (const nn::ValueInfo& value : network->inputs) {
      auto shape = value.shape;
      shape[0] = images.count;
      inputs[value.name] = nn::IsSegmentInput(value.name) ? nn::Tensor::Zeros(shape) : images.Batch(0, images.count);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, executor.Run(inputs));
    (network == &rest ? naive.removed : naive.separated) =
        Right(outputs.at(graph.outputs[0].name), images.labels, top_k);
  }
  return naive;
}

// Images compared, and those among them that rounding may decide.
struct Count {
  size_t compared = 0, undecided = 0;
};

void Compare(const std::vector<std::optional<bool>>& naive, const std::vector<uint8_t>& outcome, int64_t begin,
             const std::string& what, Count& count) {
  for (size_t k = 0; k < outcome.size(); ++k) {
    const auto expected = naive[static_cast<size_t>(begin) + k];
    ++count.compared;
    count.undecided += !expected;
    if (expected) {
      ASSERT_EQ(outcome[k] != 0, *expected) << what << ", image " << begin + static_cast<int64_t>(k);
    }
  }
}

// Random candidates that a selection may have, every size of either layer among them.
std::vector<Candidate> RandomCandidates(const Evaluator& evaluator, size_t count, uint64_t seed) {
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
    // The same first layer again, so that candidates share what is left of it.
    for (size_t same = random() % 3; same > 0 && candidates.size() < count && !c.first.empty(); --same) {
      if (static_cast<int64_t>(c.first.size()) == evaluator.first_neurons()) break;
      candidates.push_back({c.first, pick(evaluator.second_neurons(), 1)});
    }
  }
  std::shuffle(candidates.begin(), candidates.end(), random);
  return candidates;
}

// Random candidates on ranges that cut batches in two, under each of the options, which differ in memory and threads
// alone.
void ExpectNaive(const nn::Graph& graph, const nn::ImageSet& images, const std::vector<EvaluatorOptions>& variants,
                 size_t candidates, const std::vector<std::pair<int64_t, int64_t>>& ranges) {
  std::vector<Candidate> chosen;
  std::vector<Naive> naive;
  for (const EvaluatorOptions& options : variants) {
    SCOPED_TRACE(fmt::format("cache {}, threads {}", options.cache_bytes, options.threads));
    const auto evaluator = Evaluator::Create(graph, images, options);
    ASSERT_TRUE(evaluator.ok()) << evaluator.status();
    if (chosen.empty()) chosen = RandomCandidates(*evaluator, candidates, 11);
    for (const Candidate& c : std::span(chosen).subspan(naive.size())) {
      auto result = RunNaively(graph, evaluator->ToSelection(c), images, options.top_k);
      ASSERT_TRUE(result.ok()) << result.status();
      naive.push_back(*std::move(result));
    }
    Count count;
    for (const auto& [begin, end] : ranges) {
      const auto outcomes = evaluator->Evaluate(chosen, begin, end, GoOn);
      ASSERT_TRUE(outcomes.ok()) << outcomes.status();
      ASSERT_EQ(outcomes->size(), chosen.size());
      for (size_t i = 0; i < chosen.size(); ++i) {
        const std::string what = nn::FormatSelection(evaluator->ToSelection(chosen[i]));
        ASSERT_EQ((*outcomes)[i].separated.size(), static_cast<size_t>(end - begin));
        ASSERT_EQ((*outcomes)[i].removed.size(), static_cast<size_t>(end - begin));
        Compare(naive[i].separated, (*outcomes)[i].separated, begin, what + " separated", count);
        Compare(naive[i].removed, (*outcomes)[i].removed, begin, what + " removed", count);
      }
    }
    EXPECT_LE(count.undecided, count.compared / 50) << "too many images that rounding decides";
  }
}

// Two networks must disagree on many images for a comparison to say anything.
void ExpectSpread(const nn::Graph& graph, const nn::ImageSet& images) {
  const auto evaluator = Evaluator::Create(graph, images, {});
  ASSERT_TRUE(evaluator.ok()) << evaluator.status();
  const auto chosen = RandomCandidates(*evaluator, 10, 11);
  const auto outcomes = *evaluator->Evaluate(chosen, 0, images.count, GoOn);
  size_t differ = 0;
  for (const Outcome& o : outcomes) {
    for (size_t k = 0; k < o.separated.size(); ++k) differ += o.separated[k] != o.removed[k];
  }
  EXPECT_GT(differ, outcomes.size() * static_cast<size_t>(images.count) / 50);
}

std::vector<EvaluatorOptions> WithCaches(const std::vector<uint64_t>& caches, const std::vector<int>& threads) {
  std::vector<EvaluatorOptions> variants;
  for (const uint64_t cache : caches) {
    for (const int t : threads) variants.push_back({.threads = t, .cache_bytes = cache});
  }
  return variants;
}

TEST(Evaluator, AgreesWithTheNaiveWayOnLeNet) {
  const auto& [graph, images] = Embedded();
  ExpectSpread(graph, images);
  // 1,000 images take 11 MB with every neuron's contribution and 4.5 MB without.
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 5 * kMiB, 0}, {1}), 20,
              {{0, 1000}, {37, 801}, {999, 1000}});
}

TEST(Evaluator, AgreesWithTheNaiveWayOnSeveralBatches) {
  const nn::Graph graph = VggLike();
  const nn::ImageSet images = RandomImages(graph, 150, 1);  // batches of 64, 64 and 22
  ExpectSpread(graph, images);
  // Contributions take 280 MB, the rest 43 MB: all kept, some batches, nothing.
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 60 * kMiB, 20 * kMiB, 0}, {1, 2}), 4,
              {{0, 150}, {63, 65}, {20, 140}});
}

TEST(Evaluator, AgreesWithTheNaiveWayWithAShortcut) {
  const nn::Graph graph = ResNetLike();
  const nn::ImageSet images = RandomImages(graph, 200, 2);
  ExpectSpread(graph, images);
  ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 3 * kMiB, 0}, {1, 2}), 15, {{0, 200}, {3, 101}});
}

TEST(Evaluator, AgreesWithTheNaiveWayOnTheArchitectureWithAShortcut) {
  const nn::Graph graph = *nn::BuildArchitecture("resnet18-tinyimagenet", 3, 10);
  ExpectNaive(graph, RandomImages(graph, 6, 3), {{}}, 2, {{0, 6}, {3, 5}});
}

TEST(Evaluator, AgreesWithTheNaiveWayOnTopThree) {
  const auto& [graph, all] = Embedded();
  const nn::ImageSet images = all.Head(300);
  EvaluatorOptions options;
  options.top_k = 3;
  ExpectNaive(graph, images, {options}, 12, {{0, 300}});
  // Every label is among as many as there are.
  options.top_k = 10;
  const auto evaluator = *Evaluator::Create(graph, images, options);
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{0, 1}, {2, 3}}}, 0, 300, GoOn);
  EXPECT_EQ(outcomes[0].removed, std::vector<uint8_t>(300, 1));
}

TEST(Evaluator, AgreesWithTheNaiveWayOnLinearSegments) {
  const auto& [graph, all] = Embedded();
  const nn::ImageSet images = all.Head(200);
  for (const int64_t layer : {1, 4, 5}) {
    SCOPED_TRACE(layer);
    EvaluatorOptions options;
    options.layers = 1;
    options.first_layer = layer;
    ExpectNaive(graph, images, {options}, 4, {{0, 200}, {50, 99}});
    const auto evaluator = *Evaluator::Create(graph, images, options);
    EXPECT_EQ(evaluator.first_neurons(), 0);
    EXPECT_EQ(evaluator.second_number(), layer);
    // Nothing is separated: what the user reads of a core neuron is what it would read of a plaintext one.
    const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{}, {0, 2}}}, 0, 200, GoOn);
    EXPECT_EQ(outcomes[0].separated, evaluator.original());
  }
}

TEST(Evaluator, AgreesWithTheNaiveWayOnRandomNetworks) {
  int quadratic = 0, shortcuts = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const nn::Graph graph = nn::RandomNetwork(seed);
    const auto pair = nn::FindQuadraticPair(graph);
    if (!pair.ok()) continue;
    ++quadratic;
    const auto everything =
        nn::ParseSelection(fmt::format("{}:all;{}:all", pair->first.number, pair->second.number), graph);
    shortcuts += !nn::FindSegments(graph, *everything)->front().shortcut.empty();
    const nn::ImageSet images = RandomImages(graph, 40, seed);
    ExpectNaive(graph, images, WithCaches({uint64_t{2} << 30, 0}, {1}), 4, {{0, 40}});
  }
  EXPECT_GT(quadratic, 15);
  EXPECT_GT(shortcuts, 3);
}

TEST(Evaluator, CountsWhatEvaluateSelectionCounts) {
  const auto& [graph, images] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const Candidate candidate{{1, 4}, {0, 1, 2, 3, 5, 7, 9, 11, 13}};
  const auto outcomes = *evaluator.Evaluate(std::vector{candidate}, 0, images.count, GoOn);
  const auto expected = *EvaluateSelection(graph, evaluator.ToSelection(candidate), images);
  const auto percent = [](const std::vector<uint8_t>& right) {
    return 100.0 * static_cast<double>(std::count(right.begin(), right.end(), 1)) / static_cast<double>(right.size());
  };
  EXPECT_EQ(percent(evaluator.original()), expected.original);
  EXPECT_EQ(percent(outcomes[0].separated), expected.separated);
  EXPECT_EQ(percent(outcomes[0].removed), expected.removed);
}

// Nothing encrypted behind the square: the networks without the first neurons.
TEST(Evaluator, TakesCandidatesWithoutSecondNeurons) {
  const auto& [graph, all] = Embedded();
  const nn::ImageSet images = all.Head(300);
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const std::vector<int64_t> core = {1, 3};
  nn::Graph without = graph;
  nn::Tensor& weights = without.initializers.at(graph.nodes[nn::FindLayers(graph)[1].node].inputs[1]);
  const int64_t area = weights.size() / 16 / 6;
  for (int64_t f = 0; f < 16; ++f) {
    for (const int64_t i : core) std::fill_n(weights.values.begin() + (f * 6 + i) * area, area, 0.0F);
  }
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{core, {}}, {{}, {}}}, 0, 300, GoOn);
  const auto original = *Evaluator::Create(without, images, {});
  EXPECT_EQ(outcomes[0].separated, original.original());
  EXPECT_EQ(outcomes[0].removed, original.original());
  EXPECT_EQ(outcomes[1].separated, evaluator.original());
  EXPECT_EQ(outcomes[1].removed, evaluator.original());
}

// Of any images, in the order they are asked for, from the cache or not: the sign is the outcome.
TEST(Evaluator, MarginsSayHowSureAnOutcomeIs) {
  const nn::Graph graph = ResNetLike();
  const nn::ImageSet images = RandomImages(graph, 90, 4);
  const std::vector<Candidate> candidates = {{{0, 2}, {1, 3}}, {{0, 2}, {0}}, {{1}, {}}, {{}, {2}}};
  std::vector<int64_t> some = {0, 1, 5, 17, 63, 64, 70, 89}, every(90);
  std::iota(every.begin(), every.end(), 0);
  for (const int64_t top_k : {1, 3}) {
    std::vector<std::vector<float>> expected;
    for (const uint64_t cache : {uint64_t{1} << 30, uint64_t{300000}, uint64_t{0}}) {
      const auto evaluator = *Evaluator::Create(graph, images, {.threads = 2, .top_k = top_k, .cache_bytes = cache});
      const auto outcomes = *evaluator.Evaluate(candidates, 0, 90, GoOn);
      std::vector<std::vector<float>> found;
      for (const View view : {View::kSeparated, View::kRemoved}) {
        const auto margins = *evaluator.Margins(candidates, view, every, GoOn);
        const auto few = *evaluator.Margins(candidates, view, some, GoOn);
        for (size_t c = 0; c < candidates.size(); ++c) {
          const auto& right = view == View::kSeparated ? outcomes[c].separated : outcomes[c].removed;
          for (size_t k = 0; k < 90; ++k) {
            ASSERT_NE(margins[c][k], 0);
            EXPECT_EQ(margins[c][k] > 0, right[k] == 1) << c << " " << k;
          }
          for (size_t k = 0; k < some.size(); ++k) {
            EXPECT_NEAR(few[c][k], margins[c][static_cast<size_t>(some[k])], 1e-4);
          }
          found.push_back(margins[c]);
        }
      }
      for (size_t k = 0; k < 90; ++k) {
        EXPECT_EQ(evaluator.original_margins()[k] > 0, evaluator.original()[k] == 1);
      }
      if (expected.empty()) expected = found;
      for (size_t i = 0; i < found.size(); ++i) {
        for (size_t k = 0; k < 90; ++k) EXPECT_NEAR(found[i][k], expected[i][k], 1e-4);
      }
    }
  }
  // The distance to the next class, on the network as it is.
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const auto scores = (*nn::Executor::Create(graph)).Run({{graph.inputs[0].name, images.Batch(0, 1)}});
  const std::vector<float>& row = scores->at(graph.outputs[0].name).values;
  float best_other = -std::numeric_limits<float>::infinity();
  const auto label = static_cast<size_t>(images.labels[0]);
  for (size_t i = 0; i < row.size(); ++i) {
    if (i != label) best_other = std::max(best_other, row[i]);
  }
  EXPECT_NEAR(evaluator.original_margins()[0], row[label] - best_other, 1e-4);
  for (const std::vector<int64_t>& wrong : {std::vector<int64_t>{}, {3, 3}, {4, 2}, {-1}, {90}}) {
    EXPECT_EQ(evaluator.Margins(candidates, View::kRemoved, wrong, GoOn).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// A shortcut reads the squares of the first neurons: the owner's, or zeros.
TEST(Evaluator, TellsNetworksApartByTheShortcutAlone) {
  const nn::Graph graph = ResNetLike();
  const nn::ImageSet images = RandomImages(graph, 100, 3);
  const auto evaluator = *Evaluator::Create(graph, images, {});
  const auto outcomes = *evaluator.Evaluate(std::vector<Candidate>{{{0, 1, 2, 3}, {}}}, 0, 100, GoOn);
  EXPECT_NE(outcomes[0].separated, outcomes[0].removed);
}

TEST(Evaluator, GoesBackAndForthBetweenCandidatesAndSelections) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(1), {});
  EXPECT_EQ(evaluator.first_number(), 1);
  EXPECT_EQ(evaluator.second_number(), 2);
  EXPECT_EQ(evaluator.first_neurons(), 6);
  EXPECT_EQ(evaluator.second_neurons(), 16);
  const Candidate candidate{{0, 5}, {3}};
  EXPECT_EQ(evaluator.ToSelection(candidate), (nn::Selection{{{1, {0, 5}}, {2, {3}}}}));
  EXPECT_EQ(*evaluator.FromSelection(evaluator.ToSelection(candidate)), candidate);
  EXPECT_EQ(*evaluator.FromSelection({{{2, {3}}}}), (Candidate{{}, {3}}));
  EXPECT_THAT(Message(evaluator.FromSelection({{{3, {0}}}}).status()), HasSubstr("layer 3 is not one of"));
  EXPECT_THAT(Message(evaluator.FromSelection({{{1, {6}}, {2, {0}}}}).status()),
              HasSubstr("layer 1 has neurons 0 to 5, 6 is not among them"));
}

TEST(Evaluator, CountsPairsAndStopsWhenAsked) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(50), {});
  const auto candidates = RandomCandidates(evaluator, 30, 1);
  uint64_t last = 0;
  const auto count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 30u * 40u);
    last = done;
    return true;
  };
  ASSERT_TRUE(evaluator.Evaluate(candidates, 10, 50, count).ok());
  EXPECT_EQ(last, 30u * 40u);
  const auto stop = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_EQ(evaluator.Evaluate(candidates, 0, 50, stop).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(evaluator.Evaluate({}, 0, 50, GoOn)->empty());
}

TEST(Evaluator, CountsImagesWhileItFillsAndStopsWhenAsked) {
  const nn::Graph graph = VggLike();
  const nn::ImageSet images = RandomImages(graph, 80, 1);  // batches of 64 and 16, 6 first neurons
  uint64_t last = 0, calls = 0;
  const auto count = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, 80u);
    last = done;
    ++calls;
    return true;
  };
  ASSERT_TRUE(Evaluator::Create(graph, images, {.threads = 2}, count).ok());
  EXPECT_EQ(last, 80u);
  // Within a batch too: at its begin, before each neuron, at its end.
  EXPECT_EQ(calls, 2u * 8u);
  calls = 0;
  const auto stop = [&](uint64_t done, uint64_t, const std::string&) {
    EXPECT_EQ(done, 0u);
    return ++calls < 4;
  };
  EXPECT_EQ(Evaluator::Create(graph, images, {.threads = 2}, stop).status(), absl::CancelledError("interrupted"));
}

TEST(Evaluator, RefusesWhatItCannotEvaluate) {
  const auto& [graph, all] = Embedded();
  const nn::ImageSet images = all.Head(4);
  const auto create = [&](const nn::Graph& network, const nn::ImageSet& set, const EvaluatorOptions& options) {
    return Message(Evaluator::Create(network, set, options).status());
  };
  EXPECT_THAT(create(graph, {}, {}), HasSubstr("no images"));
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    nn::Graph damaged = graph;
    damaged.initializers.begin()->second.values[3] = value;
    EXPECT_THAT(create(damaged, images, {}), HasSubstr(fmt::format("'{}': element 3 is {}, not a finite number",
                                                                   damaged.initializers.begin()->first, value)));
  }
  EXPECT_THAT(create(graph, images, {.top_k = 0}), HasSubstr("top 0 of 10 classes"));
  EXPECT_THAT(create(graph, images, {.top_k = 11}), HasSubstr("top 11 of 10 classes"));
  nn::ImageSet foreign = images;
  foreign.labels[2] = 10;
  EXPECT_THAT(create(graph, foreign, {}), HasSubstr("image 2 has label 10, the graph has 10 classes"));
  foreign = RandomImages(VggLike(), 2, 1);
  EXPECT_THAT(create(graph, foreign, {}), HasSubstr("(2, 3, 32, 32)"));
  EXPECT_THAT(create(graph, images, {.first_layer = 6}), HasSubstr("layers 1 to 5, 6 is not among them"));
  EXPECT_THAT(create(graph, images, {.first_layer = 5}), HasSubstr("layers 1 to 5, 6 is not among them"));
  EXPECT_THAT(create(graph, images, {.first_layer = 3}), HasSubstr("no square joins layers 3 and 4"));
  EXPECT_THAT(create(graph, images, {.first_layer = 2, .layers = 1}),
              HasSubstr("layer 2 reads the square of layer 1; choose both together"));
  EXPECT_THAT(create(graph, images, {.layers = 3}), HasSubstr("3 layers"));
  nn::NetworkBuilder b({1, 4, 4}, 1);
  b.Conv(2, {{3, 3}, {1, 1}, {}});
  b.Append(nn::Relu{});
  b.Append(nn::Flatten{1});
  b.Gemm(3);
  const nn::Graph without_square = b.Finish();
  EXPECT_THAT(create(without_square, RandomImages(without_square, 4, 1), {}), HasSubstr("square"));
}

TEST(Evaluator, RefusesCandidatesAndRangesThatAreNotThere) {
  const auto& [graph, all] = Embedded();
  const auto evaluator = *Evaluator::Create(graph, all.Head(4), {});
  const auto evaluate = [&](const Candidate& candidate, int64_t begin, int64_t end) {
    return Message(evaluator.Evaluate(std::vector{candidate}, begin, end, GoOn).status());
  };
  EXPECT_THAT(evaluate({{6}, {0}}, 0, 4), HasSubstr("layer 1 has neurons 0 to 5, 6 is not among them"));
  EXPECT_THAT(evaluate({{0}, {16}}, 0, 4), HasSubstr("layer 2 has neurons 0 to 15, 16 is not among them"));
  EXPECT_THAT(evaluate({{-1}, {0}}, 0, 4), HasSubstr("-1 is not among them"));
  EXPECT_THAT(evaluate({{2, 1}, {0}}, 0, 4), HasSubstr("neurons 2 and 1 of layer 1 do not ascend"));
  EXPECT_THAT(evaluate({{1}, {3, 3}}, 0, 4), HasSubstr("neurons 3 and 3 of layer 2 do not ascend"));
  EXPECT_THAT(evaluate({{1}, {3}}, 0, 5), HasSubstr("images 0 to 5 of 4"));
  EXPECT_THAT(evaluate({{1}, {3}}, 2, 2), HasSubstr("images 2 to 2 of 4"));
  EXPECT_THAT(evaluate({{1}, {3}}, -1, 2), HasSubstr("images -1 to 2 of 4"));
}

// Scores that overflow are wrong answers, not right ones.
TEST(Evaluator, CountsWhatIsNotANumberAsWrong) {
  nn::Graph graph = Embedded().graph;
  for (auto& [name, tensor] : graph.initializers) {
    for (float& value : tensor.values) value *= 1e12F;
  }
  const auto evaluator = Evaluator::Create(graph, Embedded().images.Head(20), {});
  ASSERT_TRUE(evaluator.ok()) << evaluator.status();
  EXPECT_EQ(evaluator->original(), std::vector<uint8_t>(20, 0));
}

}  // namespace
}  // namespace privdnn
