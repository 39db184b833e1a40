// What encrypting a segment needs to know, and the parameters that follow from it.
#pragma once

#include <cstdint>

#include "privdnn/base/status.h"
#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// How one segment is to be encrypted. The planner chooses it; package headers store it.
struct EncryptionPlan {
  EncryptionParameters parameters;
  Geometry geometry;          // in the ring of parameters.n; says tiles and images a ciphertext, too
  uint64_t image_budget = 0;  // images that the package may ever be asked
};

// Returns the parameters with what a segment's shape and budget add to them: terms and features from the geometry, and
// `image_budget` images of released values. Fails with InvalidArgument if the values do not fit 64 bits. Checks nothing
// else; Parameters::Create and CheckParameters do.
absl::StatusOr<ParameterSpec> DeriveParameters(const EncryptionParameters& parameters, const Geometry& geometry,
                                               uint64_t image_budget);

// Returns a plan for a linear segment whose outputs stay shared modulo 2^input_bits, with the fewest bytes of
// ciphertexts of all rings, numbers of primes and tilings that have room for its noise. Fails with InvalidArgument if
// none has.
absl::StatusOr<EncryptionPlan> PlanShares(const SegmentSpec& spec, uint64_t image_budget);

// Returns the bytes of a segment's ciphertexts in a package: b of every output and term, pk included.
uint64_t CiphertextBytes(const EncryptionParameters& parameters, const Geometry& geometry);

}  // namespace privdnn
