// Outcomes kept in a file, so that a search that was stopped goes on without computing them again.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "privdnn/selection/outcome_source.h"

namespace privdnn {

// Passes on what another source says and keeps it in a file. Searches are deterministic: one that is started again with
// the same journal asks the same questions, has the old ones answered at once, and ends with the identical result.
class Journal : public OutcomeSource {
 public:
  // `identity`: what outcomes depend on (a digest of model, images, layers, top_k); a file with another one is a
  // FailedPrecondition that says so. A file that isn't there is created; one whose last record is cut off (a kill, a
  // full disk) loses that record only; any other damage is DataLoss that says where. `source` must outlive the journal.
  static absl::StatusOr<Journal> Open(const std::filesystem::path& file, const std::string& identity,
                                      const OutcomeSource& source);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal() override;

  // Asks for a few dozen candidates at a time what the file doesn't hold. Records reach the file, flushed to the disk,
  // at the latest a minute after they are known, when progress cancels, and at the end.
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override;
  // The same for margins.
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override;

  // (candidate, image) pairs that the file answered.
  uint64_t replayed() const;
  // Candidates of so many neurons of each layer whose outcome on exactly the images [begin, end) is known.
  uint64_t Known(int64_t first, int64_t second, int64_t begin, int64_t end) const;

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
