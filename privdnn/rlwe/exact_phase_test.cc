// What a reply tells, to the last unit: the phase moves by Delta times what the owner adds and by nothing else that
// depends on it.
#include <gtest/gtest.h>

#include <array>

#include "privdnn/rlwe/encryption.h"
#include "privdnn/rlwe/evaluation.h"

namespace privdnn {
namespace {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

// Always the same words: drowning noise and errors on outputs that are known.
class SameWords final : public RandomSource {
 public:
  using RandomSource::Fill;
  void Fill(std::span<uint8_t> out) override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(37 * (i + 1));
  }
  std::unique_ptr<RandomSource> Fork() override { return std::make_unique<SameWords>(); }
};

// Replies to chosen phases under a ring whose Q fits 128 bits.
class ExactPhases {
 public:
  explicit ExactPhases(const ParameterSpec& spec)
      : params_(*Parameters::Create(spec)),
        torus_(params_.ring()),
        key_(*OutputKey::FromCoefficients(params_, Secret<int32_t>(spec.n))),
        q_(1) {
    for (const uint64_t prime : spec.primes) q_ *= prime;
  }

  Uint128 q() const { return q_; }
  Uint128 delta() const { return q_ >> params_.plain_bits(); }
  int64_t most() const { return (int64_t{1} << (params_.plain_bits() - 1)) - 1; }
  const Parameters& params() const { return params_; }
  // Delta * y mod Q.
  Uint128 Scaled(int64_t y) const {
    const Int128 product = static_cast<Int128>(delta()) * y;
    return product < 0 ? q_ - static_cast<Uint128>(-product) % q_ : static_cast<Uint128>(product) % q_;
  }

  // The reply where b' is x and a' is 0.
  uint64_t Reply(Uint128 x, int64_t added) const {
    std::vector<uint64_t> residues;
    for (size_t i = 0; i < params_.ring().num_primes(); ++i) {
      residues.push_back(static_cast<uint64_t>(x % params_.ring().modulus(i).value()));
    }
    const std::array<uint32_t, 1> position{};
    const auto phases = Phases(params_, torus_, key_, NttPoly(params_.ring()), residues, position, {&added, 1});
    SameWords random;
    return DrownAndRound(params_, phases, random)[0];
  }

  // The smallest x in [from, from + Q/2^L] (mod Q) with another reply than `from` has.
  Uint128 NextStep(Uint128 from, int64_t added) const {
    const uint64_t first = Reply(from % q_, added);
    Uint128 low = 0, high = (q_ >> params_.reply_bits()) + 1;
    while (high - low > 1) {
      const Uint128 middle = low + (high - low) / 2;
      (Reply((from + middle) % q_, added) == first ? low : high) = middle;
    }
    return (from + high) % q_;
  }

 private:
  Parameters params_;
  TorusMap torus_;
  OutputKey key_;
  Uint128 q_;
};

// LeNet-5's ring, and that with the largest t/Q that any parameters can have.
ParameterSpec Spec(size_t n, size_t primes, int plain_bits) {
  ParameterSpec spec{{.n = n, .primes = NttPrimes(primes), .plain_bits = plain_bits}};
  spec.terms = 1;
  spec.max_feature = 2;
  spec.released_values = 1000;
  return spec;
}

// By how many units of Q a step lies from where Delta*added puts it: at most what TorusMap loses.
void ExpectAtDeltaTimes(const ExactPhases& phases, int64_t added, Uint128 step, Uint128 step_of_zero) {
  const Uint128 off = (step + phases.Scaled(added) + 2 * phases.q() - step_of_zero) % phases.q();
  const Int128 centred = off > phases.q() / 2 ? -static_cast<Int128>(phases.q() - off) : static_cast<Int128>(off);
  const double units = 1 + 2 * static_cast<double>(phases.params().ring().num_primes()) * kTorusTermError *
                               static_cast<double>(phases.q()) * 0x1p-128;
  EXPECT_LE(std::abs(static_cast<double>(centred)), units) << "added " << added;
}

TEST(ExactPhases, RepliesStepWhereDeltaTimesTheBiasPutsThem) {
  for (const ParameterSpec& spec : {Spec(4096, 2, 37), Spec(4096, 2, 45), Spec(2048, 1, 12)}) {
    const ExactPhases phases(spec);
    const Uint128 start = phases.q() / 3, zero = phases.NextStep(start, 0);
    const Uint128 half_step = phases.q() >> (phases.params().reply_bits() + 1);
    for (const int64_t bias : {phases.most(), -phases.most(), phases.most() / 2 + 1, int64_t{1}, int64_t{-1}}) {
      const Uint128 from = (zero + 2 * phases.q() - phases.Scaled(bias) - half_step) % phases.q();
      ExpectAtDeltaTimes(phases, bias, phases.NextStep(from, bias), zero);
    }
  }
}

// The same for the errors that an owner adds to outputs: a step moves by Delta*e, e known from the source.
TEST(ExactPhases, RepliesStepWhereDeltaTimesTheOutputNoisePutsThem) {
  const ExactPhases phases(Spec(4096, 2, 45));
  const Uint128 zero = phases.NextStep(phases.q() / 3, 0);
  const Uint128 half_step = phases.q() >> (phases.params().reply_bits() + 1);
  SameWords random;
  int64_t error = 0;
  PerturbOutputs(phases.params(), MaxOutputNoise(phases.params().plain_bits()), random, {&error, 1});
  EXPECT_GT(std::llabs(error), phases.most() / 100);
  const Uint128 from = (zero + 2 * phases.q() - phases.Scaled(error) - half_step) % phases.q();
  ExpectAtDeltaTimes(phases, error, phases.NextStep(from, error), zero);
}

// In rings of every size: what is added modulo Q is Delta times it, as if the query had held it.
TEST(ExactPhases, AddingIsAddingDeltaTimesItModuloQ) {
  for (const auto& [n, primes, bits] : {std::tuple<size_t, size_t, int>{8192, 3, 44}, {8192, 4, 50}, {16384, 8, 60}}) {
    const auto params = *Parameters::Create(Spec(n, primes, bits));
    const TorusMap torus(params.ring());
    DeterministicRandom random(5);
    const OutputKey key = OutputKey::Generate(params, random);
    const int64_t most = (int64_t{1} << (bits - 1)) - 1;
    const std::vector<int64_t> added = {most, -most, 0, 1, -1};
    const std::vector<uint32_t> positions = {0, 1, 2, 3, static_cast<uint32_t>(n - 1)};
    std::vector<uint64_t> b(primes * added.size()), shifted(b.size());
    NttPoly a(params.ring());
    for (size_t i = 0; i < primes; ++i) {
      const uint64_t q = params.ring().modulus(i).value();
      SampleUniform(random, params.ring().modulus(i), a.limb(i));
      SampleUniform(random, params.ring().modulus(i), std::span(b).subspan(i * added.size(), added.size()));
      for (size_t p = 0; p < added.size(); ++p) {
        const Int128 sum = static_cast<Int128>(params.delta(i)) * added[p] + b[i * added.size() + p];
        shifted[i * added.size() + p] = static_cast<uint64_t>((sum % static_cast<Int128>(q) + q) % q);
      }
    }
    EXPECT_EQ(Phases(params, torus, key, a, b, positions, added),
              Phases(params, torus, key, a, shifted, positions, {}));
  }
}

}  // namespace
}  // namespace privdnn
