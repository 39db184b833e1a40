#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "privdnn/rlwe/encryption.h"
#include "privdnn/rlwe/evaluation.h"
#include "privdnn/rlwe/gaussian.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

ParameterSpec SmallSpec() {
  ParameterSpec spec;
  spec.n = 4096;
  spec.primes = NttPrimes(2);
  spec.plain_bits = 36;
  spec.terms = 3;
  spec.max_feature = 1 << 14;
  spec.released_values = uint64_t{1} << 24;
  return spec;
}

TEST(Parameters, RefusesWhatIsUnsafeWithTheNumbers) {
  ASSERT_TRUE(Parameters::Create(SmallSpec()).ok());
  const auto message = [](auto change) {
    ParameterSpec spec = SmallSpec();
    change(spec);
    return Message(Parameters::Create(spec).status());
  };
  EXPECT_THAT(message([](auto& s) { s.primes = NttPrimes(3); }), HasSubstr("more than the 101 bits"));
  EXPECT_THAT(message([](auto& s) { s.n = 2048; }), HasSubstr("more than the 51 bits"));
  EXPECT_THAT(message([](auto& s) { s.n = 1024; }), HasSubstr("not in the security table"));
  EXPECT_THAT(message([](auto& s) { s.plain_bits = 61; }), HasSubstr("must be 2^2 to 2^60"));
  EXPECT_THAT(message([](auto& s) { s.plain_bits = 42; }), HasSubstr("statistical security"));
  EXPECT_THAT(message([](auto& s) { s.plain_bits = 60; }), HasSubstr("leaves no room"));
  EXPECT_THAT(message([](auto& s) { s.released_values = uint64_t{1} << 47; }), HasSubstr("smaller query budget"));
  EXPECT_THAT(message([](auto& s) { s.max_feature = int64_t{1} << 31; }), HasSubstr("must be 2 to 2^31-1"));
  EXPECT_THAT(message([](auto& s) { s.terms = 4096; }), HasSubstr("must be 1 to 4095"));
  EXPECT_THAT(message([](auto& s) {
                s.n = 2048;
                s.primes = NttPrimes(1);
              }),
              HasSubstr("leaves no room"));
  EXPECT_THAT(message([](auto& s) { s.primes[0] = (uint64_t{1} << 49) + 1; }), HasSubstr("prime"));
  EXPECT_FALSE(message([](auto& s) { s.primes[1] = s.primes[0]; }).empty());
}

TEST(Parameters, GivesTheDesignsSecurityForVgg16) {
  // N = 4096, log Q = 100, l = 34, J = 136, 8-bit inputs, 2^30 released values: 43 bits.
  ParameterSpec spec = SmallSpec();
  spec.plain_bits = 34;
  spec.terms = 136;
  spec.released_values = uint64_t{1} << 30;
  EXPECT_EQ(std::floor(Parameters::Create(spec)->statistical_security()), 43);
}

// Where eta is next to nothing, what is left is that nu is cut off, a statistical distance of T 2^-66, and drawn with a
// relative error of 2^-48: 2^-s = (sqrt(T/2) 9.35 2^-48 + sqrt(2) T 2^-66)^2.
TEST(Parameters, CountsTheCutOffOfTheDrowningNoise) {
  ParameterSpec spec = SmallSpec();
  spec.plain_bits = 4;
  spec.terms = 1;
  spec.max_feature = 2;
  spec.released_values = uint64_t{1} << 48;
  EXPECT_NEAR(StatisticalSecurity(spec), -2 * std::log2(9.35 * std::exp2(-24.5) + std::exp2(-17.5)), 0.001);
  EXPECT_THAT(Message(Parameters::Create(spec).status()), HasSubstr("statistical security of 34.8 bits"));
  // Of two, distances add up and divergences too.
  const std::vector<ParameterSpec> two(2, spec);
  EXPECT_NEAR(StatisticalSecurity(two), -2 * std::log2(9.35 * std::exp2(-24) + std::exp2(-16.5)), 0.001);
}

TEST(Parameters, DeltaTimesTIsMinusQModT) {
  const auto params = *Parameters::Create(SmallSpec());
  // Delta t = Q - (Q mod t), so modulo each q_i: Delta t + (Q mod t) = 0.
  const uint64_t t = uint64_t{1} << params.plain_bits();
  uint64_t q_mod_t = 1;
  for (const uint64_t q : params.spec().primes) q_mod_t = q_mod_t * (q % t) % t;
  for (size_t i = 0; i < 2; ++i) {
    const Modulus& m = params.ring().modulus(i);
    EXPECT_EQ(m.Add(m.Mul(params.delta(i), t % m.value()), q_mod_t % m.value()), 0u);
  }
}

TEST(TorusMap, AgreesWithExactDivision) {
  // Two primes: x < Q < 2^100, and x/Q in units of 2^-64 by long division.
  const auto ring = *Ring::Create(16, NttPrimes(2));
  const TorusMap torus(ring);
  const Torus q = static_cast<Torus>(ring.modulus(0).value()) * ring.modulus(1).value();
  DeterministicRandom random(3);
  for (int i = 0; i < 1000; ++i) {
    uint64_t words[2];
    random.Fill(std::span(words));
    Torus x = (static_cast<Torus>(words[0]) << 64 | words[1]) % q;
    if (i == 0) x = 0;
    if (i == 1) x = q - 1;
    const uint64_t residues[] = {static_cast<uint64_t>(x % ring.modulus(0).value()),
                                 static_cast<uint64_t>(x % ring.modulus(1).value())};
    Torus remainder = x;
    uint64_t quotient = 0;  // floor(x 2^64 / Q)
    for (int bit = 0; bit < 64; ++bit) {
      remainder <<= 1;
      quotient = quotient << 1 | (remainder >= q ? 1 : 0);
      if (remainder >= q) remainder -= q;
    }
    uint64_t low = 0;  // the next 64 bits
    for (int bit = 0; bit < 64; ++bit) {
      remainder <<= 1;
      low = low << 1 | (remainder >= q ? 1 : 0);
      if (remainder >= q) remainder -= q;
    }
    // Below x/Q by at most kTorusTermError for each prime; the exact value itself is rounded down.
    const Torus lost = (static_cast<Torus>(quotient) << 64 | low) - torus(residues);
    ASSERT_TRUE(lost <= Torus{4} || -lost <= Torus{1}) << i;
  }
}

// What the map loses must not depend on x by more than the statistical security counts: x and x + 1 are 1/Q apart.
TEST(TorusMap, LosesNextToNothingInEveryRing) {
  DeterministicRandom random(4);
  for (size_t primes = 2; primes <= kMaxPrimes; ++primes) {
    const auto ring = *Ring::Create(16, NttPrimes(primes));
    const TorusMap torus(ring);
    const double step = std::exp2(128 - ring.log_q());  // 1/Q in units of 2^-128
    std::vector<uint64_t> x(primes), next(primes);
    for (int i = 0; i < 2000; ++i) {
      for (size_t k = 0; k < primes; ++k) {
        SampleUniform(random, ring.modulus(k), std::span(x).subspan(k, 1));
        next[k] = ring.modulus(k).Add(x[k], 1);
      }
      __extension__ typedef __int128 Int128;
      const auto difference = static_cast<double>(static_cast<Int128>(torus(next) - torus(x)));
      ASSERT_NEAR(difference, step, static_cast<double>(primes) * kTorusTermError + 1) << primes << " primes";
    }
  }
}

TEST(SampleNormal, HasTheMomentsAndTailsOfANormal) {
  DeterministicRandom random(11);
  std::vector<double> x(1 << 20);
  SampleNormal(random, x);
  double sum = 0, square = 0, fourth = 0, pairs = 0;
  size_t beyond2 = 0, beyond4 = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += x[i];
    square += x[i] * x[i];
    fourth += x[i] * x[i] * x[i] * x[i];
    if (i % 2) pairs += x[i] * x[i - 1];
    beyond2 += std::fabs(x[i]) > 2;
    beyond4 += std::fabs(x[i]) > 4;
  }
  const double n = static_cast<double>(x.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(pairs / (n / 2), 0, 5 / std::sqrt(n / 2));
  EXPECT_NEAR(static_cast<double>(beyond2), n * 0.0455003, 5 * std::sqrt(n * 0.0455));
  EXPECT_NEAR(static_cast<double>(beyond4), n * 6.334e-5, 5 * std::sqrt(n * 6.334e-5));
}

// Feeds chosen words, to compare the polynomials with libm's functions.
class FixedWords final : public RandomSource {
 public:
  explicit FixedWords(std::vector<uint64_t> words) : words_(std::move(words)) {}
  using RandomSource::Fill;
  void Fill(std::span<uint8_t> out) override {
    std::copy_n(reinterpret_cast<const uint8_t*>(words_.data()), out.size(), out.data());
  }
  std::unique_ptr<RandomSource> Fork() override { return std::make_unique<FixedWords>(words_); }

 private:
  std::vector<uint64_t> words_;
};

TEST(SampleNormal, AgreesWithBoxMullerByLibm) {
  DeterministicRandom random(12);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint64_t> w(2);
    random.Fill(std::span(w));
    if (i < 64) w[0] = ~uint64_t{0} >> i;
    if (i < 16) w[1] = static_cast<uint64_t>(i) << 60;
    FixedWords source(w);
    std::vector<double> x(2);
    SampleNormal(source, x);
    const double u = std::ldexp(static_cast<double>(w[0] >> 1 | 1), -63);
    const double turn = 2 * M_PI * std::ldexp(static_cast<double>(static_cast<int64_t>(w[1])), -64);
    const double radius = std::sqrt(-2 * std::log(u));
    ASSERT_NEAR(x[0], radius * std::cos(turn), 4e-9) << i;  // near radius 0 the guard term shows
    ASSERT_NEAR(x[1], radius * std::sin(turn), 4e-9) << i;
    if (radius > 1e-3) {
      ASSERT_NEAR(x[0], radius * std::cos(turn), 1e-14) << i;
      ASSERT_NEAR(x[1], radius * std::sin(turn), 1e-14) << i;
    }
  }
  FixedWords smallest({0, 0});
  std::vector<double> x(2);
  SampleNormal(smallest, x);
  EXPECT_LT(x[0], 9.35);
}

// A whole exchange over random kernels and features.
class Exchange {
 public:
  Exchange(const ParameterSpec& spec, size_t outputs, int32_t max_kernel, uint64_t seed)
      : random_(seed), params_(*Parameters::Create(spec)), torus_(params_.ring()), kernels_(params_, outputs, Seed{7}) {
    const auto a = ExpandPublic(params_, Seed{7});
    for (size_t f = 0; f < outputs; ++f) {
      keys_.push_back(OutputKey::Generate(params_, random_));
      auto& plain = plain_.emplace_back();
      for (uint32_t j = 0; j < spec.terms; ++j) {
        plain.push_back(Random(max_kernel));
        kernels_.Set(params_, f, j, EncryptTerm(params_, a[j], keys_[f], plain[j], random_).all());
      }
      kernels_.Set(params_, f, spec.terms, EncryptTerm(params_, a[spec.terms], keys_[f], {}, random_).all());
    }
  }

  std::vector<int32_t> Random(int32_t bound) {
    std::vector<uint64_t> words(params_.ring().n());
    random_.Fill(std::span(words));
    std::vector<int32_t> out(words.size());
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<int32_t>(words[i] % (2 * static_cast<uint64_t>(bound) + 1)) - bound;
    }
    return out;
  }

  // sum_j A_j phi_j at position p of Z[X]/(X^N+1).
  int64_t Expected(size_t f, const std::vector<std::vector<int32_t>>& phi, uint32_t p) const {
    const size_t n = params_.ring().n();
    int64_t sum = 0;
    for (size_t j = 0; j < phi.size(); ++j) {
      for (size_t u = 0; u < n; ++u) {
        const size_t w = (p + n - u) % n;
        const int64_t term = static_cast<int64_t>(phi[j][u]) * plain_[f][j][w];
        sum += u <= p ? term : -term;
      }
    }
    return sum;
  }

  DeterministicRandom random_;
  Parameters params_;
  TorusMap torus_;
  EncryptedKernels kernels_;
  std::vector<OutputKey> keys_;
  std::vector<std::vector<std::vector<int32_t>>> plain_;
};

// The same positions for every unit and output.
PositionsFn Everywhere(std::span<const uint32_t> positions) {
  return [positions](size_t, size_t) { return positions; };
}

TEST(Exchange, EqualsTheIntegerProductAndItsNoiseIsBelowTheBound) {
  ParameterSpec spec = SmallSpec();
  const int32_t bound = 16129;
  Exchange e(spec, 2, 40, 21);  // |y| <= 3*4096*40*16129 < 2^35
  std::vector<uint32_t> positions;
  for (uint32_t p = 5; p < 4096; p += 97) positions.push_back(p);
  EvaluationScratch scratch;
  double square = 0, count = 0;
  for (const size_t units : {1, 3, 8}) {
    std::vector<std::vector<std::vector<int32_t>>> phi(units);
    for (auto& unit : phi) {
      for (uint32_t j = 0; j < spec.terms; ++j) unit.push_back(e.Random(bound));
    }
    std::fill(phi[0][0].begin(), phi[0][0].end(), bound);  // an extreme polynomial
    std::vector<Masks> masks(units);
    const auto masked = Evaluate(
        e.params_, e.torus_, e.kernels_,
        [&](size_t k, size_t j, std::span<int32_t> out) { std::copy(phi[k][j].begin(), phi[k][j].end(), out.begin()); },
        Everywhere(positions), e.random_, scratch, masks);
    for (size_t k = 0; k < units; ++k) {
      for (size_t f = 0; f < 2; ++f) {
        const size_t count_b = positions.size() * 2;
        const int64_t bias = f == 0 ? -123456789 : 987654;
        const std::vector<int64_t> added(positions.size(), bias);
        const auto phases = Phases(e.params_, e.torus_, e.keys_[f], masked[k].a,
                                   std::span(masked[k].b).subspan(f * count_b, count_b), positions, added);
        const auto reply = DrownAndRound(e.params_, phases, e.random_);
        for (size_t p = 0; p < positions.size(); ++p) {
          const int64_t y = e.Expected(f, phi[k], positions[p]);
          const Torus mask = masks[k].Reveal()[f * positions.size() + p];
          ASSERT_LT(reply[p], uint64_t{1} << e.params_.reply_bits());
          ASSERT_EQ(Unmask(e.params_, reply[p], mask), y + bias)
              << "unit " << k << " output " << f << " position " << p;
          // eta/Q as a signed fraction of the circle.
          __extension__ typedef __int128 Int128;
          std::vector<uint64_t> scaled;  // Delta*(y + bias)
          for (size_t i = 0; i < 2; ++i)
            scaled.push_back(
                e.params_.ring().modulus(i).Mul(e.params_.delta(i), e.params_.ring().modulus(i).FromSigned(y + bias)));
          const auto eta = static_cast<Int128>(phases[p] - mask - e.torus_(scaled));
          const double in_q = std::ldexp(static_cast<double>(eta), -128) * std::exp2(e.params_.ring().log_q());
          ASSERT_LT(std::fabs(in_q), 7 * std::exp2(e.params_.log_sigma_eta()));
          square += in_q * in_q;
          count += 1;
        }
      }
    }
  }
  // The bound takes every feature at its largest; uniform features have a third of that variance.
  const double measured = std::sqrt(square / count), bound_sigma = std::exp2(e.params_.log_sigma_eta());
  EXPECT_LT(measured, bound_sigma);
  EXPECT_GT(measured, bound_sigma / 3);
}

TEST(Exchange, WorksInEveryRing) {
  for (const auto& [n, primes, bits] : {std::tuple<size_t, size_t, int>{8192, 3, 44}, {8192, 4, 50}, {16384, 8, 60}}) {
    ParameterSpec spec = SmallSpec();
    spec.n = n;
    spec.primes = NttPrimes(primes);
    spec.plain_bits = bits;
    spec.terms = 2;
    Exchange e(spec, 1, 2000, n + primes);
    const std::vector<uint32_t> positions = {0, 17, static_cast<uint32_t>(n - 1)};
    const std::vector<std::vector<int32_t>> phi = {e.Random(100), e.Random(100)};
    EvaluationScratch scratch;
    std::vector<Masks> masks(1);
    const auto masked = Evaluate(
        e.params_, e.torus_, e.kernels_,
        [&](size_t, size_t j, std::span<int32_t> out) { std::copy(phi[j].begin(), phi[j].end(), out.begin()); },
        Everywhere(positions), e.random_, scratch, masks);
    const auto reply = DrownAndRound(
        e.params_, Phases(e.params_, e.torus_, e.keys_[0], masked[0].a, masked[0].b, positions, {}), e.random_);
    for (size_t p = 0; p < positions.size(); ++p) {
      EXPECT_EQ(Unmask(e.params_, reply[p], masks[0].Reveal()[p]), e.Expected(0, phi, positions[p]));
    }
  }
}

// What Evaluate gives for `units` units of chosen features, from a random source that starts afresh.
struct Evaluated {
  std::vector<MaskedUnit> masked;
  std::vector<Masks> masks;
};
Evaluated EvaluateAgain(const Exchange& e, size_t units, EvaluationScratch& scratch, int threads) {
  Evaluated result{{}, std::vector<Masks>(units)};
  DeterministicRandom random(99);
  const std::vector<uint32_t> positions = {0, 17, 4095};
  const auto features = [](size_t k, size_t j, std::span<int32_t> out) {
    for (size_t u = j; u < out.size(); u += 3) out[u] = static_cast<int32_t>((u * 31 + k * 7 + j) % 16001) - 8000;
  };
  result.masked = Evaluate(e.params_, e.torus_, e.kernels_, features, Everywhere(positions), random, scratch,
                           result.masks, threads);
  return result;
}

TEST(Evaluate, DoesNotDependOnTheNumberOfThreads) {
  for (const uint32_t terms : {1, 4, 13}) {
    ParameterSpec spec = SmallSpec();
    spec.terms = terms;
    const Exchange e(spec, terms == 13 ? 12 : 3, 40, terms);
    for (size_t units = 1; units <= kMaxUnitsPerPass; ++units) {
      EvaluationScratch one_scratch;
      const Evaluated one = EvaluateAgain(e, units, one_scratch, 1);
      for (const int threads : {2, 3, 7}) {
        EvaluationScratch scratch;
        const Evaluated many = EvaluateAgain(e, units, scratch, threads);
        for (size_t k = 0; k < units; ++k) {
          ASSERT_TRUE(std::ranges::equal(many.masked[k].a.all(), one.masked[k].a.all())) << threads << " threads";
          ASSERT_EQ(many.masked[k].b, one.masked[k].b) << threads << " threads";
          ASSERT_TRUE(std::ranges::equal(many.masks[k].Reveal(), one.masks[k].Reveal())) << threads << " threads";
        }
      }
    }
  }
}

// Nothing of an earlier, larger or smaller, use of the scratch shows in a result.
TEST(Evaluate, DoesNotDependOnWhatTheScratchWasUsedFor) {
  ParameterSpec spec = SmallSpec();
  const Exchange small(spec, 1, 40, 1);
  spec.terms = 5;
  const Exchange large(spec, 4, 40, 2);
  EvaluationScratch used;
  EvaluateAgain(small, 2, used, 1);
  for (const Exchange* e : {&large, &small}) {
    EvaluationScratch fresh;
    const Evaluated expected = EvaluateAgain(*e, 3, fresh, 1), got = EvaluateAgain(*e, 3, used, 2);
    for (size_t k = 0; k < 3; ++k) {
      EXPECT_TRUE(std::ranges::equal(got.masked[k].a.all(), expected.masked[k].a.all()));
      EXPECT_EQ(got.masked[k].b, expected.masked[k].b);
    }
  }
}

TEST(EvaluationScratchBytes, IsWhatAFreshScratchHolds) {
  ParameterSpec spec = SmallSpec();
  const Exchange e(spec, 2, 40, 3);
  for (const auto& [units, threads] : {std::pair<size_t, int>{1, 1}, {3, 2}, {8, 3}}) {
    EvaluationScratch scratch;
    EvaluateAgain(e, units, scratch, threads);
    uint64_t bytes = 0;
    for (const auto& v : scratch.features) bytes += v.capacity() * sizeof(uint64_t);
    for (const auto& v : scratch.products) bytes += v.capacity() * sizeof(uint64_t);
    for (const auto& v : scratch.blinding) bytes += v.capacity() * sizeof(int32_t);
    for (const auto& w : scratch.workers) {
      bytes += w.small.capacity() * sizeof(int32_t) + w.limb.capacity() * sizeof(uint64_t);
    }
    EXPECT_EQ(EvaluationScratchBytes(e.params_.spec(), 2, units, threads), bytes) << units << " units";
  }
  // The formula in evaluation.h for VGG16's shape.
  spec.plain_bits = 34;
  spec.terms = 136;
  EXPECT_EQ(EvaluationScratchBytes(spec, 32, 8, 2), 8 * 4096 * (8 * 2 * 137 + 8 * 33 + 4) + 2 * 12 * 4096);
}

TEST(Exchange, DrowningNoiseHasItsDeviation) {
  const auto params = *Parameters::Create(SmallSpec());
  DeterministicRandom random(5);
  const std::vector<Torus> zero(1 << 16, 0);
  const auto reply = DrownAndRound(params, zero, random);
  std::map<int64_t, double> counts;  // of multiples of Delta/8
  for (const uint64_t r : reply) {
    counts[static_cast<int64_t>(r << (64 - params.reply_bits())) >> (64 - params.reply_bits())] += 1;
  }
  const auto n = static_cast<double>(reply.size());
  const auto below = [](double x) { return 0.5 * std::erfc(-x / (kDrowningSigma * std::sqrt(2.0))); };
  for (int64_t k = -2; k <= 2; ++k) {
    const double p = below((static_cast<double>(k) + 0.5) / 8) - below((static_cast<double>(k) - 0.5) / 8);
    EXPECT_NEAR(counts[k], n * p, 5 * std::sqrt(n * p)) << k;
  }
}

// What is unmasked from replies to encryptions of `y`, in the clear, with output noise.
std::vector<int64_t> Perturbed(const Parameters& params, int64_t y, double sigma, size_t count, uint64_t seed) {
  DeterministicRandom random(seed);
  std::vector<int64_t> outputs(count, y);
  PerturbOutputs(params, sigma, random, outputs);
  const auto key = *OutputKey::FromCoefficients(params, Secret<int32_t>(params.ring().n()));
  const auto phases =
      Phases(params, TorusMap(params.ring()), key, NttPoly(params.ring()),
             std::vector<uint64_t>(count * params.ring().num_primes()), std::vector<uint32_t>(count), outputs);
  std::vector<int64_t> values;
  for (const uint64_t r : DrownAndRound(params, phases, random)) values.push_back(Unmask(params, r, 0));
  return values;
}

TEST(PerturbOutputs, AddsRoundedNormalErrorsOfTheGivenDeviation) {
  const auto params = *Parameters::Create(SmallSpec());
  constexpr size_t kCount = 1 << 16;
  for (const double sigma : {1.0, 3.0, 1e4, MaxOutputNoise(params.plain_bits())}) {
    const int64_t y = -54321;
    double sum = 0, squares = 0, within = 0;
    for (const int64_t v : Perturbed(params, y, sigma, kCount, 11)) {
      const auto e = static_cast<double>(v - y);
      sum += e;
      squares += e * e;
      within += std::fabs(e) < sigma + 0.5;
    }
    const double n = kCount, variance = sigma * sigma + 1.0 / 12;  // of the normal, and of rounding
    EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(variance / n)) << sigma;
    EXPECT_NEAR(squares / n / variance, 1, 5 * std::sqrt(2 / n)) << sigma;
    if (sigma > 1e3) {
      EXPECT_NEAR(within / n, std::erf(std::sqrt(0.5)), 5 * std::sqrt(0.22 / n)) << sigma;
    }
  }
}

TEST(PerturbOutputs, NothingAtZeroAndFreshEveryTime) {
  const auto params = *Parameters::Create(SmallSpec());
  EXPECT_THAT(Perturbed(params, 77, 0, 1000, 1), ::testing::Each(77));
  EXPECT_NE(Perturbed(params, 77, 100, 1000, 1), Perturbed(params, 77, 100, 1000, 2));
}

// The largest noise on outputs of half the range never wraps around, on neither side.
TEST(PerturbOutputs, LargestNoiseStaysWithinThePlaintextModulus) {
  const auto params = *Parameters::Create(SmallSpec());
  const double sigma = MaxOutputNoise(params.plain_bits());
  const int64_t quarter = int64_t{1} << (params.plain_bits() - 2);
  EXPECT_LE(kNormalBound * sigma + 0.5, static_cast<double>(quarter));
  EXPECT_GT(kNormalBound * sigma + 1, static_cast<double>(quarter));
  for (const int64_t y : {quarter - 1, 1 - quarter}) {
    for (const int64_t v : Perturbed(params, y, sigma, 1 << 16, 3)) {
      ASSERT_LT(std::llabs(v - y), quarter) << v;  // a wrap would be off by nearly t = 4 quarters
    }
  }
}

TEST(OutputKey, RefusesWhatIsNotTernary) {
  const auto params = *Parameters::Create(SmallSpec());
  EXPECT_FALSE(OutputKey::FromCoefficients(params, Secret<int32_t>(4095)).ok());
  for (const int32_t bad : {2, -2, 1 << 30}) {
    Secret<int32_t> s(4096);
    s.RevealMutable()[77] = bad;
    EXPECT_FALSE(OutputKey::FromCoefficients(params, std::move(s)).ok()) << bad;
  }
  Secret<int32_t> s(4096);
  s.RevealMutable()[4095] = -1;
  EXPECT_TRUE(OutputKey::FromCoefficients(params, std::move(s)).ok());
}

}  // namespace
}  // namespace privdnn
