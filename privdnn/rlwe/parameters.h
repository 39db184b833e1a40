// Validated parameters of the encryption, with the table that bounds them and the noise they give.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/ring/poly.h"

namespace privdnn {

// log2(Q) that a ring may use at 128 bits of security with a uniform ternary secret and errors of standard deviation
// about 3.2. We stay within the column for quantum attackers of the Homomorphic Encryption Standard (Albrecht et al.,
// 2018, table 2, which is tighter); `classical` are the classical bounds of ePrint 2024/463, table 5.2 (for N = 2048,
// which that table leaves out, the 2018 standard's).
struct SecurityBound {
  size_t n;
  double max_log_q;  // enforced
  double classical;
};
inline constexpr SecurityBound kSecurityTable[] = {
    {2048, 51, 54}, {4096, 101, 106}, {8192, 202, 214}, {16384, 411, 430}};

// The reply keeps this many bits more than a plaintext has.
inline constexpr int kReplyGuardBits = 3;
// Standard deviation of the drowning noise nu, as a fraction of Q/t.
inline constexpr double kDrowningSigma = 1.0 / 21;
// Planner and parameters refuse less statistical security than this.
inline constexpr double kMinStatisticalSecurity = 40;
// Shares of outputs are off by more than their rounding with a probability below 2^-40 over 65,536 values if that many
// standard deviations of the noise fit into Q/(2t).
inline constexpr double kShareDeviations = 8.6;
// What one segment may release at the most; keeps arithmetic on budgets far from overflow.
inline constexpr uint64_t kMaxReleasedValues = uint64_t{1} << 48;

// Shares are words of 32 bits, and features of them have a sign.
inline constexpr int kMaxShareBits = 31;

// What is chosen, and stored in packages and keys.
struct EncryptionParameters {
  size_t n = 4096;
  std::vector<uint64_t> primes;  // Q = their product
  int plain_bits = 0;            // l; plaintext modulus t = 2^l
  // Outputs stay shared modulo t between owner and user: there are no replies, and nothing is released.
  bool shares = false;
};

// The same with what follows from a segment's shape and its budget of images (DeriveParameters in segment/): all that
// noise and security depend on.
struct ParameterSpec : EncryptionParameters {
  uint32_t terms = 0;            // J: weight polynomials a kernel
  int64_t max_feature = 0;       // bound on |coefficient| of every feature polynomial
  uint64_t released_values = 0;  // T: values ever released under the keys
};

// Immutable; holding one proves that:
//   - n is in kSecurityTable and log2 Q within its bound;
// and, unless outputs stay shared, that
//   - decryption is right but for a probability under 2^-60 a value: with Delta = floor(Q/t) and sigma_nu = Q/(21 t),
//     the error of a phase is nu + eta + rounding, the reply is rounded to Q/2^(l+3) (at most Q/(16 t) off), and
//     unmasking takes Delta for Q/t, which costs at most t^2/(2Q) of Q/t: 9 sigma_nu + 10 sigma_eta + (1/16 + t^2/(2Q))
//     Q/t < Q/(2t);
//   - the statistical security below is at least kMinStatisticalSecurity.
// If they do, products are wanted modulo t and wrap around it. Kernels are then encoded as round(Q A/t) in place of
// Delta A, so that a wrap is a multiple of Q; the rounding of a coefficient, at most 1/2, counts as an error of
// variance 1/12. Holding parameters proves that kShareDeviations sigma <= Q/(2t) with
//   sigma^2 = N ((10.5 + 1/12) J B^2 + 10.5 (2/3 + 2/3)),      B as below.
// Each party rounds its part to a multiple of Q/t, so that the shares' sum is off by at most 1.
//
// The noise eta. The phase of output f is Delta*y + eta + nu (mod Q) with
//   eta = sum_j e_{f,j} phi_j + e_{f,pk} v + g s_f     in R,
// where e_{f,j}, e_{f,pk}, g are centred binomial (variance 10.5), v and s_f uniform ternary (variance 2/3) and
// |phi_j| <= B coefficient-wise. One coefficient sums N products a polynomial product, so
//   sigma_eta^2 <= 10.5 N (J B^2 + 2/3 + 2/3) <= 10.5 N (J + 1) B^2     for B >= 2.
//
// Statistical security s. A reply shows Delta*y + eta + delta + nu, rounded, where y is the exact output: the bias, and
// noise that the owner adds to outputs, enter as multiples of Delta modulo Q, so that y is all that tells of them.
// delta is what computing in fixed and floating point loses, at most
//   delta_max = m kTorusTermError units of 2^-128 (TorusMap) + kNormalBound kNormalError sigma_nu (SampleNormal) +
//   2^-62 Q/t.
// Given the user's view, eta and delta are what depends on the secrets beyond y. Shifting a Gaussian of deviation
// sigma_nu by x costs x^2/(2 sigma_nu^2) in Kullback-Leibler divergence; cutting nu off at kNormalBound deviations is a
// statistical distance of kNormalTail. Over T released values
//   D <= T (sigma_eta + delta_max)^2/(2 sigma_nu^2),      C <= T kNormalTail,
// and the advantage of any test is at most sqrt(D/2) + C (Pinsker; triangle inequality). s is defined by
//   sqrt(2^-s / 2) = sqrt(D/2) + C,      so 2^-s = (sqrt(D) + sqrt(2) C)^2.
// Over several keys D and C are sums of theirs, also where what one is asked depends on replies of another (chain
// rule).
class Parameters {
 public:
  // InvalidArgument with the value and the limit for whatever does not hold.
  static absl::StatusOr<Parameters> Create(const ParameterSpec& spec, const Kernels* kernels = nullptr);

  const Ring& ring() const { return ring_; }
  const ParameterSpec& spec() const { return spec_; }
  uint32_t terms() const { return spec_.terms; }
  int plain_bits() const { return spec_.plain_bits; }
  int reply_bits() const { return spec_.plain_bits + kReplyGuardBits; }
  // A kernel's coefficient as it is encrypted, modulo q_i: Delta A, or round(Q A/t) if outputs stay shared. Without
  // branches on it.
  uint64_t Encode(size_t i, int32_t coefficient) const;
  // Delta mod q_i.
  uint64_t delta(size_t i) const { return delta_[i]; }
  // log2 of Delta, sigma_eta (bound), sigma_nu.
  double log_delta() const { return ring_.log_q() - spec_.plain_bits; }
  double log_sigma_eta() const;
  double log_sigma_nu() const;
  double statistical_security() const;
  // The enforced bound on log2 Q for this n.
  double max_log_q() const;

 private:
  Parameters(Ring ring, ParameterSpec spec);
  Ring ring_;
  ParameterSpec spec_;
  std::vector<uint64_t> delta_;
  uint64_t q_mod_t_ = 0;
  std::vector<uint64_t> t_inverse_;  // modulo q_i
};

// log2 of Q, the product of the primes.
double LogQ(std::span<const uint64_t> primes);
// All that Create checks of a spec, without making a ring: for a planner that compares many.
absl::Status CheckParameters(const ParameterSpec& spec);
// Bits of statistical security for a spec, before anything is checked; what Create computes and what a planner shows.
// Infinite if outputs stay shared.
double StatisticalSecurity(const ParameterSpec& spec);
// Bits, over all that the keys of several specs release together.
double StatisticalSecurity(std::span<const ParameterSpec> specs);

}  // namespace privdnn
