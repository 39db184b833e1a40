#include "privdnn/segment/encryption_plan.h"

#include "privdnn/base/bytes.h"

namespace privdnn {

absl::StatusOr<ParameterSpec> DeriveParameters(const EncryptionParameters& parameters, const Geometry& geometry,
                                               uint64_t image_budget) {
  ParameterSpec spec{parameters};
  spec.terms = geometry.terms();
  spec.max_feature = geometry.max_feature();
  PRIVDNN_ASSIGN_OR_RETURN(spec.released_values, CheckedMul(image_budget, geometry.spec().values_per_image()));
  return spec;
}

}  // namespace privdnn
