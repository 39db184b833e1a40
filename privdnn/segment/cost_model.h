// What a segment's evaluation will take on a machine: counts of the steps that owner and user run, and what each step
// costs there. Counts are exact; constants are measured (party/calibrate.h) on the steps as the parties run them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// The steps that a message's time is made of. With N coefficients, m primes, J terms, F outputs:
enum class Step : size_t {
  // User.
  kUserMessage,    // a message
  kInput,          // a value that is averaged, quantised or copied into a plane
  kFeature,        // a coefficient of a feature polynomial
  kFeatureMap,     // a channel of a feature polynomial
  kSample,         // a coefficient of v and g
  kMaskedPoly,     // a residue of a', which is blinded, packed and sent
  kForward,        // a residue in a forward transform, with lifting and tiling; times log2 N
  kInverse,        // a residue in an inverse transform, with its gathering; times log2 N
  kMultiply,       // a multiply-accumulate of two residues
  kWeight,         // a residue of the kernels that a pass reads
  kWeightStream,   // the same on top, in a message's first pass and wherever the cache doesn't hold the kernels
  kFeatureStream,  // a residue of the features that a pass writes and reads, if they are larger than the cache
  kMaskedValue,    // a residue of b': its mask, packing, unmasking
  kUserMemory,     // a byte that a message works in, which caches don't hold when it begins
  // Owner.
  kOwnerMessage,  // a message
  kOwnerPoly,     // a residue of a', unpacked and checked
  kOwnerOutput,   // an output of a unit
  kPhase,         // a residue of a product with a key; times log2 N
  kReplyValue,    // a value: unpacked, drowned, rounded, packed
  kOwnerMemory,   // a byte that a message works in
};
inline constexpr size_t kSteps = 20;
struct StepInfo {
  std::string_view key;
  bool owner;
  bool shared;  // among threads that work on one pass
};
const StepInfo& Info(Step step);

// How often each step happens.
using Work = std::array<double, kSteps>;

// One machine and one set of kernels.
struct CostConstants {
  std::string cpu, kernel;
  std::array<double, kSteps> ns{};  // a step
  uint64_t cache_bytes = 0;         // kernels and features up to here stay in a core's cache
  bool operator==(const CostConstants&) const = default;
};

// The constants of the documented machine (docs/performance.md) for a set of kernels; those of "scalar" for names that
// it does not know.
const CostConstants& DefaultCosts(std::string_view kernel = "avx512ifma");

// The work of one side for one message of `images` images. `cache_bytes`: as in CostConstants.
Work UserWork(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images, uint64_t cache_bytes);
Work OwnerWork(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// Milliseconds of one side for a message: what `infer` reports as the encrypted part of the user, and as the owner.
double UserMs(const Geometry& geometry, const ParameterSpec& parameters, const CostConstants& costs, uint64_t images,
              int threads = 1);
double OwnerMs(const Geometry& geometry, const ParameterSpec& parameters, const CostConstants& costs, uint64_t images,
               int threads = 1);

// Whether the user's threads take passes (of up to kMaxImagesPerPass units) of their own, each with memory to work in,
// or share one pass after the other: the former while there are enough passes and that memory stays small.
bool PassesSideBySide(const ParameterSpec& parameters, size_t outputs, uint64_t passes, int threads);

// Bytes that a segment holds at its peak, on top of the process and its network: the kernels apart, what grows with a
// message of `images` images for `threads` threads.
uint64_t UserKernelBytes(const ParameterSpec& parameters, size_t outputs);
uint64_t UserWorkingBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images, int threads = 1);
uint64_t OwnerKeyBytes(const ParameterSpec& parameters, size_t outputs);
uint64_t OwnerWorkingBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// Bytes of a message without header and checksum, of `images` images.
struct MessageBytes {
  uint64_t query = 0, reply = 0;
};
MessageBytes BodyBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// One measurement: how long some work took, on one thread.
struct Observation {
  Work work{};
  double ns = 0;
};
// The non-negative constants that fit the observations best, by relative error; steps that the observations say little
// about stay near those of `prior`. `prior` gives everything else.
CostConstants FitCosts(std::span<const Observation> observations, const CostConstants& prior);

}  // namespace privdnn
