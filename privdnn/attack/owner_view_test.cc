// What the owner of a LeNet-5 package sees of MNIST images, held against the claim that it sees noise. The random
// numbers come from fixed seeds, so the results repeat; thresholds are such that other seeds would also pass.
#include "privdnn/attack/owner_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>

#include "privdnn/attack/distinguisher.h"
#include "privdnn/data/dataset.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/package/test_package.h"
#include "privdnn/partition/partition.h"
#include "privdnn/party/user.h"
#include "privdnn/segment/planner.h"

namespace privdnn {
namespace {

constexpr int64_t kImages = 1000;
// Queries of each of two images.
constexpr size_t kQueries = 4000;
// What all tests of a property together may report wrongly.
constexpr double kFalseAlarm = 1e-6;

const std::filesystem::path kAssets = std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist";

EncryptedModel EncryptLenet() {
  const Graph graph = *LoadOnnx(kAssets / "model.onnx");
  const auto segments = *FindSegments(graph, Selection{{{1, {0, 1}}, {2, {3, 7}}}});
  const auto quantized = *LiftSegment(segments[0], {});
  const auto plan = *PlanSegment(quantized.spec, quantized.plain_bits(), 1'000'000);
  const auto rest = *PlaintextRest(graph, segments);
  const EncryptionTask task{&quantized, &plan.encryption};
  DeterministicRandom random(1);
  return *EncryptToMemory({&task, 1}, ExportOnnx(rest), "user", random, 2);
}

// A source whose first draw, which the user makes v of, is the same every time; all later ones are fresh. Its forks are
// the same.
class FirstDrawRepeats final : public RandomSource {
 public:
  using RandomSource::Fill;
  explicit FirstDrawRepeats(uint64_t seed) : seed_(seed), fresh_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    (first_ ? static_cast<RandomSource&>(repeating_) : fresh_).Fill(out);
    first_ = false;
  }
  std::unique_ptr<RandomSource> Fork() override { return std::make_unique<FirstDrawRepeats>(seed_); }

 private:
  uint64_t seed_;
  DeterministicRandom repeating_{77};
  DeterministicRandom fresh_;
  bool first_ = true;
};

class OwnerViewTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    EncryptedModel model = EncryptLenet();
    package_ = new Bytes(std::move(model.package));
    user_ = new User(*User::Create(*Package::Parse(*package_, "package"), 2));
    observer_ = new Observer(std::move(model.owner_key));
    images_ = new Tensor(
        LoadIdx(kAssets / "t10k-1000-images-idx3-ubyte", kAssets / "t10k-1000-labels-idx1-ubyte")->Batch(0, kImages));
  }
  static void TearDownTestSuite() {
    delete images_;
    delete observer_;
    delete user_;
    delete package_;
  }

  static std::span<const float> Image(size_t i) {
    return std::span<const float>(images_->values).subspan(i * user_->input_size(0), user_->input_size(0));
  }

  // What the owner sees of one image whose query is made with `random`, and the masks that it doesn't see.
  static OwnerView See(std::span<const float> image, RandomSource&& random, Masks* masks = nullptr) {
    static User::Workspace workspace;
    auto query = *user_->Prepare(0, image, random, workspace);
    if (masks != nullptr) *masks = std::move(query.masks[0]);
    return std::move((*observer_->Views(query.message))[0]);
  }

  // Features of queries 0, 1, ... of an image; see(image, seed) gives a view.
  using SeeFn = std::function<OwnerView(std::span<const float> image, uint64_t seed)>;
  static std::vector<std::vector<double>> Features(std::span<const float> image, uint64_t first_seed, size_t queries,
                                                   const SeeFn& see) {
    std::vector<std::vector<double>> rows;
    for (uint64_t k = 0; k < queries; ++k) {
      rows.push_back(QueryFeatures(observer_->parameters(0), see(image, first_seed + k)));
    }
    return rows;
  }
  static OwnerView SeeFresh(std::span<const float> image, uint64_t seed) {
    return See(image, DeterministicRandom(seed));
  }
  static Distinction Compare(const char* what, std::span<const float> a, std::span<const float> b, uint64_t seed,
                             size_t queries, const SeeFn& see) {
    const Distinction d =
        Distinguish(Features(a, seed, queries, see), Features(b, seed + (uint64_t{1} << 32), queries, see));
    std::printf("%s: %s\n", what, Describe(d).c_str());
    return d;
  }

  static Bytes* package_;
  static User* user_;
  static Observer* observer_;
  static Tensor* images_;
};
Bytes* OwnerViewTest::package_ = nullptr;
User* OwnerViewTest::user_ = nullptr;
Observer* OwnerViewTest::observer_ = nullptr;
Tensor* OwnerViewTest::images_ = nullptr;

void ExpectUniform(const UniformityTests& tests) {
  const auto results = tests.Results();
  for (const UniformityTest& t : results) {
    std::printf("%-36s %9lu values, chi-square %7.1f (255 degrees), p %.4f\n", t.name.c_str(), t.values, t.statistic,
                t.p.upper);
    EXPECT_GT(std::min(t.p.lower, t.p.upper), kFalseAlarm / (2 * static_cast<double>(results.size()))) << t.name;
  }
}

TEST_F(OwnerViewTest, QueriesOfManyImagesAreUniform) {
  UniformityTests tests(observer_->parameters(0));
  for (size_t i = 0; i < kImages; ++i) tests.Add(SeeFresh(Image(i), 1000 + i));
  ExpectUniform(tests);
}

TEST_F(OwnerViewTest, QueriesOfABlackImageAreUniform) {
  const std::vector<float> black(user_->input_size(0), 0);
  UniformityTests tests(observer_->parameters(0));
  for (size_t i = 0; i < kImages; ++i) tests.Add(SeeFresh(black, 3000 + i));
  ExpectUniform(tests);
}

// The same tests see masks that lack their top bit.
TEST_F(OwnerViewTest, ShortMasksAreNotUniform) {
  UniformityTests tests(observer_->parameters(0));
  for (size_t i = 0; i < 200; ++i) {
    Masks masks;
    OwnerView view = See(Image(i), DeterministicRandom(5000 + i), &masks);
    for (size_t k = 0; k < view.phases.size(); ++k) view.phases[k] -= masks.Reveal()[k] - (masks.Reveal()[k] >> 1);
    tests.Add(view);
  }
  const auto results = tests.Results();
  const auto phases = std::ranges::find(results, "phases", &UniformityTest::name);
  ASSERT_NE(phases, results.end()) << "no result has the name of the phases' cells";
  EXPECT_GT(phases->values, 0u);
  EXPECT_LT(phases->p.upper, 1e-12);
}

TEST_F(OwnerViewTest, QueriesOfTwoDigitsCannotBeToldApart) {
  const Distinction d = Compare("two digits", Image(0), Image(1), 10'000'000, kQueries, SeeFresh);
  EXPECT_GT(d.p_value, kFalseAlarm);
}

TEST_F(OwnerViewTest, QueriesOfBlackAndWhiteCannotBeToldApart) {
  const std::vector<float> black(user_->input_size(0), 0), white(user_->input_size(0), 1);
  const Distinction d = Compare("black and white", black, white, 20'000'000, kQueries, SeeFresh);
  EXPECT_GT(d.p_value, kFalseAlarm);
}

// Without rho the owner decrypts y itself.
TEST_F(OwnerViewTest, UnmaskedQueriesAreToldApart) {
  const auto see = [](std::span<const float> image, uint64_t seed) {
    Masks masks;
    OwnerView view = See(image, DeterministicRandom(seed), &masks);
    for (size_t k = 0; k < view.phases.size(); ++k) view.phases[k] -= masks.Reveal()[k];
    return view;
  };
  EXPECT_GT(Compare("no masks", Image(0), Image(1), 30'000'000, 200, see).accuracy, 0.99);
}

// Masks that lack their top eight bits leave y's distribution visible.
TEST_F(OwnerViewTest, ShortMasksAreToldApart) {
  const auto see = [](std::span<const float> image, uint64_t seed) {
    Masks masks;
    OwnerView view = See(image, DeterministicRandom(seed), &masks);
    for (size_t k = 0; k < view.phases.size(); ++k) view.phases[k] -= masks.Reveal()[k] - (masks.Reveal()[k] >> 8);
    return view;
  };
  EXPECT_LT(Compare("masks of 8 bits less", Image(0), Image(1), 40'000'000, 400, see).p_value, 1e-9);
}

// With v known to repeat, a' differs from query to query by g alone.
TEST_F(OwnerViewTest, RepeatedVIsToldApart) {
  const auto see = [](std::span<const float> image, uint64_t seed) { return See(image, FirstDrawRepeats(seed)); };
  EXPECT_GT(Compare("v repeats", Image(0), Image(1), 50'000'000, 200, see).accuracy, 0.99);
}

// A generator that starts from the same state for every query, as one does in a restored virtual machine.
TEST_F(OwnerViewTest, RepeatedRandomnessIsToldApart) {
  const auto see = [](std::span<const float> image, uint64_t) { return See(image, DeterministicRandom(9)); };
  EXPECT_EQ(Compare("randomness repeats", Image(0), Image(1), 0, 200, see).accuracy, 1);
}

TEST_F(OwnerViewTest, DamagedQueriesAreErrors) {
  User::Workspace workspace;
  DeterministicRandom random(1);
  auto query = *user_->Prepare(0, Image(0), random, workspace);
  EXPECT_EQ(observer_->Views(query.message)->size(), 1u);
  query.message[100] ^= 1;
  EXPECT_FALSE(observer_->Views(query.message).ok());
}

}  // namespace
}  // namespace privdnn
