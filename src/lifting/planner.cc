#include "lifting/planner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "ring/residues.h"

namespace privdnn {
namespace {

struct RingChoice {
  size_t n;
  size_t primes;
};
// Every (N, number of 50-bit primes) within the security table.
constexpr std::array<RingChoice, 12> kRings = {{{2048, 1},
                                                {4096, 1},
                                                {4096, 2},
                                                {8192, 2},
                                                {8192, 3},
                                                {8192, 4},
                                                {16384, 3},
                                                {16384, 4},
                                                {16384, 5},
                                                {16384, 6},
                                                {16384, 7},
                                                {16384, 8}}};

// Coefficient multiply-accumulates an image.
uint64_t UserMacs(const ParameterSpec& parameters, const Geometry& geometry) {
  return parameters.primes.size() * (parameters.terms + 1) * (uint64_t{geometry.spec().outputs} + 1) * parameters.n;
}

SegmentPlan Describe(const ParameterSpec& parameters, const Geometry& geometry, uint64_t image_budget) {
  const uint64_t outputs = geometry.spec().outputs, positions = geometry.positions_per_output();
  const uint64_t terms = parameters.terms + 1, primes = parameters.primes.size(), n = parameters.n;
  SegmentPlan plan{.parameters = parameters,
                   .geometry = geometry,
                   .image_budget = image_budget,
                   .ciphertext_bytes = outputs * terms * PackedResidueBytes(parameters.primes, n),
                   .query_bytes_per_image = PackedResidueBytes(parameters.primes, n) +
                                            outputs * PackedResidueBytes(parameters.primes, positions),
                   .reply_bytes_per_image = outputs * PackedBytes(positions, parameters.plain_bits + kReplyGuardBits),
                   .user_memory_bytes = (outputs + 1) * terms * primes * n * sizeof(uint64_t),
                   .user_forward_ntts = primes * (terms + 1),
                   .user_inverse_ntts = primes * outputs,
                   .user_macs = UserMacs(parameters, geometry),
                   .statistical_security = StatisticalSecurity(parameters),
                   .unknowns_per_output = UnknownsPerOutput(geometry),
                   .images_to_reconstruct = 0,
                   .images_to_recover_keys = ImagesToRecoverKeys(geometry, parameters.plain_bits)};
  plan.images_to_reconstruct = (plan.unknowns_per_output + positions - 1) / positions;
  return plan;
}

}  // namespace

absl::StatusOr<SegmentPlan> PlanSegment(const SegmentSpec& spec, int plain_bits, uint64_t image_budget) {
  if (image_budget < 1) return InvalidArgument("plan: a budget of 0 images; at least 1 is needed");
  std::optional<std::pair<ParameterSpec, Geometry>> best;
  absl::Status refused;
  for (const RingChoice& ring : kRings) {
    auto geometry = Geometry::Create(spec, ring.n);
    if (!geometry.ok()) {
      refused = geometry.status();
      continue;
    }
    ParameterSpec p;
    p.n = ring.n;
    p.primes = NttPrimes(ring.primes);
    p.plain_bits = plain_bits;
    p.terms = geometry->terms();
    p.max_feature = geometry->max_feature();
    const uint64_t per_image = uint64_t{spec.outputs} * geometry->positions_per_output();
    PRIVDNN_ASSIGN_OR_RETURN(p.released_values, CheckedMul(image_budget, per_image));
    if (const absl::Status status = CheckParameters(p); !status.ok()) {
      refused = status;
      continue;
    }
    if (!best || UserMacs(p, *geometry) < UserMacs(best->first, best->second)) best.emplace(p, *std::move(geometry));
  }
  if (!best) return Annotate(refused, "no ring fits this segment; the largest was refused");
  return Describe(best->first, best->second, image_budget);
}

uint64_t ImagesToRecoverKeys(const Geometry& geometry, int plain_bits) {
  const auto digits = static_cast<uint64_t>((plain_bits - 1) / std::log2(3.0));
  const uint64_t per_image = geometry.positions_per_output() * std::max<uint64_t>(digits, 1);
  return (geometry.n() + per_image - 1) / per_image;
}

uint64_t UnknownsPerOutput(const Geometry& g) {
  // The z values an output sees form one patch; a place in it is (channel, row, column).
  const SegmentSpec& s = g.spec();
  const uint64_t rows = uint64_t{g.z_stride().h} * (g.kernel().h - 1) + s.kernel1.h;
  const uint64_t columns = uint64_t{g.z_stride().w} * (g.kernel().w - 1) + s.kernel1.w;
  const uint64_t places = s.channels * rows * columns;
  std::unordered_set<uint64_t> products;  // unordered pairs of places that some window holds both of
  std::vector<bool> linear(places);
  std::vector<uint64_t> window;
  for (uint32_t a = 0; a < g.kernel().h; ++a) {
    for (uint32_t b = 0; b < g.kernel().w; ++b) {
      window.clear();
      for (uint32_t c = 0; c < s.channels; ++c) {
        for (uint32_t i = 0; i < s.kernel1.h; ++i) {
          for (uint32_t j = 0; j < s.kernel1.w; ++j) {
            window.push_back((c * rows + a * g.z_stride().h + i) * columns + b * g.z_stride().w + j);
          }
        }
      }
      for (const uint64_t place : window) linear[place] = true;
      for (uint32_t d = 0; d < g.products(); ++d) {
        const auto [i, j] = g.pair(d);
        products.insert(window[i] * places + window[j]);  // ascending within a window: i <= j means place_i <= place_j
      }
    }
  }
  uint64_t seen = 0;
  for (const bool used : linear) seen += used;
  return products.size() + seen + 1;
}

}  // namespace privdnn
