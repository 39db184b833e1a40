// infer with a sealed package: only the answer comes.
#pragma once

#include <chrono>
#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/data/dataset.h"
#include "privdnn/package/package.h"
#include "privdnn/pipeline/transport.h"

namespace privdnn {

struct SealedQuestion {
  const ImageSet* images = nullptr;
  bool labelled = false;
  int64_t batch = 64;
  int threads = 1;
  std::chrono::milliseconds deadline{};
  std::string scores;  // a file for them; empty: none
  std::string owner;   // its address, for people
};

// Asks image by image in batches, each an inference of its own. What was answered before an error is printed, and
// failed says so.
absl::StatusOr<CommandOutput> InferSealed(Package package, OwnerTransport& owner, const SealedQuestion& question);

}  // namespace privdnn
