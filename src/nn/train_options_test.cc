// What the options of a training do, one by one and together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/file.h"
#include "nn/architectures.h"
#include "nn/executor.h"
#include "nn/recipes.h"
#include "nn/test_graphs.h"
#include "nn/test_training.h"
#include "nn/train_setup.h"

namespace privdnn::nn {
namespace {

using testing::HasSubstr;

// The quadrants in colours.
ImageSet ColouredQuadrants(int64_t count, uint64_t seed) {
  const ImageSet gray = Quadrants(count, seed);
  ImageSet set = gray;
  set.channels = 3;
  set.pixels.clear();
  for (int64_t i = 0; i < count; ++i) {
    for (uint8_t channel = 0; channel < 3; ++channel) {
      for (int64_t p = 0; p < 36; ++p) {
        set.pixels.push_back(static_cast<uint8_t>(gray.pixels[static_cast<size_t>(i * 36 + p)] / (channel + 1)));
      }
    }
  }
  return set;
}

// A residual block as in the architectures, with everything that they have: padding, batch normalisation, square, both
// pools, dropout. Takes images of 6x6 or, halved, of 3x3 with a pool of half the window.
Graph SmallResidualNetwork() {
  Graph g;
  g.name = "residual";
  g.inputs = {{"image", {-1, 3, 6, 6}}};
  g.outputs = {{"logits", {-1, 4}}};
  const auto normalise = [&](const std::string& name, int64_t channels) {
    g.initializers[name + ".scale"] = {{channels}, std::vector<float>(static_cast<size_t>(channels), 1.0f)};
    g.initializers[name + ".variance"] = g.initializers[name + ".scale"];
    g.initializers[name + ".shift"] = g.initializers[name + ".mean"] = Tensor::Zeros({channels});
    return std::vector<std::string>{name + ".scale", name + ".shift", name + ".mean", name + ".variance"};
  };
  const auto norm1 = normalise("norm1", 4), norm2 = normalise("norm2", 4);
  g.initializers["w1"] = PatternTensor({4, 3, 3, 3}, 1);
  g.initializers["w2"] = PatternTensor({4, 4, 3, 3}, 2);
  g.initializers["fc"] = PatternTensor({4, 16}, 3);
  g.initializers["fc_bias"] = Tensor::Zeros({4});
  Gemm gemm;
  gemm.trans_b = true;
  const Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  g.nodes = {{"conv1", Conv{same, 1}, {"image", "w1"}, "c1"},
             {"norm1", BatchNormalization{}, {"c1", norm1[0], norm1[1], norm1[2], norm1[3]}, "n1"},
             {"square", Square{}, {"n1"}, "s"},
             {"conv2", Conv{same, 1}, {"s", "w2"}, "c2"},
             {"norm2", BatchNormalization{}, {"c2", norm2[0], norm2[1], norm2[2], norm2[3]}, "n2"},
             {"add", Add{}, {"n2", "s"}, "a"},
             {"relu", Relu{}, {"a"}, "r"},
             {"max", MaxPool{{{2, 2}, {1, 1}, {}}}, {"r"}, "m"},
             {"pool", AveragePool{{{2, 2}, {2, 2}, {}}, false}, {"m"}, "p"},
             {"flatten", Flatten{}, {"p"}, "f"},
             {"dropout", Dropout{0.2f}, {"f"}, "d"},
             {"linear", gemm, {"d", "fc", "fc_bias"}, "logits"}};
  return g;
}

TrainOptions EveryOption() {
  TrainOptions options = SmallOptions();
  options.epochs = 4;
  options.half_size_epochs = 1;
  options.optimizer = Optimizer::kSgd;
  options.learning_rate = 0.05;
  options.warm_up = 0.25;
  options.weight_decay = 1e-3;
  options.label_smoothing = 0.1;
  options.averaging = 0;
  options.augmentation = {0.5, 5, 0.05, 0.05, 1, 0.1, 0.3};
  return options;
}

absl::StatusOr<TrainResult> TrainResidual(const TrainOptions& options, const ProgressFn& progress = {}) {
  return Train(SmallResidualNetwork(), ColouredQuadrants(300, 1), ColouredQuadrants(100, 2), options, progress);
}

TEST(TrainOptions, TogetherAreDeterministicAndGoOnFromACheckpoint) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    for (const double averaging : {0.0, 0.9}) {
      TrainOptions options = EveryOption();
      options.precision = precision;
      options.averaging = averaging;
      const auto first = TrainResidual(options);
      ASSERT_TRUE(first.ok()) << first.status();
      EXPECT_EQ(TrainResidual(options)->graph, first->graph);
      const auto directory = TemporaryDirectory::Create().value();
      options.checkpoint = directory.path() / "state";
      for (const uint64_t stop : {3, 15, 40}) {  // in the halved epoch, at its end, later
        const auto cancelled =
            TrainResidual(options, [&](uint64_t done, uint64_t, const std::string&) { return done < stop; });
        EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
      }
      const auto resumed = TrainResidual(options);
      ASSERT_TRUE(resumed.ok()) << resumed.status();
      EXPECT_EQ(resumed->graph, first->graph);
      EXPECT_EQ(resumed->epochs, first->epochs);
    }
  }
}

TEST(TrainOptions, LearnInBothPrecisionsWithBothOptimizers) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    for (const Optimizer optimizer : {Optimizer::kAdam, Optimizer::kSgd}) {
      TrainOptions options = SmallOptions();
      options.optimizer = optimizer;
      options.precision = precision;
      options.augmentation = Augmentation::None();
      const auto result = TrainResidual(options);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_GT(result->validation_accuracy, 95);
      EXPECT_EQ(Accuracy(result->graph, ColouredQuadrants(100, 2)).value(), result->validation_accuracy);
    }
  }
}

TEST(TrainOptions, PaddedFirstLayersAreNormalisedToo) {
  TrainOptions options = SmallOptions();
  const ImageSet train = Quadrants(400, 1), validation = Quadrants(100, 2);
  const auto result = Train(PaddedNetwork(), train, validation, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->validation_accuracy, 95);
  EXPECT_EQ(Accuracy(result->graph, validation).value(), result->validation_accuracy);
  EXPECT_EQ(result->graph.inputs, PaddedNetwork().inputs);
  EXPECT_EQ(result->graph.nodes[0].op, PaddedNetwork().nodes[0].op);

  // At a learning rate of almost 0 the function stays what it was but for running statistics.
  options.epochs = 1;
  options.learning_rate = 1e-12;
  Graph graph = PaddedNetwork();
  std::erase_if(graph.nodes, [](const Node& node) { return node.name == "norm"; });
  graph.nodes[1].inputs = {"c"};
  const auto same = Train(graph, train, {}, options, {});
  ASSERT_TRUE(same.ok()) << same.status();
  const Tensor x = validation.Batch(0, 5);
  const Tensor before = Executor::Create(graph)->Run({{"image", x}})->at("logits");
  const Tensor after = Executor::Create(same->graph)->Run({{"image", x}})->at("logits");
  for (size_t i = 0; i < before.values.size(); ++i) EXPECT_NEAR(before.values[i], after.values[i], 1e-3);
}

// Two steps, of which the second has rate 0: weights move by the rate times a direction that does not depend on it.
// Adam's direction hardly depends on the gradient's length, momentum's is the gradient.
TEST(TrainOptions, MomentumFollowsTheGradient) {
  TrainOptions options = SmallOptions();
  options.epochs = 1;
  options.optimizer = Optimizer::kSgd;
  options.augmentation = Augmentation::None();
  options.averaging = 0;
  options.warm_up = 0;
  options.normalize = false;
  const auto moved = [&](double rate, double decay) {
    options.learning_rate = rate;
    options.weight_decay = decay;
    const Graph trained = Train(SmallNetwork(), Quadrants(40, 1), {}, options, {})->graph;
    std::vector<double> difference;
    for (size_t i = 0; i < 64; ++i) {
      difference.push_back(double{trained.initializers.at("fc").values[i]} -
                           SmallNetwork().initializers.at("fc").values[i]);
    }
    return difference;
  };
  const auto once = moved(0.01, 0), twice = moved(0.02, 0), decayed = moved(0.01, 0.5);
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_NEAR(twice[i], 2 * once[i], 1e-5);
    // Half the rate (a cosine between two steps), Nesterov's 1 + 0.9, decay times weight.
    EXPECT_NEAR(decayed[i] - once[i], -0.01 / 2 * 1.9 * 0.5 * SmallNetwork().initializers.at("fc").values[i], 1e-5);
  }
}

TEST(TrainOptions, LabelSmoothingKeepsLossesUp) {
  TrainOptions options = SmallOptions();
  options.augmentation = Augmentation::None();
  const double sharp = TrainResidual(options)->epochs.back().train_loss;
  options.label_smoothing = 0.4;
  EXPECT_GT(TrainResidual(options)->epochs.back().train_loss, sharp + 0.5);
}

TEST(TrainOptions, RefuseWhatMakesNoSense) {
  const std::vector<std::pair<std::function<void(TrainOptions&)>, const char*>> cases = {
      {[](TrainOptions& o) { o.warm_up = 1; }, "warm-up 1"},
      {[](TrainOptions& o) { o.label_smoothing = -0.1; }, "label smoothing -0.1"},
      {[](TrainOptions& o) { o.half_size_epochs = 7; }, "7 of 6 epochs on halved images"},
      {[](TrainOptions& o) { o.half_size_epochs = -1; }, "-1 of 6 epochs"},
      {[](TrainOptions& o) { o.augmentation.crop_padding = 6; }, "6 black pixels"},
      {[](TrainOptions& o) { o.augmentation.flip = 1.5; }, "flips (1.5)"},
      {[](TrainOptions& o) { o.augmentation.grayscale = std::nan(""); }, "grayscale (nan)"},
      {[](TrainOptions& o) { o.augmentation.shear = -1; }, "shear -1"},
  };
  for (const auto& [change, message] : cases) {
    TrainOptions options = SmallOptions();
    change(options);
    EXPECT_THAT(Message(TrainResidual(options).status()), HasSubstr(message));
  }
}

TEST(ForHalfSize, HalvesImagesAndTheLastPool) {
  const Graph whole = BuildArchitecture("resnet18-tinyimagenet", 1, 30).value();
  const auto half = ForHalfSize(whole);
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_EQ(half->inputs[0].shape, (std::vector<int64_t>{-1, 3, 32, 32}));
  EXPECT_EQ(half->initializers, whole.initializers);
  EXPECT_EQ(InferShapes(*half)->at("flatten.out"), InferShapes(whole)->at("flatten.out"));

  EXPECT_THAT(Message(ForHalfSize(BuildArchitecture("vgg16-cifar10", 1).value()).status()),
              HasSubstr("an average pool"));
  EXPECT_THAT(Message(ForHalfSize(BuildArchitecture("lenet5-mnist", 1).value()).status()), HasSubstr("halved images"));
  Graph odd = SmallResidualNetwork();
  std::get<AveragePool>(odd.nodes[8].op).window.kernel = {3, 3};
  EXPECT_THAT(Message(ForHalfSize(odd).status()), HasSubstr("node 'pool'"));
}

TEST(Recipes, FitTheirDataSets) {
  for (const std::string& name : ArchitectureNames()) {
    const auto recipe = FindRecipe(name);
    ASSERT_TRUE(recipe.ok()) << recipe.status();
    const auto data_set = FindDataSet(recipe->data_set);
    ASSERT_TRUE(data_set.ok()) << data_set.status();
    const Graph graph = BuildArchitecture(name, 1).value();
    EXPECT_EQ(graph.inputs[0].shape, (std::vector<int64_t>{-1, data_set->channels, data_set->height, data_set->width}));
    const ImageSet set{
        1,
        data_set->channels,
        data_set->height,
        data_set->width,
        std::vector<uint8_t>(static_cast<size_t>(data_set->channels * data_set->height * data_set->width)),
        {0},
        2};
    EXPECT_TRUE(CheckTrainArguments(graph, set, set, recipe->options).ok()) << name;
    EXPECT_TRUE(recipe->options.half_size_epochs == 0 || ForHalfSize(graph).ok()) << name;
  }
  EXPECT_EQ(FindRecipe("lenet6").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace privdnn::nn
