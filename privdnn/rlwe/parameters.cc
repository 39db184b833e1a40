#include "privdnn/rlwe/parameters.h"

#include <algorithm>
#include <cmath>

#include "privdnn/ring/sampling.h"
#include "privdnn/rlwe/gaussian.h"
#include "privdnn/rlwe/torus.h"

namespace privdnn {

// By how much nu differs from a normal deviate at most, beside its cut-off, as a fraction of Q/t: the sampler's
// relative error at the largest deviate, and that DrownAndRound keeps it to 2^-62 Q/t.
static constexpr double kDrowningError = kNormalBound * kNormalError * kDrowningSigma + 0x1p-62;

double LogQ(std::span<const uint64_t> primes) {
  double log_q = 0;
  for (const uint64_t q : primes) log_q += std::log2(static_cast<double>(q));
  return log_q;
}

namespace {

double LogSigmaEta(const ParameterSpec& spec) {
  const double b2 = static_cast<double>(spec.max_feature) * static_cast<double>(spec.max_feature);
  return 0.5 * std::log2(kBinomialVariance * static_cast<double>(spec.n) * (spec.terms * b2 + 4.0 / 3));
}

double LogSigmaNu(const ParameterSpec& spec) { return LogQ(spec.primes) - spec.plain_bits + std::log2(kDrowningSigma); }

absl::Status CheckRanges(const ParameterSpec& spec) {
  if (spec.terms < 1 || spec.terms >= kMaxTerms) {
    return InvalidArgument("parameters: {} polynomials a kernel, must be 1 to {}", spec.terms, kMaxTerms - 1);
  }
  if (spec.max_feature < 2 || spec.max_feature >= int64_t{1} << 31) {
    return InvalidArgument("parameters: features up to {}, must be 2 to 2^31-1", spec.max_feature);
  }
  if (spec.released_values < 1 || spec.released_values > kMaxReleasedValues) {
    return InvalidArgument("parameters: {} released values, must be 1 to 2^48", spec.released_values);
  }
  // The reply has plain_bits + 3 bits and must fit a 64-bit word; so must a centred plaintext.
  const int most = spec.shares ? kMaxShareBits : 60;
  if (spec.plain_bits < 2 || spec.plain_bits > most) {
    return InvalidArgument("parameters: plaintext modulus 2^{}, must be 2^2 to 2^{}", spec.plain_bits, most);
  }
  return absl::OkStatus();
}

absl::Status CheckLattice(const ParameterSpec& spec) {
  for (const auto& row : kSecurityTable) {
    if (row.n != spec.n) continue;
    if (LogQ(spec.primes) > row.max_log_q) {
      return InvalidArgument(
          "parameters: log2 Q = {:.2f} at N = {}, more than the {} bits that 128-bit security allows",
          LogQ(spec.primes), spec.n, row.max_log_q);
    }
    return absl::OkStatus();
  }
  return InvalidArgument("parameters: N = {} is not in the security table (2048, 4096, 8192, 16384)", spec.n);
}

double LogSigmaShares(const ParameterSpec& spec) {
  const double b2 = static_cast<double>(spec.max_feature) * static_cast<double>(spec.max_feature);
  const double variance = (kBinomialVariance + 1.0 / 12) * spec.terms * b2 + kBinomialVariance * 4 / 3;
  return 0.5 * std::log2(static_cast<double>(spec.n) * variance);
}

absl::Status CheckShareNoise(const ParameterSpec& spec) {
  const double room = LogQ(spec.primes) - spec.plain_bits - 1,
               needed = LogSigmaShares(spec) + std::log2(kShareDeviations);
  if (needed <= room) return absl::OkStatus();
  return InvalidArgument(
      "parameters: Q/(2t) = 2^{:.1f} leaves no room for noise of up to 2^{:.1f} on shares: a larger ring or fewer bits "
      "(now {}) are needed",
      room, needed, spec.plain_bits);
}

absl::Status CheckNoise(const ParameterSpec& spec) {
  if (spec.shares) return CheckShareNoise(spec);
  // Everything as a fraction of Q/t.
  const double log_delta = LogQ(spec.primes) - spec.plain_bits;
  const double eta = std::exp2(LogSigmaEta(spec) - log_delta);
  // |Delta y/Q - y/t| = |y| (Q mod t)/(Q t) <= t/(2Q) of the circle, which is t^2/(2Q) of Q/t.
  const double wrap = std::exp2(2 * spec.plain_bits - 1 - LogQ(spec.primes));
  const double error = 9 * kDrowningSigma + 10 * eta + wrap + 1.0 / 16;
  if (error >= 0.5) {
    return InvalidArgument(
        "parameters: Q/t = 2^{:.1f} leaves no room for noise of deviation 2^{:.1f}: a larger ring or fewer plaintext "
        "bits (now {}) are needed",
        log_delta, LogSigmaEta(spec), spec.plain_bits);
  }
  const double s = StatisticalSecurity(spec);
  if (s < kMinStatisticalSecurity) {
    return InvalidArgument(
        "parameters: statistical security of {:.1f} bits over {} released values, at least {} are needed: a smaller "
        "query "
        "budget, fewer plaintext bits (now {}) or a larger ring",
        s, spec.released_values, kMinStatisticalSecurity, spec.plain_bits);
  }
  return absl::OkStatus();
}

}  // namespace

double StatisticalSecurity(std::span<const ParameterSpec> specs) {
  double divergence = 0, distance = 0;
  for (const ParameterSpec& spec : specs) {
    if (spec.shares) continue;
    // As fractions of Q/t, which is 2^(128-l) units of the torus.
    const double eta = std::exp2(LogSigmaEta(spec) - (LogQ(spec.primes) - spec.plain_bits));
    const double map = static_cast<double>(spec.primes.size()) * kTorusTermError * std::exp2(spec.plain_bits - 128);
    const auto released = static_cast<double>(spec.released_values);
    divergence += released * std::pow((eta + map + kDrowningError) / kDrowningSigma, 2) / 2;
    distance += released * kNormalTail;
  }
  return -2 * std::log2(std::sqrt(divergence) + std::sqrt(2.0) * distance);
}
double StatisticalSecurity(const ParameterSpec& spec) { return StatisticalSecurity({&spec, 1}); }

Parameters::Parameters(Ring ring, ParameterSpec spec) : ring_(std::move(ring)), spec_(std::move(spec)) {
  // Q mod t for t = 2^l, l <= 60; then Delta = (Q - (Q mod t))/t = -(Q mod t) * t^-1 (mod q_i).
  q_mod_t_ = 1;
  for (const uint64_t q : spec_.primes) q_mod_t_ *= q;
  q_mod_t_ &= (uint64_t{1} << spec_.plain_bits) - 1;
  for (size_t i = 0; i < ring_.num_primes(); ++i) {
    const Modulus& m = ring_.modulus(i);
    t_inverse_.push_back(m.Inverse(m.Pow(2, static_cast<uint64_t>(spec_.plain_bits))));
    delta_.push_back(m.Neg(m.Mul(m.Reduce(q_mod_t_), t_inverse_[i])));
  }
}

uint64_t Parameters::Encode(size_t i, int32_t coefficient) const {
  const Modulus& m = ring_.modulus(i);
  if (!spec_.shares) return m.Mul(delta_[i], m.FromSigned(coefficient));
  // (Q A - r)/t with r = Q A mod t, centred; Q is 0 modulo q_i.
  const int unused = 64 - spec_.plain_bits;
  const uint64_t product = q_mod_t_ * static_cast<uint64_t>(int64_t{coefficient});
  const int64_t r = static_cast<int64_t>(product << unused) >> unused;
  return m.Neg(m.Mul(m.FromSigned(r), t_inverse_[i]));
}

absl::Status CheckParameters(const ParameterSpec& spec) {
  PRIVDNN_RETURN_IF_ERROR(CheckRanges(spec));
  PRIVDNN_RETURN_IF_ERROR(CheckLattice(spec));
  return CheckNoise(spec);
}

absl::StatusOr<Parameters> Parameters::Create(const ParameterSpec& spec, const Kernels* kernels) {
  PRIVDNN_RETURN_IF_ERROR(CheckParameters(spec));
  PRIVDNN_ASSIGN_OR_RETURN(Ring ring, Ring::Create(spec.n, spec.primes, kernels));
  return Parameters(std::move(ring), spec);
}

double Parameters::log_sigma_eta() const { return LogSigmaEta(spec_); }
double Parameters::log_sigma_nu() const { return LogSigmaNu(spec_); }
double Parameters::statistical_security() const { return StatisticalSecurity(spec_); }

double Parameters::max_log_q() const {
  return std::find_if(std::begin(kSecurityTable), std::end(kSecurityTable),
                      [&](const auto& r) { return r.n == spec_.n; })
      ->max_log_q;
}

}  // namespace privdnn
