// Predicts the cost of evaluating a segment on a machine: counts the steps that the owner and the user run, and
// multiplies by the cost of each step. Counts are exact. The cost constants are measured (party/calibrate.h) on the
// steps as the parties run them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "privdnn/rlwe/parameters.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

// The steps that make up the time of a message, with N coefficients, m primes, J terms and F outputs. The comments give
// the unit that each step is counted in:
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
  kWeightStream,   // extra cost of kWeight in a message's first pass, and wherever the cache doesn't hold the kernels
  kFeatureStream,  // a residue of the features that a pass writes and reads, if they are larger than the cache
  kMaskedValue,    // a residue of b': its mask, packing, unmasking
  kUserMemory,     // a byte of a message's working memory that is not in the caches at the start
  // Owner.
  kOwnerMessage,  // a message
  kOwnerPoly,     // a residue of a', unpacked and checked
  kOwnerOutput,   // an output of a unit
  kPhase,         // a residue of a product with a key; times log2 N
  kReplyValue,    // a value: unpacked, drowned, rounded, packed
  kOwnerMemory,   // a byte of a message's working memory
};
inline constexpr size_t kSteps = 20;
struct StepInfo {
  std::string_view key;
  bool owner;
  bool shared;  // split among the threads that work on one pass
};
const StepInfo& Info(Step step);

// The number of times that each step runs.
using Work = std::array<double, kSteps>;

// One machine and one set of kernels.
struct CostConstants {
  std::string cpu, kernel;
  std::array<double, kSteps> ns{};  // per step
  uint64_t cache_bytes = 0;         // kernels and features up to this size stay in a core's cache
  bool operator==(const CostConstants&) const = default;
};

// Returns the constants of the documented machine (docs/performance.md) for a set of kernels; those of "scalar" for an
// unknown name.
const CostConstants& DefaultCosts(std::string_view kernel = "avx512ifma");

// Return the work of one side for one message of `images` images. `cache_bytes` is as in CostConstants.
Work UserWork(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images, uint64_t cache_bytes);
Work OwnerWork(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// Return the milliseconds that one side takes for a message: for the user the encrypted part. `infer` reports the same
// two quantities.
double UserMs(const Geometry& geometry, const ParameterSpec& parameters, const CostConstants& costs, uint64_t images,
              int threads = 1);
double OwnerMs(const Geometry& geometry, const ParameterSpec& parameters, const CostConstants& costs, uint64_t images,
               int threads = 1);

// Returns true if each of the user's threads runs its own passes (of up to kMaxUnitsPerPass units) in its own working
// memory, and false if all threads share one pass at a time. Threads run their own passes while there are enough passes
// and the memory stays small.
bool PassesSideBySide(const ParameterSpec& parameters, size_t outputs, uint64_t passes, int threads);

// Return the bytes that a segment takes at its peak, in addition to the process and its network. Kernels and keys are
// counted separately from the working memory, which grows with a message's `images` and with `threads`.
uint64_t UserKernelBytes(const ParameterSpec& parameters, size_t outputs);
uint64_t UserWorkingBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images, int threads = 1);
uint64_t OwnerKeyBytes(const ParameterSpec& parameters, size_t outputs);
uint64_t OwnerWorkingBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// Bytes of a message of `images` images, without header and checksum.
struct MessageBytes {
  uint64_t query = 0, reply = 0;
};
MessageBytes BodyBytes(const Geometry& geometry, const ParameterSpec& parameters, uint64_t images);

// One measurement: how long some work took, on one thread.
struct Observation {
  Work work{};
  double ns = 0;
};
// Returns the non-negative constants that fit the observations best, by relative error. Steps that the observations say
// little about stay near `prior`. Everything else is copied from `prior`.
CostConstants FitCosts(std::span<const Observation> observations, const CostConstants& prior);

}  // namespace privdnn
