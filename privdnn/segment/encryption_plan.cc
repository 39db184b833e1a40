#include "privdnn/segment/encryption_plan.h"

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

uint64_t CiphertextBytes(const EncryptionParameters& parameters, const Geometry& geometry) {
  return uint64_t{geometry.spec().outputs()} * (geometry.terms() + 1) *
         PackedResidueBytes(parameters.primes, parameters.n);
}

}  // namespace privdnn
