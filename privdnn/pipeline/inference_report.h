// The result of a run of `privdnn infer`, and its JSON form. `infer --json` prints the JSON; a parent process reads it
// back. docs/inference-report.md specifies the format.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// The prediction of an image that has no answer, for example because the budget ended before it. Any other prediction
// is a class, 0 to the number of classes - 1. kNoPrediction equals no label, so AccuracyPercent counts it as wrong.
inline constexpr int32_t kNoPrediction = -1;

// What one of several ranks did.
struct RankShare {
  std::string host;
  int64_t images = 0;
  double ms = 0;  // time during which it had images
};

struct InferenceReport {
  std::string outputs = "classes";  // what the network's outputs are (see OutputKindName)
  int64_t images = 0;               // images to evaluate
  int threads = 1;
  std::string kernel = {};  // computed the encrypted part
  uint64_t segments = 0;
  std::string package_id = {};  // 64 hex digits
  uint64_t package_bytes = 0;

  // Figures of a complete run. Milliseconds are per image, and medians over the passes (see PassTiming).
  struct Figures {
    double user_encrypted_ms = 0, user_encrypted_cpu_ms = 0, user_plain_ms = 0, owner_ms = 0;
    // The whole network in plaintext, if it was run for comparison.
    struct Plain {
      double ms = 0;
      std::vector<int32_t> predictions;
    };
    std::optional<Plain> plain = {};
    double wall_ms = 0;
    uint64_t bytes_up = 0, bytes_down = 0;  // all messages of one pass
    uint64_t peak_rss_bytes = 0;
    std::vector<RankShare> ranks = {};  // empty: one process
  };
  // A run that ended before every image was answered in every pass. It has no figures.
  struct Ended {
    std::string error;
    int64_t images_answered = 0;
  };
  struct Online {
    int64_t batch = 0;  // images per message
    int repeats = 1;
    std::optional<Ended> ended = {};
    std::optional<Figures> figures = {};  // set unless the run ended early
    uint64_t images_remaining = 0;        // left in the budget
    double output_noise = 0;              // as the owner says
    // How far inputs lay beyond the range that they are quantised by, for each segment. Empty: it isn't known.
    struct Clamped {
      uint64_t values = 0, clamped = 0, images = 0;
    };
    std::vector<Clamped> clamped = {};
  };
  std::optional<Online> online = {};  // empty: the run was without the owner

  // One per image; kNoPrediction where there is no answer. JSON has them only if the outputs are classes.
  std::vector<int32_t> predictions = {};
  std::vector<float> scores = {};       // as many for each image, not a number where there is no answer; may be empty
  std::optional<double> accuracy = {};  // percent of the predictions, if there are labels
};

// Writes version 2 of the format.
nlohmann::ordered_json WriteInferenceReport(const InferenceReport& report);
// Fails with InvalidArgument, naming the field, for text that WriteInferenceReport can't have written: missing, unknown
// or out-of-range fields, numbers that contradict each other, another version.
absl::StatusOr<InferenceReport> ParseInferenceReport(std::string_view text);

}  // namespace privdnn
