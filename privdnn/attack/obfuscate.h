// Polymorphic obfuscation, a defence (after the paper's): every user gets a different network, so that neurons stolen
// from one don't work unchanged in another. TransplantNetwork measures what that achieves.
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
  // Side of the secret kernels, odd; for fully connected layers it is 1. With 1, a layer's own kernel keeps its size,
  // and so do the package and the time per image; with 3, as in the paper, all of them grow.
  int64_t kernel = 1;
  // Whether each new neuron is a mix of all core neurons of the layer, rather than made from its own one alone.
  bool mix = true;
  // Whether the layers that read this layer are trained from new weights, rather than from their present ones.
  bool renew = true;
};

// A layer that was changed.
struct ObfuscatedLayer {
  int64_t number = 0;                                // as in Selection
  int64_t neurons = 0;                               // core neurons
  int64_t secret_numbers = 0;                        // how many were drawn for them
  std::vector<int64_t> kernel_before, kernel_after;  // {height, width}; {1, 1} if fully connected
};

// A network whose rest must still be trained on the new outputs of its segments.
struct ObfuscatedNetwork {
  Graph graph;
  std::map<std::string, std::vector<float>> rates;  // TrainOptions::rates: everything after a segment is trained
  std::vector<ObfuscatedLayer> layers;
  int64_t renewed = 0;  // number of weights that are drawn anew
};

// For the last layer of each segment (FindSegments), whose outputs a user sees, draws secret kernels K, uniform in
// [-1, 1), and replaces the outputs z of its core neurons by
//   z'_f = a_f sum_g K_{f,g} * z_g + c_f
// where a_f and c_f keep mean and deviation over `calibration` unchanged. The result is again one layer of the same
// form, with a kernel larger by stride (kernel - 1) and padding larger by stride (kernel - 1) / 2: the new graph
// differs from `graph` in numbers and in one window per layer. At the border it pads where two convolutions would cut;
// it is a different network, not an encoding of the old one. Plaintext neurons stay unchanged, in the middle of the
// larger kernel. The result is the separated graph (Separate), since this is what the user computes and therefore what
// the rest must be trained on. Draws 64 more bits of `random` for weights that are drawn anew; these are not secret.
//
// Fails with InvalidArgument for errors of FindSegments; if the kernel is even or not in [1, 15]; if there are no
// images or they don't fit the graph; if nothing but signs would change in a layer, since each output is made from one
// neuron with a kernel of 1; and if nothing after a layer can be trained.
absl::StatusOr<ObfuscatedNetwork> Obfuscate(const Graph& graph, const Selection& selection, const ImageSet& calibration,
                                            const ObfuscateOptions& options, RandomSource& random);

}  // namespace privdnn
