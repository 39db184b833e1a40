// Criteria from network pruning: how much each neuron of a layer matters by itself.
#pragma once

#include <string>
#include <vector>

#include "privdnn/base/progress.h"
#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"

namespace privdnn {

enum class PruningCriterion {
  kNorm,   // L2 norm of the weights (Li et al., ICLR 2017, with L2)
  kFpgm,   // sum of distances to the other neurons' weights: far from the geometric median (He et al., CVPR 2019)
  kHrank,  // mean rank of the neuron's feature maps (Lin et al., CVPR 2020)
  kGreedyForward,  // what adding it back to a network without the layer brings in loss (Ye et al., ICML 2020)
};
// "norm", "fpgm", "hrank", "greedy-forward".
absl::StatusOr<PruningCriterion> ParsePruningCriterion(const std::string& name);

// All neurons of a layer (number as in FindLayers), the most important first; of equals the lower index. `images`:
// for kHrank and kGreedyForward, the first 500 of them; may be empty for the others. For kGreedyForward only the first
// `count` of the result are chosen by the criterion, the others follow by index. InvalidArgument for a layer that isn't
// there, weights that are not finite, images that are needed and not there. For kHrank a map is what the layer's own
// node gives; for kGreedyForward what is left out of a layer is what FindSegments calls its output, zero as an
// unauthorised user has it, and InvalidArgument for what it refuses. Cancelled if progress, which counts images that
// were run, returns false.
absl::StatusOr<std::vector<int64_t>> RankNeurons(const Graph& graph, int64_t layer, PruningCriterion criterion,
                                                 const ImageSet& images, int64_t count, const ProgressFn& progress);

}  // namespace privdnn
