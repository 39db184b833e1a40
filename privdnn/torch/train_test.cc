#include "privdnn/torch/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "privdnn/base/file.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/training.h"
#include "privdnn/torch/batches.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

TrainResult MustTrain(const TrainOptions& options, const ProgressFn& progress = {}) {
  auto result = Train(SmallNetwork(), Quadrants(400, 1), Quadrants(100, 2), options, progress);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : TrainResult{};
}

TEST(Train, LearnsASmallProblem) {
  const TrainResult result = MustTrain(SmallOptions());
  ASSERT_EQ(result.epochs.size(), 6u);
  EXPECT_EQ(result.epochs[5].epoch, 6);
  EXPECT_LT(result.epochs[5].train_loss, 0.5 * result.epochs[0].train_loss);
  EXPECT_GT(result.validation_accuracy, 95);
  const ImageSet fresh = Quadrants(200, 3);
  EXPECT_GT(Accuracy(result.graph, fresh).value(), 95);
  EXPECT_LT(Accuracy(SmallNetwork(), fresh).value(), 60);
}

TEST(Train, ReportsTheAccuracyThatTheReturnedGraphHas) {
  for (const bool normalize : {false, true}) {
    TrainOptions options = SmallOptions();
    options.normalize = normalize;
    std::vector<EpochReport> reports;
    options.on_epoch = [&](const EpochReport& report) { reports.push_back(report); };
    const TrainResult result = MustTrain(options);
    EXPECT_EQ(reports, result.epochs);
    double best = 0;
    for (const EpochReport& report : reports) best = std::max(best, report.validation_accuracy);
    EXPECT_EQ(result.validation_accuracy, best);
    EXPECT_EQ(Accuracy(result.graph, Quadrants(100, 2)).value(), best);
  }
}

TEST(Train, IsDeterministicForASeed) {
  for (const int threads : {1, 2}) {
    TrainOptions options = SmallOptions();
    options.threads = threads;
    const TrainResult first = MustTrain(options);
    EXPECT_EQ(first.graph, MustTrain(options).graph);
    options.seed = 2;
    EXPECT_NE(first.graph, MustTrain(options).graph);
  }
}

TEST(Train, IsNotDisturbedByWhatACallbackRuns) {
  TrainOptions options = SmallOptions();
  options.threads = 2;
  options.epochs = 2;
  const Graph expected = MustTrain(options).graph;
  options.on_epoch = [](const EpochReport&) {
    SetExecutorThreads(1);
    EXPECT_TRUE(Accuracy(SmallNetwork(), Quadrants(10, 1)).ok());
  };
  EXPECT_EQ(MustTrain(options).graph, expected);
}

TEST(Train, LeavesSmallNumbersAsTheyWere) {
  volatile float small = std::numeric_limits<float>::min();
  for (const int threads : {1, 2}) {
    TrainOptions options = SmallOptions();
    options.threads = threads;
    options.epochs = 1;
    MustTrain(options, [&](uint64_t, uint64_t, const std::string&) {
      EXPECT_GT(small / 4, 0);
      return true;
    });
  }
}

TEST(Train, CountsBatches) {
  uint64_t calls = 0;
  MustTrain(SmallOptions(), [&](uint64_t done, uint64_t total, const std::string& note) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 6u * 20u);
    EXPECT_THAT(note, HasSubstr("loss"));
    return true;
  });
  EXPECT_EQ(calls, 120u);
}

TEST(Train, GoesOnFromACheckpointToTheSameResult) {
  const auto directory = TemporaryDirectory::Create().value();
  TrainOptions options = SmallOptions();
  const TrainResult uninterrupted = MustTrain(options);
  options.checkpoint = directory.path() / "state";
  for (const uint64_t stop : {1, 37, 40, 90}) {
    const auto cancelled = Train(SmallNetwork(), Quadrants(400, 1), Quadrants(100, 2), options,
                                 [&](uint64_t done, uint64_t, const std::string&) { return done < stop; });
    EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
  }
  uint64_t first = 0;
  const TrainResult resumed = MustTrain(options, [&](uint64_t done, uint64_t, const std::string&) {
    if (first == 0) first = done;
    return true;
  });
  EXPECT_EQ(first, 91u);
  EXPECT_EQ(resumed.graph, uninterrupted.graph);
  EXPECT_EQ(resumed.epochs, uninterrupted.epochs);
  EXPECT_EQ(MustTrain(options).graph, uninterrupted.graph);

  options.seed = 9;
  const auto other = Train(SmallNetwork(), Quadrants(400, 1), Quadrants(100, 2), options, {});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(other.status()), HasSubstr("state"));
}

TEST(Train, LeavesFrozenAndUnusedInitializersAlone) {
  Graph graph = SmallNetwork();
  graph.initializers["unused"] = PatternTensor({3}, 1);
  TrainOptions options = SmallOptions();
  options.epochs = 1;
  options.rates = {{"fc", {0}}, {"scale", {0, 0, 0, 0}}};
  const auto result = Train(graph, Quadrants(400, 1), {}, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->validation_accuracy, 0);
  for (const char* name : {"fc", "scale", "unused"}) {
    EXPECT_EQ(result->graph.initializers.at(name), graph.initializers.at(name)) << name;
  }
  for (const char* name : {"w", "shift", "mean", "variance", "fc_bias"}) {
    EXPECT_NE(result->graph.initializers.at(name), graph.initializers.at(name)) << name;
  }
}

TEST(Train, LeavesAFrozenFirstLayerAloneInEveryBit) {
  TrainOptions options = SmallOptions();
  options.epochs = 1;
  options.rates = {{"w", {0}}};
  const auto result = Train(SmallNetwork(), Quadrants(400, 1), {}, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->graph.initializers.at("w"), SmallNetwork().initializers.at("w"));
  EXPECT_EQ(result->graph.nodes, SmallNetwork().nodes);
}

// At a learning rate of almost 0 the function stays what it was, through folding in and out.
TEST(Train, StartsFromTheGivenFunction) {
  TrainOptions options = SmallOptions();
  options.epochs = 1;
  options.learning_rate = 1e-12;
  Graph graph = SmallNetwork();
  std::erase_if(graph.nodes, [](const Node& node) { return node.name == "norm"; });
  graph.nodes[1].inputs = {"c"};
  const auto result = Train(graph, Quadrants(400, 1), {}, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  const Tensor x = Quadrants(5, 4).Batch(0, 5);
  const Tensor before = Executor::Create(graph)->Run({{"image", x}})->at("logits");
  const Tensor after = Executor::Create(result->graph)->Run({{"image", x}})->at("logits");
  for (size_t i = 0; i < before.values.size(); ++i) EXPECT_NEAR(before.values[i], after.values[i], 1e-4);
}

TEST(Train, RefusesWhatItCannotTrain) {
  const ImageSet set = Quadrants(40, 1);
  const auto error = [&](const Graph& graph, const ImageSet& train, const TrainOptions& options) {
    const auto result = Train(graph, train, {}, options, {});
    EXPECT_FALSE(result.ok());
    return Message(result.status());
  };
  EXPECT_THAT(error(SmallNetwork(), {}, SmallOptions()), HasSubstr("training set is empty"));
  ImageSet wide = set;
  wide.width = 3;
  wide.height = 12;
  EXPECT_THAT(error(SmallNetwork(), wide, SmallOptions()), HasSubstr("images have shape"));
  ImageSet classes = set;
  classes.classes = 5;
  EXPECT_THAT(error(SmallNetwork(), classes, SmallOptions()), HasSubstr("5 classes"));
  TrainOptions options = SmallOptions();
  options.epochs = 0;
  EXPECT_THAT(error(SmallNetwork(), set, options), HasSubstr("0 epochs"));
  options = SmallOptions();
  options.learning_rate = std::nan("");
  EXPECT_THAT(error(SmallNetwork(), set, options), HasSubstr("learning rate"));
  options = SmallOptions();
  options.rates = {{"nothing", {0}}};
  EXPECT_THAT(error(SmallNetwork(), set, options), HasSubstr("'nothing'"));
  Graph softmax = SmallNetwork();
  softmax.nodes.back().output = "sum";
  softmax.nodes.push_back({"softmax", op::Softmax{}, {"sum"}, "logits"});
  EXPECT_THAT(error(softmax, set, SmallOptions()), HasSubstr("logits"));
  options = SmallOptions();
  options.learning_rate = 1e30;
  EXPECT_THAT(error(SmallNetwork(), set, options), HasSubstr("try a learning rate below 1e+30"));
}

TEST(Normalization, MeasuresEachChannel) {
  const ImageSet set{2, 2, 1, 2, {0, 255, 51, 51, 255, 0, 51, 51}, {0, 0}, 1};
  const Normalization n = MeasureNormalization(set);
  EXPECT_DOUBLE_EQ(n.mean[0], 0.5);
  EXPECT_DOUBLE_EQ(n.deviation[0], 0.5);
  EXPECT_DOUBLE_EQ(n.mean[1], 0.2);
  EXPECT_DOUBLE_EQ(n.deviation[1], 1);  // constant
}

TEST(Normalization, FoldsIntoGroupedConvolutions) {
  for (const int64_t groups : {1, 2}) {
    const Graph graph = SingleNodeGraph({4, 5, 5}, op::Conv{{{3, 2}, {2, 1}, {}}, groups},
                                        {{"w", PatternTensor({6, 4 / groups, 3, 2}, 1)}}, {"x", "w"}, {6, 2, 4});
    const Normalization normalization{{0.5, -1, 2, 0.25}, {2, 0.5, 4, 1}};
    const auto folded = FoldNormalization(graph, normalization);
    ASSERT_TRUE(folded.ok()) << folded.status();
    const Tensor x = PatternTensor({2, 4, 5, 5}, 9);
    Tensor normalised = x;
    for (size_t i = 0; i < x.values.size(); ++i) {
      const size_t c = i / 25 % 4;
      normalised.values[i] = static_cast<float>((x.values[i] - normalization.mean[c]) / normalization.deviation[c]);
    }
    const Tensor expected = Executor::Create(graph)->Run({{"x", normalised}})->at("y");
    const Tensor actual = Executor::Create(*folded)->Run({{"x", x}})->at("y");
    for (size_t i = 0; i < expected.values.size(); ++i) EXPECT_NEAR(actual.values[i], expected.values[i], 1e-5);
    const auto back = FoldNormalization(*folded, normalization.Inverse());
    for (size_t i = 0; i < graph.initializers.at("w").values.size(); ++i) {
      EXPECT_NEAR(back->initializers.at("w").values[i], graph.initializers.at("w").values[i], 1e-6);
    }
  }
}

TEST(Normalization, RefusesGraphsThatItWouldChange) {
  const Normalization normalization{{0.5}, {2}};
  Graph graph = SmallNetwork();
  EXPECT_THAT(Message(FoldNormalization(graph, {{0, 0}, {1, 1}}).status()), HasSubstr("channels"));
  graph.nodes[0] = {"relu", op::Relu{}, {"image"}, "r"};
  graph.nodes.insert(graph.nodes.begin() + 1, SmallNetwork().nodes[0]);
  graph.nodes[1].inputs[0] = "r";
  EXPECT_THAT(Message(FoldNormalization(graph, normalization).status()), HasSubstr("node 'relu' (Relu)"));
}

TEST(Normalization, MovesPaddingIntoTheImage) {
  const Graph padded = PaddedNetwork();
  const std::array<int64_t, 4> pads = FirstPadding(padded);
  EXPECT_EQ(pads, (std::array<int64_t, 4>{1, 0, 2, 1}));
  const Graph bare = WithFirstPadding(padded, {});
  EXPECT_EQ(FirstPadding(bare), (std::array<int64_t, 4>{}));
  EXPECT_EQ(bare.inputs[0].shape, (std::vector<int64_t>{-1, 1, 9, 7}));
  EXPECT_EQ(WithFirstPadding(bare, pads), padded);
  const Tensor x = PatternTensor({2, 1, 6, 6}, 1);
  Tensor bordered = Tensor::Zeros({2, 1, 9, 7});
  for (size_t i = 0; i < x.values.size(); ++i) {
    bordered.values[i / 36 * 63 + (i % 36 / 6 + 1) * 7 + i % 6] = x.values[i];
  }
  const Tensor expected = Executor::Create(padded)->Run({{"image", x}})->at("logits");
  const Tensor actual = Executor::Create(bare)->Run({{"image", bordered}})->at("logits");
  for (size_t i = 0; i < expected.values.size(); ++i) EXPECT_NEAR(actual.values[i], expected.values[i], 1e-5);

  Graph relu_first = padded;
  relu_first.nodes[0] = {"relu", op::Relu{}, {"image"}, "c"};
  EXPECT_EQ(FirstPadding(relu_first), (std::array<int64_t, 4>{}));
}

TEST(TopAccuracies, CountLabelsAmongTheLargest) {
  // The logits are the pixels.
  Graph graph = SingleNodeGraph({1, 1, 4}, op::Flatten{}, {}, {"x"}, {4});
  const ImageSet set{4, 1, 1, 4, {9, 5, 1, 7, 3, 3, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3}, {3, 0, 2, 0}, 4};
  const auto top = TopAccuracies(graph, set, std::array<int64_t, 4>{1, 2, 3, 4}, {}, 3);
  ASSERT_TRUE(top.ok()) << top.status();
  EXPECT_EQ(*top, (std::vector<double>{25, 50, 75, 100}));
  EXPECT_EQ(Accuracy(graph, set).value(), 25);
  ImageSet more = set;
  more.classes = 5;
  EXPECT_THAT(Message(Accuracy(graph, more).status()), HasSubstr("5 or more logits"));
  // What is not a number is never right.
  graph.nodes.push_back({"quotient", op::Div{}, {"y", "y"}, "q"});
  graph.outputs = {{"q", {-1, 4}}};
  EXPECT_EQ(TopAccuracies(graph, set.Slice(3, 4), std::array<int64_t, 1>{4}).value()[0], 0);
}

TEST(Accuracy, CountsInPercent) {
  ImageSet set = Quadrants(7, 1);
  const auto all = Accuracy(SmallNetwork(), set, {}, 3);
  ASSERT_TRUE(all.ok()) << all.status();
  const std::vector<int32_t> guesses =
      Argmax(Executor::Create(SmallNetwork())->Run({{"image", set.Batch(0, 7)}})->at("logits"));
  set.labels = guesses;
  EXPECT_EQ(Accuracy(SmallNetwork(), set, {}, 3).value(), 100);
  set.labels[2] = (set.labels[2] + 1) % 4;
  EXPECT_DOUBLE_EQ(Accuracy(SmallNetwork(), set, {}, 2).value(), 600.0 / 7);
  EXPECT_FALSE(Accuracy(SmallNetwork(), {}, {}, 2).ok());
  EXPECT_FALSE(Accuracy(SmallNetwork(), set, {}, 0).ok());
  const auto stop = [](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_EQ(total, 7u);
    return done < 4;
  };
  EXPECT_TRUE(absl::IsCancelled(Accuracy(SmallNetwork(), set, stop, 2).status()));
}

}  // namespace
}  // namespace privdnn
