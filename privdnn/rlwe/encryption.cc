#include "privdnn/rlwe/encryption.h"

#include <cassert>
#include <cmath>

#include "privdnn/rlwe/gaussian.h"

namespace privdnn {

std::vector<NttPoly> ExpandPublic(const Parameters& params, const Seed& seed) {
  std::vector<NttPoly> a;
  a.reserve(params.terms() + 1);
  for (uint32_t j = 0; j <= params.terms(); ++j) a.push_back(ExpandUniform(params.ring(), seed, j));
  return a;
}

OutputKey::OutputKey(const Parameters& params, Secret<int32_t> coefficients)
    : coefficients_(std::move(coefficients)),
      ntt_(ToNtt(params.ring(), FromSmall(params.ring(), coefficients_.Reveal()))) {}

OutputKey OutputKey::Generate(const Parameters& params, RandomSource& random) {
  Secret<int32_t> s(params.ring().n());
  SampleTernary(random, s.RevealMutable());
  return OutputKey(params, std::move(s));
}

absl::StatusOr<OutputKey> OutputKey::FromCoefficients(const Parameters& params, Secret<int32_t> coefficients) {
  if (coefficients.size() != params.ring().n()) {
    return InvalidArgument("key: {} coefficients, N is {}", coefficients.size(), params.ring().n());
  }
  uint32_t bad = 0;  // one branch on whether any is out of range, none on a coefficient
  for (const int32_t c : coefficients.Reveal()) bad |= static_cast<uint32_t>(c) + 1U > 2;
  if (bad) return InvalidArgument("key: a coefficient is not -1, 0 or 1");
  return OutputKey(params, std::move(coefficients));
}

NttPoly EncryptTerm(const Parameters& params, const NttPoly& a, const OutputKey& key, std::span<const int32_t> message,
                    RandomSource& random) {
  const Ring& ring = params.ring();
  Secret<int32_t> error(ring.n());
  SampleCenteredBinomial(random, error.RevealMutable());
  CoefficientPoly sum = FromSmall(ring, error.Reveal());
  if (!message.empty()) {
    assert(message.size() == ring.n());
    for (size_t i = 0; i < ring.num_primes(); ++i) {
      const Modulus& m = ring.modulus(i);
      auto limb = sum.limb(i);
      for (size_t k = 0; k < message.size(); ++k) {
        limb[k] = m.Add(limb[k], params.Encode(i, message[k]));
      }
    }
  }
  NttPoly b = Multiply(ring, a, key.ntt().Reveal());
  NegateInPlace(ring, b);
  AddInPlace(ring, b, ToNtt(ring, std::move(sum)));
  return b;
}

ZeroizingVector<Torus> Phases(const Parameters& params, const TorusMap& torus, const OutputKey& key,
                              const NttPoly& a_masked, std::span<const uint64_t> b_masked,
                              std::span<const uint32_t> positions, std::span<const int64_t> added) {
  const Ring& ring = params.ring();
  assert(b_masked.size() == positions.size() * ring.num_primes());
  assert(added.empty() || added.size() == positions.size());
  const CoefficientPoly product = ToCoefficients(ring, Multiply(ring, a_masked, key.ntt().Reveal()));
  ZeroizingVector<Torus> phases(positions.size());
  ZeroizingVector<uint64_t> residues(ring.num_primes());
  for (size_t p = 0; p < positions.size(); ++p) {
    for (size_t i = 0; i < ring.num_primes(); ++i) {
      const Modulus& m = ring.modulus(i);
      residues[i] = m.Add(b_masked[i * positions.size() + p], product.limb(i)[positions[p]]);
      if (!added.empty()) residues[i] = m.Add(residues[i], m.Mul(params.delta(i), m.FromSigned(added[p])));
    }
    phases[p] = torus(residues);
  }
  return phases;
}

double MaxOutputNoise(int plain_bits) { return (std::ldexp(1.0, plain_bits - 2) - 0.5) / kNormalBound; }

void PerturbOutputs([[maybe_unused]] const Parameters& params, double sigma, RandomSource& random,
                    std::span<int64_t> added) {
  assert(sigma >= 0 && sigma <= MaxOutputNoise(params.plain_bits()));
  ZeroizingVector<double> normal(added.size() + added.size() % 2);
  SampleNormal(random, normal);
  for (size_t p = 0; p < added.size(); ++p) {
    const double error = normal[p] * sigma;
    added[p] += static_cast<int64_t>(error + std::copysign(0.5, error));  // to the nearest, by truncation
  }
}

std::vector<uint64_t> DrownAndRound(const Parameters& params, std::span<const Torus> phases, RandomSource& random) {
  __extension__ typedef __int128 Int128;
  const int l = params.plain_bits(), kept = params.reply_bits();
  ZeroizingVector<double> normal(phases.size() + phases.size() % 2);
  SampleNormal(random, normal);
  std::vector<uint64_t> reply(phases.size());
  for (size_t p = 0; p < phases.size(); ++p) {
    const auto nu = static_cast<int64_t>(normal[p] * kDrowningSigma * 0x1p62);  // in units of 2^-62 Q/t
    const Torus noise = static_cast<Torus>(static_cast<Int128>(nu)) << (66 - l);
    const Torus half = Torus{1} << (127 - kept);
    reply[p] = static_cast<uint64_t>((phases[p] + noise + half) >> (128 - kept));
  }
  return reply;
}

}  // namespace privdnn
