// An owner that guesses an image and looks whether a query holds it. It knows the public a_j and, for its guess, the
// features phi_j:
//   d = a' - sum_j a_j phi_j = a_pk v + g       for a right guess, pseudo-random;
// without v, d = g is short; without g, d / a_pk = v is ternary. No test for uniformity sees that of a' alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "privdnn/package/test_package.h"
#include "privdnn/party/user.h"
#include "privdnn/ring/residues.h"
#include "privdnn/rlwe/encryption.h"
#include "privdnn/segment/packing.h"

namespace privdnn {
namespace {

enum class Confirmed { kNo, kShortDifference, kTernaryQuotient };

// As if a' were of the guessed features: `a` are a_0 ... a_{J-1} and a_pk, features[j] the coefficients of phi_j.
Confirmed ConfirmGuess(const Parameters& params, std::span<const NttPoly> a, const NttPoly& a_masked,
                       std::span<const std::vector<int32_t>> features) {
  const Ring& ring = params.ring();
  const NttPoly& a_pk = a[params.terms()];
  bool all_short = true, all_ternary = true;
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    const Modulus& m = ring.modulus(i);
    NttPoly difference(ring);
    std::ranges::copy(a_masked.all(), difference.all().begin());
    for (size_t j = 0; j < params.terms(); ++j) {
      const NttPoly product = Multiply(ring, a[j], ToNtt(ring, FromSmall(ring, features[j])));
      for (size_t k = 0; k < ring.n(); ++k) {
        difference.limb(i)[k] = m.Sub(difference.limb(i)[k], product.limb(i)[k]);
      }
    }
    NttPoly quotient(ring);
    for (size_t k = 0; k < ring.n(); ++k) {
      const uint64_t divisor = a_pk.limb(i)[k];
      if (divisor == 0) ADD_FAILURE() << "a_pk has no inverse, with probability N/q";
      quotient.limb(i)[k] = m.Mul(difference.limb(i)[k], m.Inverse(divisor));
    }
    // Uniform coefficients all lie in a half of their range with probability 2^-N.
    const auto within = [&](NttPoly poly, uint64_t bound) {
      const CoefficientPoly coefficients = ToCoefficients(ring, std::move(poly));
      return std::ranges::all_of(coefficients.limb(i), [&](uint64_t c) { return std::min(c, m.value() - c) <= bound; });
    };
    all_short = all_short && within(std::move(difference), m.value() / 4);
    all_ternary = all_ternary && within(std::move(quotient), 1);
  }
  if (all_short) return Confirmed::kShortDifference;
  return all_ternary ? Confirmed::kTernaryQuotient : Confirmed::kNo;
}

// Random bytes but for some, which are copies of a word: a sampler's draws come out as what that word means.
class PartlyKnown final : public RandomSource {
 public:
  using RandomSource::Fill;
  PartlyKnown(uint64_t seed, size_t begin, size_t end, uint64_t word)
      : seed_(seed), begin_(begin), end_(end), word_(word), random_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    random_.Fill(out);
    for (size_t k = 0; k < out.size(); ++k, ++at_) {
      if (at_ >= begin_ && at_ < end_) out[k] = static_cast<uint8_t>(word_ >> (8 * (at_ % 8)));
    }
  }
  std::unique_ptr<RandomSource> Fork() override { return std::make_unique<PartlyKnown>(seed_, begin_, end_, word_); }
  size_t drawn() const { return at_; }

 private:
  uint64_t seed_;
  size_t begin_, end_, at_ = 0;
  uint64_t word_;
  DeterministicRandom random_;
};

class ConfirmGuessTest : public ::testing::Test {
 protected:
  ConfirmGuessTest()
      : builder_(7),
        model_(*EncryptTestModel(builder_.Build(TinyShape()), builder_, 5)),
        user_(*User::Create(*Package::Parse(model_.encrypted.package, "p"))),
        a_(ExpandPublic(params(), user_.segment(0).header.seed)) {
    EXPECT_EQ(user_.segment(0).geometry.units(1), 1u);
    // What a query draws first: v, then g.
    PartlyKnown counter(0, 0, 0, 0);
    std::vector<int32_t> small(params().ring().n());
    SampleTernary(counter, small);
    v_end_ = counter.drawn();
    SampleCenteredBinomial(counter, small);
    g_end_ = counter.drawn();
  }

  const Parameters& params() const { return user_.segment(0).parameters; }
  std::vector<float> Image() {
    std::vector<float> pixels(user_.input_size(0));
    for (float& p : pixels) p = builder_.Real(0, 1);
    return pixels;
  }
  // Whether a query of `image` confirms the guess that it holds `guess`.
  Confirmed Guess(std::span<const float> image, std::span<const float> guess, RandomSource&& random) {
    const PreparedQuery query = *user_.Prepare(0, image, random, workspace_);
    NttPoly a_masked(params().ring());
    const auto sent = Query::Parse(query.message, user_.package().id(), {&user_.layout(0), 1});
    EXPECT_TRUE(sent.ok() && sent->ReadMaskedPoly(0, a_masked.all()).ok());
    const Geometry& g = user_.segment(0).geometry;
    const FeaturePlanes planes(g, QuantizeInput(g, guess));
    std::vector<std::vector<int32_t>> features(params().terms(), std::vector<int32_t>(params().ring().n()));
    for (size_t j = 0; j < features.size(); ++j) planes.Fill(g, 0, 0, j, features[j]);
    return ConfirmGuess(params(), a_, a_masked, features);
  }

  TestModelBuilder builder_;
  TestModel model_;
  User user_;
  User::Workspace workspace_;
  std::vector<NttPoly> a_;
  size_t v_end_ = 0, g_end_ = 0;
};

TEST_F(ConfirmGuessTest, QueriesConfirmNoGuess) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto image = Image();
    EXPECT_EQ(Guess(image, image, DeterministicRandom(seed)), Confirmed::kNo);
    EXPECT_EQ(Guess(image, Image(), DeterministicRandom(seed)), Confirmed::kNo);
    EXPECT_EQ(Guess(image, image, SystemRandom()), Confirmed::kNo);
  }
}

// The test above would see it if the user left v or g out. The word 2^63 is the ternary 0 in every digit; the
// binomial's is 0.
TEST_F(ConfirmGuessTest, QueriesWithoutVOrGConfirmRightGuessesAndNoOthers) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto image = Image(), other = Image();
    const auto without_v = [&] { return PartlyKnown(seed, 0, v_end_, uint64_t{1} << 63); };
    const auto without_g = [&] { return PartlyKnown(seed, v_end_, g_end_, 0); };
    EXPECT_EQ(Guess(image, image, without_v()), Confirmed::kShortDifference);
    EXPECT_EQ(Guess(image, image, without_g()), Confirmed::kTernaryQuotient);
    EXPECT_EQ(Guess(image, other, without_v()), Confirmed::kNo);
    EXPECT_EQ(Guess(image, other, without_g()), Confirmed::kNo);
  }
}

}  // namespace
}  // namespace privdnn
