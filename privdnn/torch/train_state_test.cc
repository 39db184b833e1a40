#include "privdnn/torch/train_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "privdnn/testing/graphs.h"
#include "privdnn/torch/train_setup.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

const std::vector<int64_t> kSizes = {3, 1};

TrainState SomeState() {
  TrainState state{17, 0.25, 98.5, {{1, 2.5, 90}, {2, 1.5, 98.5}}, {}};
  for (const int64_t size : kSizes) {
    const auto values = [&](int salt) { return PatternTensor({size}, salt).values; };
    state.parameters.push_back({values(1), values(2), values(3), values(4), values(5)});
  }
  return state;
}
Fingerprint SomeFingerprint() { return {1, 2, 3}; }

TEST(TrainState, ReadsWhatItWrites) {
  const Bytes bytes = WriteTrainState(SomeState(), SomeFingerprint());
  const auto state = ReadTrainState(bytes, "state", SomeFingerprint(), kSizes);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(*state, SomeState());
}

TEST(TrainState, BelongsToOneTraining) {
  const Bytes bytes = WriteTrainState(SomeState(), SomeFingerprint());
  const auto state = ReadTrainState(bytes, "state", Fingerprint{9}, kSizes);
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(ReadTrainState(bytes, "state", SomeFingerprint(), {3, 2}).ok());
  EXPECT_FALSE(ReadTrainState(bytes, "state", SomeFingerprint(), {3}).ok());
}

TEST(TrainState, RefusesDamage) {
  Bytes bytes = WriteTrainState(SomeState(), SomeFingerprint());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadTrainState(std::span(bytes).first(size), "state", SomeFingerprint(), kSizes).ok());
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 0x10;
    const auto state = ReadTrainState(bytes, "state", SomeFingerprint(), kSizes);
    ASSERT_FALSE(state.ok());
    EXPECT_THAT(Message(state.status()), HasSubstr("state"));
    bytes[i] ^= 0x10;
  }
}

TEST(Fingerprint, ChangesWithEverythingThatDecidesTheResult) {
  const ImageSet set{1, 1, 1, 2, {1, 2}, {0}, 2};
  const Graph graph = EveryOperatorGraph();
  const Fingerprint base = FingerprintOf(graph, set, set, {});
  EXPECT_EQ(base, FingerprintOf(graph, set, set, {}));
  const std::vector<std::function<void(TrainOptions&)>> changes = {
      [](TrainOptions& o) { o.epochs = 3; },
      [](TrainOptions& o) { o.batch = 3; },
      [](TrainOptions& o) { o.learning_rate = 3; },
      [](TrainOptions& o) { o.weight_decay = 3; },
      [](TrainOptions& o) { o.seed = 3; },
      [](TrainOptions& o) { o.threads = 3; },
      [](TrainOptions& o) { o.optimizer = Optimizer::kSgd; },
      [](TrainOptions& o) { o.precision = Precision::kBfloat16; },
      [](TrainOptions& o) { o.warm_up = 0.5; },
      [](TrainOptions& o) { o.label_smoothing = 0.5; },
      [](TrainOptions& o) { o.half_size_epochs = 3; },
      [](TrainOptions& o) { o.augmentation.crop_padding = 3; },
      [](TrainOptions& o) { o.augmentation.flip = 0.5; },
      [](TrainOptions& o) { o.augmentation.grayscale = 0.5; },
      [](TrainOptions& o) { o.augmentation.shift_pixels = 3; },
      [](TrainOptions& o) { o.augmentation.rotation_degrees = 3; },
      [](TrainOptions& o) { o.augmentation.log_scale = 3; },
      [](TrainOptions& o) { o.augmentation.shear = 3; },
      [](TrainOptions& o) { o.averaging = 0; },
      [](TrainOptions& o) { o.normalize = false; },
      [](TrainOptions& o) { o.patience = 3; },
      [](TrainOptions& o) {
        o.rates = {{"w1", {0}}};
      },
      [](TrainOptions& o) {
        o.rates = {{"w1", {0.5}}};
      },
      [](TrainOptions& o) {
        o.rates = {{"w2", {0}}};
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    TrainOptions options;
    changes[i](options);
    EXPECT_NE(base, FingerprintOf(graph, set, set, options)) << i;
  }
  ImageSet other = set;
  other.pixels[0] = 9;
  EXPECT_NE(base, FingerprintOf(graph, other, set, {}));
  EXPECT_NE(base, FingerprintOf(graph, set, other, {}));
  other = set;
  other.labels[0] = 1;
  EXPECT_NE(base, FingerprintOf(graph, other, set, {}));
}

TEST(AssignRoles, TellsWeightsFromStatistics) {
  const auto roles = AssignRoles(EveryOperatorGraph(), {{"w2", {0}}, {"w1", {0.5f}}, {"variance", {0}}});
  EXPECT_EQ(roles.at("w1"), Role::kTrained);
  EXPECT_EQ(roles.at("w2"), Role::kFixed);
  EXPECT_EQ(roles.at("shift"), Role::kTrained);
  EXPECT_EQ(roles.at("mean"), Role::kStatistics);
  EXPECT_EQ(roles.at("variance"), Role::kStatistics);
  EXPECT_EQ(roles.at("planes"), Role::kTrained);
  EXPECT_EQ(roles.at("unused"), Role::kFixed);
}

}  // namespace
}  // namespace privdnn
