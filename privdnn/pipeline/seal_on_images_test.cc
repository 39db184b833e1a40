// Real networks and real digits through the sealed mode: simulated, and by two parties on shares.
#include "privdnn/pipeline/seal_on_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "privdnn/onnx/onnx.h"
#include "privdnn/package/test_package.h"
#include "privdnn/sealed/evaluate.h"
#include "privdnn/shares/test_parties.h"
#include "privdnn/torch/predict.h"
#include "privdnn/torch/train.h"

namespace privdnn {
namespace {

constexpr char kAssets[] = PRIVDNN_ASSETS;

const ImageSet& Digits() {
  static const auto& digits =
      *new ImageSet(*LoadIdx(kAssets + std::string("/lenet5-mnist/t10k-1000-images-idx3-ubyte"),
                             kAssets + std::string("/lenet5-mnist/t10k-1000-labels-idx1-ubyte")));
  return digits;
}

struct Case {
  std::string model, selection;
};

class SealedNetworks : public ::testing::TestWithParam<Case> {
 protected:
  const Graph graph_ = *LoadOnnx(kAssets + GetParam().model);
  const Selection selection_ = *ParseSelection(GetParam().selection, graph_);
};

TEST_P(SealedNetworks, AnswerAsThePlaintextNetworkDoes) {
  const auto plan = PlanSealed(graph_, selection_, {}, Digits().Slice(0, 200), 1000);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const ImageSet fresh = Digits().Slice(200, 1000);
  DeterministicRandom random(1);
  const auto sealed = PredictSealed(*plan, fresh, random);
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  const double before = *Accuracy(graph_, fresh, {}), after = AccuracyPercent(sealed->labels, fresh.labels);
  EXPECT_GT(before, 96);
  EXPECT_NEAR(after, before, 0.26);  // two of 800
  EXPECT_EQ(sealed->overflows, 0u);
}

TEST_P(SealedNetworks, OwnerAndUserAnswerAsSimulated) {
  const SealedPlan plan = *PlanSealed(graph_, selection_, {}, Digits().Slice(0, 200), 1000);
  constexpr int64_t kImages = 4;
  const ImageSet some = Digits().Slice(200, 200 + kImages);
  SystemRandom random;
  const SealedPrediction simulated = *PredictSealed(plan, some, random);
  const SealedFront front = *SealedFront::Create(plan.model.graph, plan.model.front, plan.model.program);
  const FrontOutputs inputs = *front.Run(some.Batch(0, kImages));

  const EncryptedModel encrypted = *EncryptToMemory(plan.Tasks(), {}, "user", random, 2);
  const Owner owner = *Owner::Create(*OwnerKey::Parse(encrypted.owner_key.Write(), "k"));
  const User user = *User::Create(*Package::Parse(encrypted.package, "p"), 2);
  MemoryPipe pipe;
  const Bytes context = {1};
  const auto run = [&](int id, EncryptedLayers& layers, const FrontOutputs& own,
                       Channel& channel) -> absl::StatusOr<SealedAnswer> {
    SystemRandom fresh;
    PRIVDNN_ASSIGN_OR_RETURN(SharesParty party, SharesParty::Create(id, context, fresh, channel));
    return EvaluateSealed(plan.model.program, party, layers, own, kImages);
  };
  const auto start = std::chrono::steady_clock::now();
  uint64_t flows = 0;
  const auto [owners, users] = RunBoth(
      pipe,
      [&](Channel& channel) {
        OwnersLayers layers(owner, 1);
        auto answer = run(kOwnerParty, layers, {}, channel);
        flows = static_cast<MemoryChannel&>(channel).flows;
        return answer;
      },
      [&](Channel& channel) {
        UsersLayers layers(user, 1);
        return run(kUserParty, layers, inputs, channel);
      });
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  ASSERT_TRUE(owners.ok()) << owners.status();
  ASSERT_TRUE(users.ok()) << users.status();
  RecordProperty("package_bytes", fmt::to_string(encrypted.package.size()));
  RecordProperty("ms_of_4_images", fmt::format("{:.1f}", ms));
  RecordProperty("bytes_up", fmt::to_string(pipe.bytes_to(kOwnerParty)));
  RecordProperty("bytes_down", fmt::to_string(pipe.bytes_to(kUserParty)));
  RecordProperty("flows", fmt::to_string(flows));
  EXPECT_THAT(owners->labels, ::testing::IsEmpty());
  EXPECT_EQ(std::vector<int32_t>(users->labels.begin(), users->labels.end()), simulated.labels);
  EXPECT_EQ(simulated.labels, (std::vector<int32_t>(some.labels.begin(), some.labels.end())));
}

INSTANTIATE_TEST_SUITE_P(Networks, SealedNetworks,
                         ::testing::Values(Case{"/relu-mnist/model.onnx", "*:all"},
                                           Case{"/relu-mnist/model.onnx", "2:0-3;3:all"},
                                           Case{"/lenet5-mnist/model.onnx", "*:all"},
                                           Case{"/lenet5-mnist/model.onnx", "2:5,9;3:all;4:all;5:all"}));

}  // namespace
}  // namespace privdnn
