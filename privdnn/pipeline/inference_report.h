// What a run of `privdnn infer` found, and its JSON form: `infer --json` prints it, and whoever starts that as a
// process reads it back. docs/inference-report.md specifies the format.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Of an image that the owner didn't answer.
inline constexpr int32_t kNoPrediction = -1;

// What one of several ranks did.
struct RankShare {
  std::string host;
  int64_t images = 0;
  double ms = 0;  // in which it had images
};

struct InferenceReport {
  int64_t images = 0;  // that were to be classified
  int threads = 1;
  std::string kernel = {};  // that computed the encrypted part
  uint64_t segments = 0;
  std::string package_id = {};  // 64 hex digits
  uint64_t package_bytes = 0;

  // Of a whole run. Milliseconds are an image's, medians over the passes (see PassTiming).
  struct Figures {
    double user_encrypted_ms = 0, user_encrypted_cpu_ms = 0, user_plain_ms = 0, owner_ms = 0;
    // The whole network in plaintext beside it, if it was run.
    struct Plain {
      double ms = 0;
      std::vector<int32_t> predictions;
    };
    std::optional<Plain> plain = {};
    double wall_ms = 0;
    uint64_t bytes_up = 0, bytes_down = 0;  // of all messages of a pass
    uint64_t peak_rss_bytes = 0;
    std::vector<RankShare> ranks = {};  // empty: one process
  };
  // A run that ended before every image was answered in every pass, and so has no figures.
  struct Ended {
    std::string error;
    int64_t images_answered = 0;
  };
  struct Online {
    int64_t batch = 0;  // images a message
    int repeats = 1;
    std::optional<Ended> ended = {};
    std::optional<Figures> figures = {};  // unless it ended early
    uint64_t images_remaining = 0;        // of the budget
    double output_noise = 0;              // as the owner says
  };
  std::optional<Online> online = {};  // nothing: without the owner

  std::vector<int32_t> predictions = {};  // one an image, kNoPrediction of those without an answer
  std::optional<double> accuracy = {};    // percent of the predictions, if there are labels
};

// Version 1 of the format.
nlohmann::ordered_json WriteInferenceReport(const InferenceReport& report);
// InvalidArgument, with the field, for text that WriteInferenceReport doesn't make: fields that are missing, unknown or
// out of range, numbers that contradict each other, another version.
absl::StatusOr<InferenceReport> ParseInferenceReport(std::string_view text);

}  // namespace privdnn
