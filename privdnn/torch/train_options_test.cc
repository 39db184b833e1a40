// What the options of a training do, one by one and together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "privdnn/base/file.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/training.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/recipes.h"
#include "privdnn/torch/train_setup.h"

namespace privdnn {
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
  op::Gemm gemm;
  gemm.trans_b = true;
  const Window same{{3, 3}, {1, 1}, {1, 1, 1, 1}};
  g.nodes = {{"conv1", op::Conv{same, 1}, {"image", "w1"}, "c1"},
             {"norm1", op::BatchNormalization{}, {"c1", norm1[0], norm1[1], norm1[2], norm1[3]}, "n1"},
             {"square", op::Square{}, {"n1"}, "s"},
             {"conv2", op::Conv{same, 1}, {"s", "w2"}, "c2"},
             {"norm2", op::BatchNormalization{}, {"c2", norm2[0], norm2[1], norm2[2], norm2[3]}, "n2"},
             {"add", op::Add{}, {"n2", "s"}, "a"},
             {"relu", op::Relu{}, {"a"}, "r"},
             {"max", op::MaxPool{{{2, 2}, {1, 1}, {}}}, {"r"}, "m"},
             {"pool", op::AveragePool{{{2, 2}, {2, 2}, {}}, false}, {"m"}, "p"},
             {"flatten", op::Flatten{}, {"p"}, "f"},
             {"dropout", op::Dropout{0.2f}, {"f"}, "d"},
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

// With one step at full rate, each value moves by its share of what it moves by otherwise; with both optimizers.
TEST(TrainOptions, RatesScaleEachValuesStep) {
  for (const Optimizer optimizer : {Optimizer::kAdam, Optimizer::kSgd}) {
    TrainOptions options = SmallOptions();
    options.epochs = 1;
    options.optimizer = optimizer;
    options.augmentation = Augmentation::None();
    options.averaging = 0;
    options.warm_up = 0.5;
    options.weight_decay = 0.1;
    options.normalize = false;
    const auto moved = [&](const std::map<std::string, std::vector<float>>& rates) {
      options.rates = rates;
      const Graph trained = Train(SmallNetwork(), Quadrants(40, 1), {}, options, {})->graph;
      std::vector<double> difference;
      for (size_t i = 0; i < 64; ++i) {
        difference.push_back(double{trained.initializers.at("fc").values[i]} -
                             SmallNetwork().initializers.at("fc").values[i]);
      }
      return difference;
    };
    std::vector<float> shares(64);
    for (size_t i = 0; i < shares.size(); ++i) shares[i] = static_cast<float>(i % 4) * 0.25f;
    // All else stays, so that values that move less don't make others move otherwise.
    const std::map<std::string, std::vector<float>> others = {{"w", {0}}, {"scale", {0}}, {"shift", {0}}};
    auto rates = others;
    rates["fc"] = {1};
    const auto whole = moved(rates);
    rates["fc"] = shares;
    const auto scaled = moved(rates);
    rates["fc"] = {0.5};
    const auto half = moved(rates);
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_GT(std::abs(whole[i]), 1e-5);
      EXPECT_NEAR(scaled[i], shares[i] * whole[i], 2e-6);
      EXPECT_NEAR(half[i], 0.5 * whole[i], 2e-6);
    }
  }
}

// Values with rate 0 stay in every bit, also the sign of a zero, while others of the same initializer are trained.
TEST(TrainOptions, RateZeroKeepsEveryBit) {
  Graph graph = SmallResidualNetwork();
  for (auto& [name, tensor] : graph.initializers) {
    for (size_t i = 0; i < tensor.values.size(); i += 5) {
      if (!name.ends_with("variance")) tensor.values[i] = -0.0f;
    }
  }
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    for (const Optimizer optimizer : {Optimizer::kAdam, Optimizer::kSgd}) {
      TrainOptions options = EveryOption();
      options.precision = precision;
      options.optimizer = optimizer;
      options.averaging = 0.9;
      for (const auto& [name, tensor] : graph.initializers) {
        for (size_t i = 0; i < tensor.values.size(); ++i) options.rates[name].push_back(i % 2 == 0 ? 0 : 1);
      }
      options.rates["w2"] = {0};
      const auto result = Train(graph, ColouredQuadrants(300, 1), ColouredQuadrants(100, 2), options, {});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->graph.nodes, graph.nodes);
      for (const auto& [name, tensor] : graph.initializers) {
        const std::vector<float>& after = result->graph.initializers.at(name).values;
        size_t same = 0;
        for (size_t i = 0; i < after.size(); ++i) {
          const bool equal = std::bit_cast<uint32_t>(after[i]) == std::bit_cast<uint32_t>(tensor.values[i]);
          EXPECT_TRUE(equal || (i % 2 == 1 && name != "w2")) << name << " " << i;
          same += equal;
        }
        EXPECT_EQ(same == after.size(), name == "w2") << name;
      }
    }
  }
}

// Batch normalisation of which nothing is measured computes in training what it computes later: at a rate of almost 0
// and without augmentation, the loss is that of the network as it is.
TEST(TrainOptions, FixedStatisticsAreUsedInTraining) {
  Graph graph = SmallNetwork();
  graph.initializers["mean"] = PatternTensor({4}, 5);
  graph.initializers["variance"] = {{4}, {0.5, 2, 3, 1.5}};
  const ImageSet set = Quadrants(40, 1);
  TrainOptions options = SmallOptions();
  options.epochs = 1;
  options.batch = 40;
  options.learning_rate = 1e-12;
  options.augmentation = Augmentation::None();
  options.normalize = false;
  options.rates = {{"mean", {0}}, {"variance", {0}}};
  const auto fixed = Train(graph, set, {}, options, {});
  ASSERT_TRUE(fixed.ok()) << fixed.status();
  const Tensor logits = Executor::Create(graph)->Run({{"image", set.Batch(0, 40)}})->at("logits");
  double loss = 0;
  for (size_t i = 0; i < 40; ++i) {
    double sum = 0;
    for (size_t c = 0; c < 4; ++c) sum += std::exp(double{logits.values[4 * i + c]});
    loss += (std::log(sum) - logits.values[4 * i + static_cast<size_t>(set.labels[i])]) / 40;
  }
  EXPECT_NEAR(fixed->epochs[0].train_loss, loss, 1e-4);
  // If one of the two is measured, batches normalise, and the other one stays all the same.
  options.rates = {{"mean", {0}}};
  const auto measured = Train(graph, set, {}, options, {});
  EXPECT_GT(std::abs(measured->epochs[0].train_loss - loss), 1e-2);
  EXPECT_EQ(measured->graph.initializers.at("mean"), graph.initializers.at("mean"));
  EXPECT_NE(measured->graph.initializers.at("variance"), graph.initializers.at("variance"));
}

TEST(TrainOptions, PatienceEndsATraining) {
  const auto directory = TemporaryDirectory::Create().value();
  TrainOptions options = SmallOptions();
  options.epochs = 40;
  options.patience = 3;
  options.checkpoint = directory.path() / "state";
  const ImageSet train = Quadrants(400, 1), validation = Quadrants(100, 2);
  const auto cancelled = Train(SmallNetwork(), train, validation, options,
                               [](uint64_t done, uint64_t, const std::string&) { return done < 30; });
  EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kCancelled);
  const auto result = Train(SmallNetwork(), train, validation, options, {});
  ASSERT_TRUE(result.ok()) << result.status();
  const std::vector<EpochReport>& epochs = result->epochs;
  ASSERT_GT(epochs.size(), 3u);
  ASSERT_LT(epochs.size(), 40u);
  const auto better = [](const EpochReport& a, const EpochReport& b) {
    return a.validation_accuracy < b.validation_accuracy;
  };
  EXPECT_EQ(epochs.end() - std::max_element(epochs.begin(), epochs.end(), better), 4);
  // The file says that it is over.
  const auto again = Train(SmallNetwork(), train, validation, options, {});
  EXPECT_EQ(again->epochs, epochs);
  EXPECT_EQ(again->graph, result->graph);
  EXPECT_THAT(Message(Train(SmallNetwork(), train, {}, options, {}).status()), HasSubstr("patience of 3"));
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
      {[](TrainOptions& o) { o.patience = -1; }, "patience of -1"},
      {[](TrainOptions& o) {
         o.rates = {{"w1", {0.5, 1}}};
       },
       "2 rates for the 108 values of 'w1'"},
      {[](TrainOptions& o) {
         o.rates = {{"w1", {1.5}}};
       },
       "rate 1.5 of 'w1'"},
      {[](TrainOptions& o) {
         o.rates = {{"w1", {std::nanf("")}}};
       },
       "rate nan of 'w1'"},
      {[](TrainOptions& o) {
         for (const auto& [name, tensor] : SmallResidualNetwork().initializers) o.rates[name] = {0};
       },
       "nothing to train"},
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
  std::get<op::AveragePool>(odd.nodes[8].op).window.kernel = {3, 3};
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
}  // namespace privdnn
