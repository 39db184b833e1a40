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

// Tiles along an axis that are tried.
constexpr std::array<uint32_t, 8> kTilings = {1, 2, 3, 4, 6, 8, 12, 16};

// Coefficients of a kernel up to which they are told apart one by one; beyond, all count.
constexpr uint64_t kMaxEnumerated = uint64_t{1} << 24;

struct Candidate {
  ParameterSpec parameters;
  Geometry geometry;
};

// Ciphertexts of one image in full ones: an image's share of a unit of several.
double UnitsPerImage(const Geometry& g) {
  return static_cast<double>(g.num_tiles()) / static_cast<double>(g.images_per_ciphertext());
}

// Coefficient multiply-accumulates an image.
double UserMacs(const Candidate& c) {
  const double rows = c.geometry.spec().outputs() + 1.0, terms = c.parameters.terms + 1.0;
  return UnitsPerImage(c.geometry) * static_cast<double>(c.parameters.primes.size() * c.parameters.n) * rows * terms;
}

// Coefficients that go through transforms, forward and inverse, an image.
double TransformedCoefficients(const Candidate& c) {
  const double polynomials = c.parameters.terms + 2.0 + c.geometry.spec().outputs();
  return UnitsPerImage(c.geometry) * static_cast<double>(c.parameters.primes.size() * c.parameters.n) * polynomials;
}

// A transform costs about 10 multiply-accumulates a coefficient (docs/performance.md).
double Cost(const Candidate& c) { return UserMacs(c) + 10 * TransformedCoefficients(c); }

SegmentPlan Describe(const Candidate& chosen, uint64_t image_budget) {
  const auto& [parameters, geometry] = chosen;
  const uint64_t outputs = geometry.spec().outputs();
  const uint64_t terms = parameters.terms + 1, primes = parameters.primes.size(), n = parameters.n;
  const uint64_t tiles = geometry.num_tiles(), images = geometry.images_per_ciphertext();
  const auto an_image = [&](uint64_t of_a_unit) { return (of_a_unit * tiles + images - 1) / images; };
  uint64_t masked = 0, reply = 0;
  for (uint32_t f = 0; f < outputs; ++f) {
    for (uint64_t unit = 0; unit < tiles; ++unit) {
      const uint64_t positions = geometry.positions(geometry.unit(unit, images), f).size();
      masked += PackedResidueBytes(parameters.primes, positions);
      reply += PackedBytes(positions, parameters.plain_bits + kReplyGuardBits);
    }
  }
  SegmentPlan plan{
      .parameters = parameters,
      .geometry = geometry,
      .image_budget = image_budget,
      .ciphertext_bytes = outputs * terms * PackedResidueBytes(parameters.primes, n),
      .query_bytes_per_image = an_image(PackedResidueBytes(parameters.primes, n)) + (masked + images - 1) / images,
      .reply_bytes_per_image = (reply + images - 1) / images,
      .user_memory_bytes = (outputs + 1) * terms * primes * n * sizeof(uint64_t),
      .user_forward_ntts = an_image(primes * (terms + 1)),
      .user_inverse_ntts = an_image(primes * outputs),
      .user_macs = static_cast<uint64_t>(UserMacs(chosen)),
      .statistical_security = StatisticalSecurity(parameters),
      .unknowns_per_output = UnknownsPerOutput(geometry),
      .images_to_reconstruct = 0,
      .images_to_recover_keys = ImagesToRecoverKeys(geometry, parameters.plain_bits)};
  const uint64_t positions = geometry.spec().groups[0].positions();
  plan.images_to_reconstruct = (plan.unknowns_per_output + positions - 1) / positions;
  return plan;
}

}  // namespace

absl::StatusOr<SegmentPlan> PlanSegment(const SegmentSpec& spec, int plain_bits, uint64_t image_budget,
                                        size_t segments) {
  if (image_budget < 1) return InvalidArgument("plan: a budget of 0 images; at least 1 is needed");
  ParameterSpec p;
  p.plain_bits = plain_bits;
  PRIVDNN_ASSIGN_OR_RETURN(p.released_values, CheckedMul(image_budget, spec.values_per_image()));
  std::optional<Candidate> best;
  absl::Status refused;
  for (const RingChoice& ring : kRings) {
    p.n = ring.n;
    p.primes = NttPrimes(ring.primes);
    for (const uint32_t rows : kTilings) {
      for (const uint32_t columns : kTilings) {
        if (rows * columns > 1 && spec.images_per_ciphertext > 1) continue;
        SegmentSpec tiled = spec;
        tiled.tiles = {rows, columns};
        auto geometry = Geometry::Create(tiled, ring.n);
        if (!geometry.ok()) {
          if (rows * columns == 1) refused = geometry.status();
          continue;
        }
        p.terms = geometry->terms();
        p.max_feature = geometry->max_feature();
        // All segments as costly as this one: their divergences add up.
        ParameterSpec shared = p;
        PRIVDNN_ASSIGN_OR_RETURN(shared.released_values, CheckedMul(p.released_values, segments));
        if (const absl::Status status = CheckParameters(shared); !status.ok()) {
          refused = status;
          continue;
        }
        Candidate candidate{p, *std::move(geometry)};
        if (!best || Cost(candidate) < Cost(*best)) best = std::move(candidate);
      }
    }
  }
  if (!best) return Annotate(refused, "no ring fits this segment; the largest was refused");
  return Describe(*best, image_budget);
}

uint64_t ImagesToRecoverKeys(const Geometry& geometry, int plain_bits) {
  const auto digits = static_cast<uint64_t>((plain_bits - 1) / std::log2(3.0));
  uint64_t positions = geometry.spec().groups[0].positions();
  for (const OutputGroup& group : geometry.spec().groups) positions = std::min(positions, group.positions());
  const uint64_t per_image = positions * std::max<uint64_t>(digits, 1);
  return (geometry.n() + per_image - 1) / per_image;
}

uint64_t UnknownsPerOutput(const Geometry& g) {
  // The z values an output sees form one patch; a place in it is (channel, row, column).
  const SegmentSpec& s = g.spec();
  const Size2 kernel = s.groups[0].kernel;
  const uint64_t coefficients = g.features() * kernel.area();
  if (s.kind == SegmentKind::kLinear) return coefficients + 1;
  if (coefficients > kMaxEnumerated) return coefficients;
  const uint64_t rows = uint64_t{g.z_stride().h} * (kernel.h - 1) + s.kernel1.h;
  const uint64_t columns = uint64_t{g.z_stride().w} * (kernel.w - 1) + s.kernel1.w;
  const uint64_t places = s.channels * rows * columns;
  std::unordered_set<uint64_t> products;  // unordered pairs of places that some window holds both of
  std::vector<bool> linear(places);
  std::vector<uint64_t> window;
  for (uint32_t a = 0; a < kernel.h; ++a) {
    for (uint32_t b = 0; b < kernel.w; ++b) {
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
