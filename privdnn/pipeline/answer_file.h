// Private inference that keeps its answers in a file, so that a batch of images that was stopped or killed goes on
// where it was. Answers were charged to the budget and can't be had again for nothing. docs/journal-format.md has the
// bytes.
#pragma once

#include <filesystem>

#include "privdnn/base/file.h"
#include "privdnn/base/progress.h"
#include "privdnn/base/record_file.h"
#include "privdnn/pipeline/ranked_inference.h"

namespace privdnn {

inline constexpr RecordFormat kAnswerFormat{"PVDNNANS", "files of answers", 1};

class AnswerFile {
 public:
  // Opens the file, or creates it for this user alone, and reads the answers in it. Fails with FailedPrecondition if
  // they are of another package, other images or other options, or if another process has the file open, and with
  // DataLoss if it is damaged; a last record that is cut off counts as not there.
  static absl::StatusOr<AnswerFile> Open(const std::filesystem::path& path, const InferenceSetup& setup);

  // Returns the number of images that have an answer.
  int64_t answered() const { return CountAnswered(result_); }
  // Does what InferenceSession::Infer does for the images without an answer, a few messages at a time, and appends what
  // comes of them: a kill loses those messages at most. Returns the result on all images. Ends early if the file can't
  // be written, so that nothing is paid for that isn't kept.
  InferenceResult Infer(const ProgressFn& progress);

 private:
  AnswerFile(const InferenceSetup& setup, AppendFile file, InferenceResult result)
      : setup_(setup), file_(std::move(file)), result_(std::move(result)) {}
  // Asks for the images [begin, end), none of which has an answer, and keeps what comes of them.
  absl::Status Ask(int64_t begin, int64_t end, std::chrono::milliseconds deadline, const ProgressFn& progress);
  // Returns the first images without an answer, from `from` on, as many as go into a few messages.
  std::pair<int64_t, int64_t> Missing(int64_t from) const;

  InferenceSetup setup_;
  AppendFile file_;
  InferenceResult result_;
};

}  // namespace privdnn
