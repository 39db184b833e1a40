// Makes packages and their keys.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "privdnn/base/progress.h"
#include "privdnn/base/random.h"
#include "privdnn/package/owner_key.h"
#include "privdnn/segment/encryption_plan.h"
#include "privdnn/segment/planner.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

// A lifted segment and how it is to be encrypted; both must outlive the encryption.
struct EncryptionTask {
  const QuantizedSegment* quantized;
  const EncryptionPlan* plan;
};
// Takes the bytes of a package in order.
using ByteSink = std::function<absl::Status(std::span<const uint8_t>)>;

// Encrypts quantised segments under fresh keys for one user. `random` must be SystemRandom in use. The package goes to
// `sink` as it is made, so that memory does not grow with it. `progress` counts ciphertexts; when it returns false the
// result is Cancelled. `program`, for segments whose outputs stay shared, goes into the key as it is.
absl::StatusOr<OwnerKey> EncryptModel(std::span<const EncryptionTask> tasks, std::span<const uint8_t> rest_model,
                                      const std::string& user, RandomSource& random, int threads, const ByteSink& sink,
                                      const ProgressFn& progress, std::span<const uint8_t> program = {});
// Bytes of the package that EncryptModel makes.
uint64_t PackageBytes(std::span<const EncryptionTask> tasks, uint64_t rest_model_bytes);
// Of these, at most, what is neither ciphertexts nor the plaintext rest: known before rings are chosen.
uint64_t HeaderAllowance(std::span<const PlanTask> tasks);

}  // namespace privdnn
