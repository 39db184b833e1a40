// Chooses the ring for a lifted segment and says what it will cost before anything is encrypted.
#pragma once

#include <cstdint>

#include "lifting/geometry.h"
#include "rlwe/parameters.h"

namespace privdnn {

// What one segment of a package costs. Sizes in bytes; counts an image unless said otherwise, of all primes.
struct SegmentPlan {
  ParameterSpec parameters;
  Geometry geometry;               // says tiles and images a ciphertext, too
  uint64_t image_budget;           // images that the package may ever be asked
  uint64_t ciphertext_bytes;       // encrypted kernels in the package
  uint64_t query_bytes_per_image;  // user to owner, message headers apart, in full ciphertexts
  uint64_t reply_bytes_per_image;  // owner to user, likewise
  uint64_t user_memory_bytes;      // kernels as the user holds them in memory
  uint64_t user_forward_ntts;
  uint64_t user_inverse_ntts;
  uint64_t user_macs;               // coefficient multiply-accumulates
  double statistical_security;      // bits
  uint64_t unknowns_per_output;     // see UnknownsPerOutput
  uint64_t images_to_reconstruct;   // images whose replies determine the encrypted kernels
  uint64_t images_to_recover_keys;  // see ImagesToRecoverKeys
};

// The cheapest ring and tiling (predicted time of one image) in which the parameters are valid for `image_budget`
// images. InvalidArgument, with the reason the largest ring is refused, if none is.
// `segments`: how many a package has; each then gets its share of the statistical security, which is over all.
absl::StatusOr<SegmentPlan> PlanSegment(const SegmentSpec& spec, int plain_bits, uint64_t image_budget,
                                        size_t segments = 1);

// Coefficients of one output as a polynomial in the z values it sees: what a user who collects (image, output) pairs
// can solve for, linearly; for a linear segment, the places of its kernel and the bias. Places of the kernel that
// always meet the same product of z values count once, since no input tells them apart (and the attacker needs only
// their sum). Each image gives an equation a position, so ceil(unknowns / positions) images of generic pixels determine
// it by linear algebra; a user who fits the few parameters behind the coefficients needs fewer. With padding in layer 2
// this counts the polynomial of an interior output. The first group's outputs are counted, as if layer 1 were secret.
uint64_t UnknownsPerOutput(const Geometry& geometry);

// Images' worth of chosen ciphertexts with which a malicious user recovers every secret key of a segment. Each value of
// a reply is plain_bits exact bits of a linear function of a key that the user chooses, and the key's coefficients are
// ternary: floor((plain_bits - 1)/log2(3)) of them fit into one value, as digits of base 3. One a' serves all outputs.
uint64_t ImagesToRecoverKeys(const Geometry& geometry, int plain_bits);

}  // namespace privdnn
