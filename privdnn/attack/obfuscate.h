// Polymorphic obfuscation, a defence (after the paper's): every user gets a network of its own, so that neurons stolen
// from one don't work as they are in another's. What that is worth, TransplantNetwork measures.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "privdnn/base/random.h"
#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

struct ObfuscateOptions {
  // Side of the secret kernels, odd. Of fully connected layers it is 1. With 1 a layer's own kernel stays as large as
  // it is, and so do the package and the time an image takes; with 3, as in the paper, all grow.
  int64_t kernel = 1;
  // Whether each new neuron is made of all core neurons of the layer, rather than of its own one alone.
  bool mix = true;
  // Whether what reads the layer begins to learn anew, rather than from what it is.
  bool renew = true;
};

// A layer that was made another.
struct ObfuscatedLayer {
  int64_t number = 0;                                // as in Selection
  int64_t neurons = 0;                               // core neurons
  int64_t secret_numbers = 0;                        // that were drawn for them
  std::vector<int64_t> kernel_before, kernel_after;  // {height, width}; {1, 1} if it is fully connected
};

// A network that is still to learn what its first half now says.
struct ObfuscatedNetwork {
  Graph graph;
  std::map<std::string, std::vector<float>> rates;  // TrainOptions::rates: all behind a segment trains
  std::vector<ObfuscatedLayer> layers;
  int64_t renewed = 0;  // weights that begin anew
};

// For the last layer of each segment (FindSegments), whose outputs a user sees, draws secret kernels K, uniform in
// [-1, 1), and puts
//   z'_f = a_f sum_g K_{f,g} * z_g + c_f
// in the place of the outputs z of its core neurons, where a_f and c_f keep mean and deviation over `calibration` as
// they were. That is one layer again, of the same form, with a kernel larger by stride (kernel - 1) and padding larger
// by stride (kernel - 1) / 2: the graph differs from `graph` in numbers and one window a layer. At the border it pads
// where two convolutions would cut; it is a network of its own and not an encoding of the other one. Plaintext neurons
// stay what they are, in the middle of the larger kernel. The graph is the separated one (Separate): that is what
// the user computes, so that is what the rest has to learn behind it. Of `random` 64 bits more are drawn, for what
// begins anew, which is no secret.
//
// InvalidArgument for what FindSegments refuses, a kernel that is even or not in [1, 15], images that don't fit the
// graph or none; for a layer where nothing but signs would change, since an output has one neuron and a kernel of 1;
// and for a layer behind which there is nothing to learn.
absl::StatusOr<ObfuscatedNetwork> Obfuscate(const Graph& graph, const Selection& selection, const ImageSet& calibration,
                                            const ObfuscateOptions& options, RandomSource& random);

}  // namespace privdnn
