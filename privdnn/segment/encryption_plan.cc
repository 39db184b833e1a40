#include "privdnn/segment/encryption_plan.h"

#include <algorithm>
#include <optional>

#include "privdnn/base/bytes.h"
#include "privdnn/ring/residues.h"

namespace privdnn {

absl::StatusOr<ParameterSpec> DeriveParameters(const EncryptionParameters& parameters, const Geometry& geometry,
                                               uint64_t image_budget) {
  ParameterSpec spec{parameters};
  spec.terms = geometry.terms();
  spec.max_feature = geometry.max_feature();
  PRIVDNN_ASSIGN_OR_RETURN(spec.released_values, CheckedMul(image_budget, geometry.spec().values_per_image()));
  return spec;
}

absl::StatusOr<EncryptionPlan> PlanShares(const SegmentSpec& spec, uint64_t image_budget) {
  std::optional<EncryptionPlan> best;
  absl::Status why = absl::OkStatus();
  for (const SecurityBound& bound : kSecurityTable) {
    for (uint32_t tiles = 1; tiles <= 64; tiles *= 2) {
      SegmentSpec cut = spec;
      cut.tiles = {tiles, std::min(tiles, spec.groups[0].map.w)};
      cut.tiles.h = std::min(tiles, spec.groups[0].map.h);
      auto geometry = Geometry::Create(cut, bound.n);
      if (!geometry.ok()) {
        why = geometry.status();
        continue;
      }
      for (size_t primes = 1; primes <= kMaxPrimes; ++primes) {
        const EncryptionParameters parameters{bound.n, NttPrimes(primes), static_cast<int>(spec.input_bits), true};
        PRIVDNN_ASSIGN_OR_RETURN(const ParameterSpec derived, DeriveParameters(parameters, *geometry, image_budget));
        if (const absl::Status fits = CheckParameters(derived); !fits.ok()) {
          why = fits;
          continue;
        }
        if (!best || CiphertextBytes(parameters, *geometry) < CiphertextBytes(best->parameters, best->geometry)) {
          best = EncryptionPlan{parameters, *geometry, image_budget};
        }
        break;  // more primes take more bytes
      }
      break;  // so do more tiles
    }
  }
  if (!best) return Annotate(why, "no ring has room for a segment of shares");
  return *std::move(best);
}

uint64_t CiphertextBytes(const EncryptionParameters& parameters, const Geometry& geometry) {
  return uint64_t{geometry.spec().outputs()} * (geometry.terms() + 1) *
         PackedResidueBytes(parameters.primes, parameters.n);
}

}  // namespace privdnn
