#include "privdnn/segment/cost_model.h"

#include <algorithm>
#include <cmath>

#include "privdnn/ring/kernels/kernels.h"
#include "privdnn/ring/residues.h"
#include "privdnn/rlwe/evaluation.h"

namespace privdnn {
namespace {

constexpr std::array<StepInfo, kSteps> kInfo = {
    {{"user_message", false, false}, {"input", false, false},        {"feature", false, true},
     {"feature_map", false, true},   {"sample", false, false},       {"masked_poly", false, false},
     {"forward", false, true},       {"inverse", false, true},       {"multiply", false, true},
     {"weight", false, true},        {"weight_stream", false, true}, {"feature_stream", false, true},
     {"masked_value", false, false}, {"user_memory", false, true},   {"owner_message", true, false},
     {"owner_poly", true, false},    {"owner_output", true, true},   {"phase", true, true},
     {"reply_value", true, true},    {"owner_memory", true, true}}};

double& At(Work& work, Step step) { return work[static_cast<size_t>(step)]; }

// Sizes that both sides' counts are made of.
struct Sizes {
  Sizes(const Geometry& g, const ParameterSpec& p, uint64_t message_images)
      : n(static_cast<double>(p.n)),
        residues(n * static_cast<double>(p.primes.size())),
        log_n(std::log2(n)),
        terms(p.terms + 1.0),
        outputs(g.spec().outputs()),
        units(static_cast<double>(g.units(message_images))),
        images(static_cast<double>(message_images)),
        values(images * static_cast<double>(g.spec().values_per_image())) {}
  double n, residues, log_n, terms, outputs, units, images, values;
};

uint64_t Passes(uint64_t units) { return (units + kMaxUnitsPerPass - 1) / kMaxUnitsPerPass; }

// The share of `bytes` that a cache does not keep from one use to the next.
double Streamed(double bytes, uint64_t cache_bytes) {
  return std::clamp(1 - static_cast<double>(cache_bytes) / bytes, 0.0, 1.0);
}

}  // namespace

const StepInfo& Info(Step step) { return kInfo[static_cast<size_t>(step)]; }

const CostConstants& DefaultCosts(std::string_view kernel) {
  // What `privdnn bench kernels` fitted there.
  static const CostConstants kIfma{
      "Intel(R) Xeon(R) Processor",
      "avx512ifma",
      {0, 0, 0, 0, 26.1, 0, 0.192, 0.261, 0.0896, 0, 0.506, 0, 0, 0.0499, 5.15e+04, 3.48, 0, 0.19, 39, 0.0763},
      uint64_t{2} << 20};
  static const CostConstants kScalar{
      "Intel(R) Xeon(R) Processor",
      "scalar",
      {0, 0, 4.99, 0, 0, 0.617, 0.456, 1.08, 0.641, 0, 0.556, 0.534, 0, 0.212, 5.74e+04, 2.21, 0, 0.73, 34.9, 0.138},
      uint64_t{2} << 20};
  return kernel == kIfma.kernel ? kIfma : kScalar;
}

Work UserWork(const Geometry& g, const ParameterSpec& p, uint64_t images, uint64_t cache_bytes) {
  const Sizes s(g, p, images);
  const SegmentSpec& spec = g.spec();
  const uint64_t passes = Passes(g.units(images));
  const double a_pass = std::ceil(s.units / static_cast<double>(passes));  // units
  const double weights = s.residues * (s.outputs + 1) * s.terms, features = s.residues * s.terms;
  Work w{};
  At(w, Step::kUserMessage) = 1;
  At(w, Step::kInput) = s.images * static_cast<double>(spec.channels * g.z_map().area() * (spec.pool1.area() + 1) +
                                                       g.window() * g.layer1().area());
  At(w, Step::kFeature) = s.units * s.n * (s.terms - 1);
  At(w, Step::kFeatureMap) = s.images * static_cast<double>(g.num_tiles()) * g.features();
  At(w, Step::kSample) = s.units * s.n;
  At(w, Step::kMaskedPoly) = s.units * s.residues;
  At(w, Step::kForward) = s.units * features * s.log_n;
  At(w, Step::kInverse) = s.units * s.residues * s.outputs * s.log_n;
  At(w, Step::kMultiply) = s.units * weights;
  At(w, Step::kWeight) = static_cast<double>(passes) * weights;
  At(w, Step::kWeightStream) =
      weights * (1 + static_cast<double>(passes - 1) * Streamed(weights * sizeof(uint64_t), cache_bytes));
  At(w, Step::kFeatureStream) = s.units * features * Streamed(a_pass * features * sizeof(uint64_t), cache_bytes);
  At(w, Step::kMaskedValue) = s.values * static_cast<double>(p.primes.size());
  At(w, Step::kUserMemory) = static_cast<double>(UserWorkingBytes(g, p, images));
  return w;
}

Work OwnerWork(const Geometry& g, const ParameterSpec& p, uint64_t images) {
  const Sizes s(g, p, images);
  Work w{};
  At(w, Step::kOwnerMessage) = 1;
  At(w, Step::kOwnerPoly) = s.units * s.residues;
  At(w, Step::kOwnerOutput) = s.units * s.outputs;
  At(w, Step::kPhase) = s.units * s.outputs * s.residues * s.log_n;
  At(w, Step::kReplyValue) = s.values;
  At(w, Step::kOwnerMemory) =
      static_cast<double>(OwnerKeyBytes(p, g.spec().outputs()) + OwnerWorkingBytes(g, p, images));
  return w;
}

namespace {

// `share`: of the work that threads share, what the slowest has; `rest`: of the other.
double Milliseconds(const Work& work, const CostConstants& costs, double share, double rest) {
  double ns = 0;
  for (size_t i = 0; i < kSteps; ++i) ns += work[i] * costs.ns[i] * (kInfo[i].shared ? share : rest);
  return ns * 1e-6;
}

}  // namespace

bool PassesSideBySide(const ParameterSpec& p, size_t outputs, uint64_t passes, int threads) {
  // More would be noticed beside the kernels of large networks, and costs what their threads wait for each other.
  constexpr uint64_t kMaxBytes = uint64_t{128} << 20;
  if (passes < static_cast<uint64_t>(std::max(threads, 1))) return false;
  return threads <= 1 ||
         static_cast<uint64_t>(threads) * EvaluationScratchBytes(p, outputs, kMaxUnitsPerPass, 1) <= kMaxBytes;
}

double UserMs(const Geometry& g, const ParameterSpec& p, const CostConstants& costs, uint64_t images, int threads) {
  const Work work = UserWork(g, p, images, costs.cache_bytes);
  const uint64_t passes = Passes(g.units(images)), workers = static_cast<uint64_t>(std::max(threads, 1));
  if (!PassesSideBySide(p, g.spec().outputs(), passes, threads)) {
    return Milliseconds(work, costs, 1.0 / static_cast<double>(workers), 1);
  }
  // Threads take whole passes.
  const uint64_t rounds = (passes + workers - 1) / workers;
  const double share = static_cast<double>(rounds) / static_cast<double>(passes);
  return Milliseconds(work, costs, share, share);
}

double OwnerMs(const Geometry& g, const ParameterSpec& p, const CostConstants& costs, uint64_t images, int threads) {
  return Milliseconds(OwnerWork(g, p, images), costs, 1.0 / std::max(threads, 1), 1);
}

MessageBytes BodyBytes(const Geometry& g, const ParameterSpec& p, uint64_t images) {
  MessageBytes bytes;
  // Units of full ciphertexts, tile by tile, then the images that are left.
  const uint64_t batch = g.images_per_ciphertext(), full = images / batch, rest = images % batch;
  const auto add = [&](uint64_t unit_images, uint64_t times) {
    if (unit_images == 0 || times == 0) return;
    for (uint64_t tile = 0; tile < g.num_tiles(); ++tile) {
      bytes.query += times * PackedResidueBytes(p.primes, p.n);
      for (size_t k = 0; k < g.spec().groups.size(); ++k) {
        const uint64_t positions = uint64_t{g.patch(static_cast<uint32_t>(tile), k).positions()} * unit_images;
        const uint64_t outputs = times * g.spec().groups[k].outputs;
        bytes.query += outputs * PackedResidueBytes(p.primes, positions);
        bytes.reply += outputs * PackedBytes(positions, p.plain_bits + kReplyGuardBits);
      }
    }
  };
  add(batch, full);
  add(rest, 1);
  return bytes;
}

uint64_t UserKernelBytes(const ParameterSpec& p, size_t outputs) {
  return (outputs + 1) * (p.terms + 1) * p.n * p.primes.size() * sizeof(uint64_t);
}

uint64_t UserWorkingBytes(const Geometry& g, const ParameterSpec& p, uint64_t images, int threads) {
  const uint64_t units = g.units(images), passes = Passes(units);
  const bool side_by_side = PassesSideBySide(p, g.spec().outputs(), passes, threads);
  const uint64_t a_pass = std::min<uint64_t>(units, kMaxUnitsPerPass);
  const uint64_t at_once = side_by_side ? static_cast<uint64_t>(std::max(threads, 1)) : 1;  // passes
  const uint64_t residues = p.n * p.primes.size(), outputs = g.spec().outputs();
  const uint64_t values = images * g.spec().values_per_image();
  const uint64_t a_unit_values = (values + units - 1) / units;
  const uint64_t scratch = EvaluationScratchBytes(p, outputs, a_pass, side_by_side ? 1 : threads);
  // Feature planes of a message, up to 2^26 values at a time.
  const uint64_t a_plane = g.window() * g.layer1().area();
  const uint64_t planes = sizeof(int16_t) * std::min(images * a_plane, std::max(uint64_t{1} << 26, a_plane));
  // Of a pass: a', b' and the residues of its masks.
  const uint64_t masked = a_pass * (residues + 2 * a_unit_values * p.primes.size()) * sizeof(uint64_t);
  const MessageBytes message = BodyBytes(g, p, images);
  // Masks; outputs as integers; the query here and twice on its way through gRPC, and the reply likewise.
  return planes + at_once * (scratch + masked) + values * (sizeof(Torus) + sizeof(int64_t)) +
         3 * (message.query + message.reply);
}

uint64_t OwnerKeyBytes(const ParameterSpec& p, size_t outputs) {
  return outputs * p.n * (p.primes.size() * sizeof(uint64_t) + sizeof(int32_t));
}

uint64_t OwnerWorkingBytes(const Geometry& g, const ParameterSpec& p, uint64_t images) {
  constexpr uint64_t kUnitsAtOnce = 16;  // see party/owner.cc
  const uint64_t a = std::min(g.units(images), kUnitsAtOnce) * p.n * p.primes.size() * sizeof(uint64_t);
  const MessageBytes message = BodyBytes(g, p, images);
  return a + 3 * (message.query + message.reply);
}

CostConstants FitCosts(std::span<const Observation> observations, const CostConstants& prior) {
  // Minimises sum ((x c - t)/t)^2 + weight sum ((c_i - prior_i)/prior_i)^2 over c >= 0, one constant at a time.
  constexpr double kPriorWeight = 1e-4;
  constexpr int kRounds = 20000;
  CostConstants fit = prior;
  std::vector<double> error(observations.size());  // (x c - t)/t
  for (size_t k = 0; k < observations.size(); ++k) {
    double ns = 0;
    for (size_t i = 0; i < kSteps; ++i) ns += observations[k].work[i] * fit.ns[i];
    error[k] = ns / observations[k].ns - 1;
  }
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < kSteps; ++i) {
      const double unit = std::max(prior.ns[i], 1e-3);
      double gradient = kPriorWeight * (fit.ns[i] - prior.ns[i]) / (unit * unit),
             curvature = kPriorWeight / (unit * unit);
      for (size_t k = 0; k < observations.size(); ++k) {
        const double x = observations[k].work[i] / observations[k].ns;
        gradient += error[k] * x;
        curvature += x * x;
      }
      const double value = std::max(0.0, fit.ns[i] - gradient / curvature);
      for (size_t k = 0; k < observations.size(); ++k) {
        error[k] += (value - fit.ns[i]) * observations[k].work[i] / observations[k].ns;
      }
      fit.ns[i] = value;
    }
  }
  return fit;
}

}  // namespace privdnn
