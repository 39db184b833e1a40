// Private inference measured: which network, which neurons, which images; what `bench infer` and `bench networks`
// share.
#pragma once

#include "privdnn/cli/network_input.h"
#include "privdnn/pipeline/two_parties.h"

namespace privdnn {

// A network, trained or of the paper with random weights, core neurons, and images to evaluate.
struct BenchModel : NetworkInput {
  BenchModel() : NetworkInput{.default_selection = "1:0;2:0"} {}
  int64_t images = 1;
  ImageInput input;  // whose test images; none given: random pixels, with the embedded model MNIST's

  void AddOptions(CLI::App* command);

  struct Loaded {
    Graph graph;
    Selection selection;
    ImageSet images;
    std::string weights, pixels;  // where they come from, for people
    bool labelled = false;
  };
  absl::StatusOr<Loaded> LoadAll() const;
};

// A run of owner and user, and what they ran.
struct BenchRun {
  std::string architecture;  // of the paper's; empty: a trained model
  int percent = 0;           // of its neurons encrypted; 0: a selection was given
  std::string weights, pixels;
  bool labelled = false;
  int repeats = 1;
  TwoPartyResult run;
};
// Runs owner and user and checks every integer. Internal if one differs.
absl::StatusOr<BenchRun> BenchInfer(const BenchModel& model, TwoPartyOptions options);
Json BenchInferJson(const BenchRun& bench);

}  // namespace privdnn
