// Runs an owner and a user as two processes on this machine that talk gRPC over TLS. `demo` and `bench infer` use it.
// This process is neither party; it holds the model and the images only to check the result.
#pragma once

#include <optional>
#include <string>

#include "privdnn/base/reporting.h"
#include "privdnn/data/dataset.h"
#include "privdnn/pipeline/child_process.h"
#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

struct TwoPartyOptions {
  ModelPlanOptions plan;  // inner segments are calibrated on the images themselves
  int64_t batch = 64;
  int threads = 1;
  int repeats = 1;
  bool compare_with_plain = true;  // the user's process also runs the whole network in plaintext
  // A program with privdnn's `serve` and `infer`.
  std::string program = OwnPath();
  Reporting reporting = {};
};

struct TwoPartyResult {
  ModelPlan model;
  InferenceReport user;  // of a complete run
  uint64_t owner_peak_rss_bytes = 0;
  uint64_t package_bytes = 0;
  // Percent of predictions that equal the labels. Empty if outputs are no classes.
  struct Accuracies {
    double original = 0;  // of the plaintext network; 0 unless it was run
    double with_owner = 0;
    double without_owner = 0;  // with zero for every encrypted output
  };
  std::optional<Accuracies> accuracies = {};
  uint64_t integers_compared = 0;
  uint64_t integer_mismatches = 0;  // decrypted integers that differ from the integer reference
  // Predictions that differ from the integer reference's; scores that do, if outputs are no classes.
  uint64_t answer_mismatches = 0;

  const InferenceReport::Online& online() const { return *user.online; }
  const InferenceReport::Figures& figures() const { return *user.online->figures; }
};

// Makes keys and a package in a temporary directory, starts the owner and the user, waits, and checks every decrypted
// integer.
absl::StatusOr<TwoPartyResult> RunTwoParties(const Graph& graph, const Selection& selection, const ImageSet& images,
                                             const TwoPartyOptions& options);

// Fails with Internal, giving the numbers, if an integer or an answer differs from the reference.
absl::Status CheckAgreement(const TwoPartyResult& result);

}  // namespace privdnn
