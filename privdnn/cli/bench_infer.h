// Private inference measured: which network, which neurons, which images; what `bench infer` and `bench networks`
// share.
#pragma once

#include "privdnn/cli/network_input.h"
#include "privdnn/cli/two_parties.h"

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

// Runs owner and user, checks every integer, and describes the model beside the figures. Internal if an integer
// differs.
absl::StatusOr<Json> BenchInfer(const BenchModel& model, const TwoPartyOptions& options);

}  // namespace privdnn
