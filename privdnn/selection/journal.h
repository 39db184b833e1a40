// Keeps outcomes in a file, so that a stopped search continues without computing them again.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "privdnn/selection/outcome_source.h"

namespace privdnn {

// Passes on the answers of another source and keeps them in a file. Searches are deterministic: one that is started
// again with the same journal asks the same questions, gets the old ones answered at once, and ends with the identical
// result.
class Journal : public OutcomeSource {
 public:
  // `identity` says what outcomes depend on (a digest of model, images, layers, top_k). Fails with FailedPrecondition,
  // saying so, if the file has a different one. Creates the file if it doesn't exist. If the last record is cut off (a
  // kill, a full disk), only that record is lost; any other damage is DataLoss, and the error says where. `source` must
  // outlive the journal.
  static absl::StatusOr<Journal> Open(const std::filesystem::path& file, const std::string& identity,
                                      const OutcomeSource& source);
  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal() override;

  // Asks the source, for a few dozen candidates at a time, what the file doesn't hold. Records are written, and flushed
  // to the disk, at most a minute after they are known, when progress cancels, and at the end.
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override;
  // Does the same for margins.
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override;

  // Returns how many (candidate, image) pairs were answered from the file.
  uint64_t replayed() const;
  // Returns how many candidates with these numbers of neurons in each layer have a known outcome on exactly the images
  // [begin, end).
  uint64_t Known(int64_t first, int64_t second, int64_t begin, int64_t end) const;

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
