// Criteria from network pruning: how much each neuron of a layer matters on its own.
#pragma once

#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

enum class PruningCriterion {
  kNorm,   // L2 norm of the weights (Li et al., ICLR 2017, with L2)
  kFpgm,   // sum of distances to the other neurons' weights: large far from the geometric median (He et al., CVPR 2019)
  kHrank,  // mean rank of the neuron's feature maps (Lin et al., CVPR 2020)
  kGreedyForward,  // how much adding it back to a network without the layer lowers the loss (Ye et al., ICML 2020)
};
// Parses "norm", "fpgm", "hrank" or "greedy-forward".
absl::StatusOr<PruningCriterion> ParsePruningCriterion(const std::string& name);

// Returns all neurons of a layer (numbered as in FindLayers), the most important first; of equals, the one with the
// lower index first. kHrank and kGreedyForward use the first 500 of `images`; for the others it may be empty.
// kGreedyForward chooses only the first `count` of the result; the others follow by index. For kHrank, a map is the
// output of the layer's own node. For kGreedyForward, leaving out a neuron means setting the output that FindSegments
// defines for the layer to zero, as for an unauthorised user. Fails with InvalidArgument if the layer doesn't exist,
// weights are not finite, images are needed but missing or, for kGreedyForward, if FindSegments fails. `progress`
// counts the images that were run; fails with Cancelled if it returns false.
absl::StatusOr<std::vector<int64_t>> RankNeurons(const Graph& graph, int64_t layer, PruningCriterion criterion,
                                                 const ImageSet& images, int64_t count, const ProgressFn& progress);

}  // namespace privdnn
