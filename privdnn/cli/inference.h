// What a user's machine does: queries to the owner, the rest of the network, and how long each took.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/cli/command.h"
#include "privdnn/data/dataset.h"
#include "privdnn/party/user.h"
#include "privdnn/pipeline/rest_network.h"
#include "privdnn/service/client.h"

namespace privdnn {

struct InferenceOptions {
  int threads = 1;
  int64_t batch = 64;                             // images a message
  int repeats = 1;                                // the whole set again, for timing
  std::chrono::milliseconds deadline{3'600'000};  // for everything, from the first query on
  bool outputs = false;                           // keep the decrypted integers
  // For comparison: the whole network in plaintext, run behind the rest of the network on each message's images.
  const Executor* plain = nullptr;
  std::string plain_input, plain_output;
};

// The certificate, key and authority of a user, with a hint at --user if there are those of others only.
absl::StatusOr<TlsFiles> LoadUserTls(const std::string& directory, const std::string& user);

// Milliseconds for one pass over all images, on this machine's clock (owner: on the owner's).
struct PassTiming {
  double encrypted = 0;      // features, transforms, products, masking, unmasking
  double encrypted_cpu = 0;  // the same in processor time of all threads: what others do on the machine is not in it
  double rest = 0;           // the plaintext rest of the network
  double plain = 0;          // the whole network in plaintext, if asked for
  double owner = 0;
  double wall = 0;  // from the first query to the last prediction
};

// Of an image that the owner didn't answer.
inline constexpr int32_t kNoPrediction = -1;
inline constexpr int64_t kNoOutput = INT64_MIN;

struct InferenceResult {
  // Why it ended before every image was answered in every pass. What was is here all the same: it has been paid for.
  absl::Status ended;
  std::vector<int32_t> predictions;  // of the first pass, one an image
  std::vector<int32_t> plain;        // of the first pass of the plaintext network
  // Of the first pass, if they are to be kept: decrypted integers, for each segment [image][output][position].
  std::vector<std::vector<int64_t>> outputs;
  std::vector<PassTiming> passes;
  uint64_t bytes_up = 0, bytes_down = 0;   // of one pass
  uint64_t images_remaining = UINT64_MAX;  // of the budget, as the owner said last: of the segment with the least
};
// Images with a prediction.
int64_t CountAnswered(const InferenceResult& result);

// InvalidArgument, with both shapes, if the images aren't what the network reads.
absl::Status CheckImages(const ImageSet& images, const RestNetwork& rest);
// What an owner says in advance.
struct OwnerTerms {
  int64_t most_images = 0;                   // that a message may hold, for every segment and both ways
  double output_noise = 0;                   // deviation of the errors in the package's replies; 0: replies are exact
  std::optional<uint64_t> images_remaining;  // of the package's budget; nothing if the owner doesn't have the package
};
// FailedPrecondition, naming `address`, if the owner takes less than one image a message.
absl::StatusOr<OwnerTerms> AskTerms(const User& user, Client& client, const std::string& address);

// Evaluates every image with the owner's help. One message is in flight at a time when repeats > 1, so that the figures
// of one side don't contain the other's work.
InferenceResult InferWithOwner(const User& user, const RestNetwork& rest, Client& client, const ImageSet& images,
                               const InferenceOptions& options, const ProgressFn& progress);
// Without an answer for any of `images` images.
InferenceResult NoAnswers(const User& user, int64_t images, const InferenceOptions& options);

}  // namespace privdnn
