// Images of MNIST from what the owner of a LeNet-5 package sees. Random numbers come from fixed seeds, so that results
// repeat.
#include "privdnn/attack/inversion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "privdnn/data/dataset.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/package/test_package.h"
#include "privdnn/segment/planner.h"
#include "privdnn/torch/decoder.h"
#include "privdnn/torch/invert.h"

namespace privdnn {
namespace {

constexpr int64_t kImages = 24;
constexpr int64_t kAttackers = 400;
constexpr int64_t kGuesses = 100;
constexpr double kConfidence = 0.99;
const std::filesystem::path kAssets = std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist";

class InversionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const Graph graph = *LoadOnnx(kAssets / "model.onnx");
    const auto segments =
        *FindSegments(graph, Selection{{{1, {0, 1}}, {2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15}}}});
    whole_ = new Graph(*FeatureGraph(graph, segments, SeenNeurons::kAll));
    encrypted_ = new Graph(*FeatureGraph(graph, segments, SeenNeurons::kEncrypted));
    const auto set = *LoadIdx(kAssets / "t10k-1000-images-idx3-ubyte", kAssets / "t10k-1000-labels-idx1-ubyte");
    images_ = new Tensor(set.Batch(0, kImages));
    attackers_ = new Tensor(set.Batch(kImages, kImages + kAttackers));
    prior_ = new PixelPrior(MeasurePixels(*attackers_));
    Tensor mean = prior_->mean;
    mean.shape.insert(mean.shape.begin(), 1);
    mean_ = new Scores(ScoreBlindGuesses(mean, *images_));
    blind_ = new Scores(ScoreBlindGuesses(set.Batch(kImages, kImages + kGuesses), *images_));

    const auto quantized = *LiftSegment(segments[0], {});
    const auto plan = *PlanSegment(quantized.spec, quantized.plain_bits(), 1'000'000);
    const EncryptionTask task{&quantized, &plan.encryption};
    DeterministicRandom random(1);
    EncryptedModel model = *EncryptToMemory({&task, 1}, ExportOnnx(*PlaintextRest(graph, segments)), "user", random, 2);
    Package package = *Package::Parse(model.package, "package");
    const RestNetwork rest = *RestNetwork::Create(package);
    const User user = *User::Create(std::move(package), 1);
    const Owner owner = *Owner::Create(std::move(model.owner_key));
    queried_ = new QueriedFeatures(*QueryImages(user, rest, owner, *images_, 5, 1, {}));
    attackers_queried_ = new QueriedFeatures(*QueryImages(user, rest, owner, *attackers_, 6, 1, {}));
  }
  static void TearDownTestSuite() {
    delete attackers_queried_;
    delete queried_;
    delete blind_;
    delete mean_;
    delete prior_;
    delete attackers_;
    delete images_;
    delete encrypted_;
    delete whole_;
  }

  static Tensor Reconstruct(const Graph& graph, const std::vector<Tensor>& seen, bool unknown_scales) {
    InvertOptions options;
    options.steps = 300;
    options.unknown_scales = unknown_scales;
    options.pixel_mean = prior_->mean;
    options.pixel_deviation = prior_->deviation;
    return *Invert(graph, seen, options, {});
  }
  // What a decoder that was trained on views of the attacker's images makes of those of the attacked ones.
  static Tensor Decode(const std::vector<Tensor>& attackers_view, const std::vector<Tensor>& seen,
                       bool unknown_scales) {
    DecoderOptions options;
    options.epochs = 8;
    options.unknown_scales = unknown_scales;
    return *Decoder::Train(attackers_view, *attackers_, options, {})->Decode(seen);
  }
  // Over one of the attacker's images, and over their mean.
  static Advantage OverBlind(const char* what, const Tensor& reconstructed) {
    const Advantage a = Compare(Score(reconstructed, *images_), *blind_, kConfidence);
    std::printf("%s over one image: %s\n", what, Text(a).c_str());
    return a;
  }
  static Advantage OverMean(const char* what, const Tensor& reconstructed) {
    const Advantage a = Compare(Score(reconstructed, *images_), *mean_, kConfidence);
    std::printf("%s over the mean image: %s\n", what, Text(a).c_str());
    return a;
  }
  static Advantage OverOthers(const char* what, const Tensor& reconstructed) {
    const Advantage a =
        Compare(Score(reconstructed, *images_), ScoreOthersGuesses(reconstructed, *images_), kConfidence);
    std::printf("%s over other images': %s\n", what, Text(a).c_str());
    return a;
  }
  static std::string Text(const Advantage& a) {
    return fmt::format("{:+.2f} dB [{:+.2f}, {:+.2f}], SSIM {:+.3f} [{:+.3f}, {:+.3f}]", a.psnr.mean,
                       a.psnr.interval.low, a.psnr.interval.high, a.ssim.mean, a.ssim.interval.low,
                       a.ssim.interval.high);
  }

  static Graph *whole_, *encrypted_;
  static Tensor *images_, *attackers_;
  static PixelPrior* prior_;
  static Scores *blind_, *mean_;
  static QueriedFeatures *queried_, *attackers_queried_;
};
Graph* InversionTest::whole_ = nullptr;
Graph* InversionTest::encrypted_ = nullptr;
Tensor* InversionTest::images_ = nullptr;
Tensor* InversionTest::attackers_ = nullptr;
PixelPrior* InversionTest::prior_ = nullptr;
Scores* InversionTest::blind_ = nullptr;
Scores* InversionTest::mean_ = nullptr;
QueriedFeatures* InversionTest::queried_ = nullptr;
QueriedFeatures* InversionTest::attackers_queried_ = nullptr;

// The user's decrypted values are the encrypted channels of the feature graph, up to quantisation.
TEST_F(InversionTest, FeaturesAreWhatUsersDecrypt) {
  const auto features = *Features(*encrypted_, *images_);
  ASSERT_EQ(features.size(), 1u);
  ASSERT_EQ(queried_->user.size(), 1u);
  ASSERT_EQ(features[0].shape, queried_->user[0].shape);
  ASSERT_EQ(features[0].shape, queried_->owner[0].shape);
  double errors = 0, squares = 0, owners_errors = 0;
  for (size_t i = 0; i < features[0].values.size(); ++i) {
    const double truth = features[0].values[i];
    squares += truth * truth;
    errors += std::pow(queried_->user[0].values[i] - truth, 2);
    owners_errors += std::pow(queried_->owner[0].values[i] - truth, 2);
  }
  EXPECT_LT(errors, 1e-3 * squares);
  EXPECT_GT(owners_errors, squares);
}

TEST_F(InversionTest, FeaturesInTheClearAreInverted) {
  const Tensor found = Reconstruct(*whole_, *Features(*whole_, *images_), false);
  const Advantage over_one = OverBlind("features", found);
  EXPECT_TRUE(over_one.better());
  EXPECT_GT(over_one.psnr.mean, 3);
  // Of a few images the search finds another solution, far off in squares: over the mean image SSIM alone is clear.
  EXPECT_GT(OverMean("features", found).ssim.interval.low, 0.1);
}

TEST_F(InversionTest, ScaledFeaturesAreInverted) {
  const auto scaled = ScaleChannels(*Features(*whole_, *images_), 3);
  const Tensor found = Reconstruct(*whole_, scaled, true);
  EXPECT_TRUE(OverBlind("scaled features", found).better());
  EXPECT_GT(OverMean("scaled features", found).ssim.interval.low, 0.1);
}

TEST_F(InversionTest, FeaturesInTheClearAreDecoded) {
  const Tensor found = Decode(*Features(*whole_, *attackers_), *Features(*whole_, *images_), false);
  const Advantage over_mean = OverMean("decoded features", found);
  EXPECT_TRUE(over_mean.better());
  EXPECT_GT(over_mean.psnr.mean, 1.5);
  EXPECT_GT(over_mean.ssim.mean, 0.2);
  EXPECT_TRUE(OverBlind("decoded features", found).better());
}

TEST_F(InversionTest, ScaledFeaturesAreDecoded) {
  const auto attackers = ScaleChannels(*Features(*whole_, *attackers_), 4);
  const auto scaled = ScaleChannels(*Features(*whole_, *images_), 3);
  EXPECT_TRUE(OverMean("decoded scaled features", Decode(attackers, scaled, true)).better());
}

// The attacks that are made on queries work, if only these weren't masked.
TEST_F(InversionTest, QueriesWithoutMasksAreInverted) {
  const Tensor found = Reconstruct(*encrypted_, queried_->user, true);
  EXPECT_TRUE(OverBlind("unmasked queries", found).better());
  EXPECT_TRUE(OverOthers("unmasked queries", found).better());
}

TEST_F(InversionTest, QueriesWithoutMasksAreDecoded) {
  const Tensor found = Decode(attackers_queried_->user, queried_->user, false);
  EXPECT_TRUE(OverMean("decoded unmasked queries", found).better());
  EXPECT_TRUE(OverOthers("decoded unmasked queries", found).better());
}

TEST_F(InversionTest, QueriesSayNothing) {
  const Tensor found = Reconstruct(*encrypted_, queried_->owner, true);
  EXPECT_FALSE(OverBlind("queries", found).better());
  EXPECT_TRUE(OverOthers("queries", found).none());
}

TEST_F(InversionTest, QueriesSayNothingToADecoder) {
  const Tensor found = Decode(attackers_queried_->owner, queried_->owner, false);
  EXPECT_FALSE(OverMean("decoded queries", found).better());
  EXPECT_TRUE(OverOthers("decoded queries", found).none());
}

// Masks are new in every message, or decoders could learn them.
TEST_F(InversionTest, MessagesShareNoMasks) {
  const Tensor& seen = attackers_queried_->owner[0];
  const size_t values = seen.values.size() / static_cast<size_t>(kAttackers);
  const std::span<const float> all(seen.values), first = all.first(values);
  for (size_t i = 1; i < static_cast<size_t>(kAttackers); ++i) {
    const auto other = all.subspan(i * values, values);
    size_t equal = 0;
    for (size_t k = 0; k < values; ++k) equal += std::abs(first[k] - other[k]) < 1e-3f * std::abs(first[k]);
    EXPECT_LT(equal, values / 10) << i;
  }
}

TEST_F(InversionTest, ScalesArePositiveAndTheChannels) {
  const auto features = *Features(*whole_, *images_);
  const auto scaled = ScaleChannels(features, 3);
  const size_t positions = static_cast<size_t>(features[0].dim(2) * features[0].dim(3));
  double smallest = 100, largest = 0;
  for (size_t i = 0; i < features[0].values.size(); i += positions) {
    const double scale = scaled[0].values[i] / features[0].values[i];
    smallest = std::min(smallest, scale);
    largest = std::max(largest, scale);
    for (size_t p = 1; p < positions; ++p) {
      ASSERT_NEAR(scaled[0].values[i + p], scale * features[0].values[i + p],
                  1e-4 * std::abs(scaled[0].values[i + p]) + 1e-5);
    }
  }
  EXPECT_GT(smallest, 0.099);
  EXPECT_LT(smallest, 0.2);
  EXPECT_GT(largest, 5);
  EXPECT_LT(largest, 10.01);
}

TEST(Scores, AreOfPairsOthersAndBlindGuesses) {
  Tensor originals = Tensor::Zeros({2, 1, 4, 4});
  std::fill(originals.values.begin() + 16, originals.values.end(), 1.0f);
  const Scores own = Score(originals, originals), others = ScoreOthersGuesses(originals, originals);
  EXPECT_EQ(own.psnr, (std::vector<double>{kMaxPsnr, kMaxPsnr}));
  EXPECT_EQ(others.psnr, (std::vector<double>{0, 0}));
  // An attacker with one grey and one white image.
  Tensor attackers = Tensor::Zeros({2, 1, 4, 4});
  std::fill(attackers.values.begin(), attackers.values.begin() + 16, 0.5f);
  std::fill(attackers.values.begin() + 16, attackers.values.end(), 1.0f);
  const Scores blind = ScoreBlindGuesses(attackers, originals);
  EXPECT_NEAR(blind.psnr[0], 10 * std::log10(4) / 2, 1e-9);
  EXPECT_NEAR(blind.psnr[1], (10 * std::log10(4) + kMaxPsnr) / 2, 1e-9);
  const PixelPrior prior = MeasurePixels(attackers);
  EXPECT_EQ(prior.mean.shape, (std::vector<int64_t>{1, 4, 4}));
  EXPECT_NEAR(prior.mean.values[7], 0.75, 1e-6);
  EXPECT_NEAR(prior.deviation.values[7], std::hypot(0.25, kLeastDeviation), 1e-6);
  const Advantage a = Compare(own, others, 0.95);
  EXPECT_TRUE(a.better());
  EXPECT_FALSE(a.none());
  EXPECT_TRUE(Compare(own, own, 0.95).none());
}

}  // namespace
}  // namespace privdnn
