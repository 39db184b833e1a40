// The user's side of private inference: a package, the owner who helps to evaluate it, and how long each part takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
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

// A whole network in plaintext, for comparison.
struct PlainNetwork {
  static absl::StatusOr<PlainNetwork> Create(const Graph& graph);
  Executor executor;
  std::string input, output;
};

struct InferenceOptions {
  int64_t batch = 64;                             // images a message, at most; also bounded by what the owner takes
  int repeats = 1;                                // the whole set again, for timing
  std::chrono::milliseconds deadline{3'600'000};  // for everything, from the first query on
  bool outputs = false;                           // keep the decrypted integers
  const PlainNetwork* plain = nullptr;            // also run on each message's images, behind the rest of the network
};

// Milliseconds for one pass over all images, on this machine's clock (owner: on the owner's).
struct PassTiming {
  double encrypted = 0;      // features, transforms, products, masking, unmasking
  double encrypted_cpu = 0;  // the same in processor time of all threads: what others do on the machine is not in it
  double rest = 0;           // the plaintext rest of the network
  double plain = 0;          // the whole network in plaintext, if asked for
  double owner = 0;
  double wall = 0;  // from the first query to the last prediction
};

// Stands for outputs of an image that the owner didn't answer (see also kNoPrediction).
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

struct SessionOptions {
  int threads = 1;  // of the encrypted part; LibTorch's are the process's own (SetExecutorThreads)
  // What will be asked about, if it is known: an error of CheckImages then comes before the ciphertexts are laid out.
  const ImageSet* images = nullptr;
};

// A package that is ready to be evaluated. Its functions belong to one thread at a time.
class InferenceSession {
 public:
  // Lays the package out, and asks the owner for its terms. Without an owner only Offline works. FailedPrecondition,
  // naming the owner, if it takes less than one image a message; errors of the package.
  static absl::StatusOr<InferenceSession> Open(Package package, std::unique_ptr<OwnerTransport> owner,
                                               const SessionOptions& options = {});
  static absl::StatusOr<InferenceSession> Open(const std::filesystem::path& package,
                                               std::unique_ptr<OwnerTransport> owner,
                                               const SessionOptions& options = {});

  const User& user() const { return user_; }
  const RestNetwork& rest() const { return rest_; }
  int threads() const { return threads_; }
  // As the owner said when it was asked last: by Open, or by AskTerms.
  const OwnerTerms& terms() const { return terms_; }
  absl::StatusOr<OwnerTerms> AskTerms();

  // FailedPrecondition, with the numbers, if terms() leave less of the budget than `images` images, `repeats` times. A
  // budget that ends on the way would have been spent for nothing.
  absl::Status CheckBudget(int64_t images, int repeats) const;

  // Evaluates every image with the owner's help. One message is in flight at a time when repeats > 1, so that the
  // figures of one side don't contain the other's work. `progress` counts images.
  InferenceResult Infer(const ImageSet& images, const InferenceOptions& options = {},
                        const ProgressFn& progress = nullptr);
  // A result without an answer for any of `images` images.
  InferenceResult NoAnswers(int64_t images, const InferenceOptions& options) const;

  // Labels without the owner: zeros stand for every encrypted output (A_r).
  absl::StatusOr<std::vector<int32_t>> Offline(const ImageSet& images, int64_t batch = 64,
                                               const ProgressFn& progress = nullptr) const;

  // Decrypted outputs [image][output][position] of segment k for inputs that the user chooses, input_size(k) values
  // each. Charged to the budget. Cancelled once `go_on` says false.
  absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs, const GoOnFn& go_on = nullptr,
                                           std::chrono::milliseconds deadline = std::chrono::hours(1));

  // What one segment is asked: values [image][channel][row][column] of 1 to kMaxImagesPerMessage images.
  struct Question {
    size_t segment;
    std::vector<float> inputs;
  };
  struct Answer {
    std::vector<int64_t> outputs;  // decrypted, [image][output][position]
    uint64_t bytes_up = 0, bytes_down = 0;
    double encrypted_ms = 0, encrypted_cpu_ms = 0;  // of preparing and unmasking, as in PassTiming
    double owner_ms = 0;                            // as the owner says
    uint64_t images_remaining = 0;                  // of the segment's budget
  };
  // As of NextQueryFn and OnReplyFn: std::nullopt while answers are outstanding means none now, otherwise the end.
  using NextQuestionFn = std::function<absl::StatusOr<std::optional<Question>>()>;
  using OnAnswerFn = std::function<absl::Status(Answer answer)>;
  // Asks questions of any segments; their answers come in the same order. The errors of OwnerTransport::Evaluate.
  absl::Status Converse(const NextQuestionFn& next, const OnAnswerFn& on_answer, std::chrono::milliseconds deadline);

 private:
  InferenceSession(User user, RestNetwork rest, std::unique_ptr<OwnerTransport> owner, int threads)
      : user_(std::move(user)), rest_(std::move(rest)), owner_(std::move(owner)), threads_(threads) {}
  User user_;
  RestNetwork rest_;
  std::unique_ptr<OwnerTransport> owner_;  // may be missing
  int threads_;
  OwnerTerms terms_;
  User::Workspace workspace_;
};

}  // namespace privdnn
