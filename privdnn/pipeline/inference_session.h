// The user's side of private inference: evaluates a package with the owner's help and times each part.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/reporting.h"
#include "privdnn/data/dataset.h"
#include "privdnn/party/user.h"
#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/rest_network.h"
#include "privdnn/pipeline/transport.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

// Runs a whole network in plaintext, for comparison.
struct PlainNetwork {
  static absl::StatusOr<PlainNetwork> Create(const Graph& graph);
  Executor executor;
  std::string input, output;
  std::vector<int64_t> shape;  // of an image
};

struct InferenceOptions {
  int64_t batch = 64;                             // most images per message; the owner may accept fewer
  int repeats = 1;                                // passes over the whole set, for timing
  std::chrono::milliseconds deadline{3'600'000};  // for the whole run, from the first query
  bool outputs = false;                           // keep the decrypted integers
  bool scores = false;                            // keep the network's scores
  const PlainNetwork* plain = nullptr;            // also run on each message's images, after the rest of the network
};

// Milliseconds for one pass over all images, on this machine's clock (`owner`: on the owner's clock).
struct PassTiming {
  double encrypted = 0;      // features, transforms, products, masking, unmasking
  double encrypted_cpu = 0;  // the same as processor time of all threads; excludes other processes
  double rest = 0;           // the plaintext rest of the network
  double plain = 0;          // the whole network in plaintext, if asked for
  double owner = 0;
  double wall = 0;  // from the first query to the last prediction
};

// Stands for the outputs of an image that the owner didn't answer (see also kNoPrediction).
inline constexpr int64_t kNoOutput = INT64_MIN;
// Stands for the scores of such an image: not a number.
inline constexpr float kNoScore = std::numeric_limits<float>::quiet_NaN();

struct InferenceResult {
  // The reason if the run ended before every image was answered in every pass; else OK. Answers received before that
  // are kept, since they were charged to the budget.
  absl::Status ended;
  // Of the first pass, one per image: the class with the largest score. Where outputs aren't classes
  // (RestNetwork::output_kind), the index of the largest; it says no more than that there is an answer.
  std::vector<int32_t> predictions;
  // Of the first pass, RestNetwork::columns per image, not a number where there is no answer. Kept only if
  // InferenceOptions::scores is set.
  std::vector<float> scores;
  std::vector<Clamping> clamping;  // of the first pass, of each segment's inputs
  std::vector<int32_t> plain;      // of the first pass of the plaintext network
  // Decrypted integers of the first pass, for each segment [image][output][position]. Kept only if
  // InferenceOptions::outputs is set.
  std::vector<std::vector<int64_t>> outputs;
  std::vector<PassTiming> passes;
  uint64_t bytes_up = 0, bytes_down = 0;   // of one pass
  uint64_t images_remaining = UINT64_MAX;  // least budget left of any segment, as last reported by the owner
};
// Counts the images that have a prediction.
int64_t CountAnswered(const InferenceResult& result);

// Fails with InvalidArgument, giving both shapes, if the images aren't what the network reads (see IsSameInput).
absl::Status CheckImages(const ImageSet& images, const RestNetwork& rest);

// What the owner announces before the first query.
struct OwnerTerms {
  int64_t most_images = 0;                   // most images per message, over all segments and both directions, and as
                                             // memory allows
  double output_noise = 0;                   // standard deviation of errors in replies; 0: replies are exact
  std::optional<uint64_t> images_remaining;  // budget left; empty if the owner doesn't have the package
};

struct SessionOptions {
  int threads = 1;  // for the encrypted part; SetExecutorThreads sets LibTorch's threads
  // The images to be evaluated, if known. Errors of CheckImages are then returned before the ciphertexts are prepared.
  const ImageSet* images = nullptr;
  // The most bytes that the values of a message's images may take in the plaintext rest. Whoever makes a package could
  // otherwise let a few bytes of it ask for any amount. 0: as much as the package's size explains, 64 times the package
  // and an image, and at least 256 MiB.
  uint64_t max_value_bytes = 0;
};

// A package that is ready to be evaluated. Use it from one thread at a time.
class InferenceSession {
 public:
  // Prepares the package and asks the owner for its terms. Without an owner, only Offline works. Fails with
  // FailedPrecondition, naming the owner, if the owner accepts less than one image per message, and with
  // OutOfRange, before anything is run, if one image needs more than SessionOptions::max_value_bytes. Returns
  // errors of the package.
  static absl::StatusOr<InferenceSession> Open(Package package, std::unique_ptr<OwnerTransport> owner,
                                               const SessionOptions& options = {});
  static absl::StatusOr<InferenceSession> Open(const std::filesystem::path& package,
                                               std::unique_ptr<OwnerTransport> owner,
                                               const SessionOptions& options = {});

  const User& user() const { return user_; }
  const RestNetwork& rest() const { return rest_; }
  int threads() const { return threads_; }
  // Returns the terms from the last time the owner was asked, by Open or AskTerms.
  const OwnerTerms& terms() const { return terms_; }
  absl::StatusOr<OwnerTerms> AskTerms();

  // Fails with FailedPrecondition, giving the numbers, if terms() leave too little budget for `images` images,
  // `repeats` times. Budget that runs out midway is wasted. Asks nobody: AskTerms renews terms(). Returns OK if there
  // is no budget to look at, because the owner doesn't have the package or the session has no owner; Infer then fails,
  // with NotFound or FailedPrecondition, and charges nothing. Fails with InvalidArgument for a negative number, or if
  // the product exceeds 64 bits.
  absl::Status CheckBudget(int64_t images, int repeats) const;

  // Evaluates every image with the owner's help. If repeats > 1, only one message is in flight at a time, so that the
  // timings of one side exclude the other's work. `progress` counts images.
  InferenceResult Infer(const ImageSet& images, const InferenceOptions& options = {},
                        const ProgressFn& progress = nullptr);
  // Returns a result for `images` images that has no answers yet.
  InferenceResult NoAnswers(int64_t images, const InferenceOptions& options) const;

  // Predicts labels without the owner: uses zero for every encrypted output (A_r).
  absl::StatusOr<std::vector<int32_t>> Offline(const ImageSet& images, int64_t batch = 64,
                                               const ProgressFn& progress = nullptr) const;

  // Returns the decrypted outputs [image][output][position] of segment k for inputs that the caller chooses,
  // input_size(k) values per image. Charges the budget. Returns Cancelled once `go_on` returns false.
  absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs, const GoOnFn& go_on = nullptr,
                                           std::chrono::milliseconds deadline = std::chrono::hours(1));

  // A question to one segment: values [image][channel][row][column] of 1 to kMaxImagesPerMessage images.
  struct Question {
    size_t segment;
    std::vector<float> inputs;
  };
  struct Answer {
    std::vector<int64_t> outputs;  // decrypted, [image][output][position]
    Clamping clamping = {};
    uint64_t bytes_up = 0, bytes_down = 0;
    double encrypted_ms = 0, encrypted_cpu_ms = 0;  // query preparation and unmasking, as in PassTiming
    double owner_ms = 0;                            // as reported by the owner
    uint64_t images_remaining = 0;                  // left in the segment's budget
  };
  // These work like NextQueryFn and OnReplyFn. While answers are outstanding, std::nullopt means "none now"; otherwise
  // it ends the conversation.
  using NextQuestionFn = std::function<absl::StatusOr<std::optional<Question>>()>;
  using OnAnswerFn = std::function<absl::Status(Answer answer)>;
  // Asks questions of any segments; the answers arrive in the same order. Returns the errors of
  // OwnerTransport::Evaluate.
  absl::Status Converse(const NextQuestionFn& next, const OnAnswerFn& on_answer, std::chrono::milliseconds deadline);

 private:
  InferenceSession(User user, RestNetwork rest, std::unique_ptr<OwnerTransport> owner, int threads,
                   int64_t most_in_memory)
      : user_(std::move(user)),
        rest_(std::move(rest)),
        owner_(std::move(owner)),
        threads_(threads),
        most_in_memory_(most_in_memory) {}
  User user_;
  RestNetwork rest_;
  std::unique_ptr<OwnerTransport> owner_;  // may be null
  int threads_;
  int64_t most_in_memory_;  // images at a time, see SessionOptions::max_value_bytes
  OwnerTerms terms_;
  User::Workspace workspace_;
};

}  // namespace privdnn
