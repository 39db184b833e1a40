// Attacks by training: what someone can make of a network with labelled images of their own and either nothing else
// (A_t of the paper) or the plaintext part of a package (A_rec). The attacks use no reply of the owner, so no budget or
// encryption hinders them. What replies reveal in addition is another matter (SECURITY.md, statement 3).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/torch/train.h"

namespace privdnn {

// A network that an attacker starts from, and how it is trained.
struct AttackNetwork {
  Graph graph;
  std::map<std::string, std::vector<float>> rates;  // TrainOptions::rates
  int64_t weights = 0;                              // values of the graph's initializers
  int64_t unknown = 0;                              // how many of them the attacker doesn't know
};

// Returns the start for A_t: only the architecture is known. Every weight starts anew; see Reinitialize.
AttackNetwork ScratchNetwork(const Graph& graph, uint64_t seed);

struct RecoverOptions {
  // The share of the learning rate for known weights, in [0, 1]; 0: they stay unchanged. Known running statistics are
  // measured anew, or stay unchanged with 0.
  double known_rate = 0.1;
  // Whether the attacker also knows HiddenWeights::cut. A real attacker doesn't; but the authors of the paper, who
  // retrain the trained network with new core neurons, leave it these weights.
  bool knows_cut = false;
  uint64_t seed = 1;
};
// Returns the start for A_rec: the whole architecture, with new core neurons and the known weights. An authorised user
// computes only the separated network. But the attacker wants the original one, in which plaintext neurons read core
// neurons too, so it also trains these weights (HiddenWeights::cut). They start at 0, with which the plaintext neurons
// work well, and not at random. Fails with InvalidArgument for errors of FindSegments, and for a rate outside [0, 1].
absl::StatusOr<AttackNetwork> RecoverNetwork(const Graph& graph, const Selection& selection,
                                             const RecoverOptions& options);

// Returns the network that tests what neurons stolen from one network are worth in another of the same form: `into` as
// in RecoverNetwork, with `from`'s core neurons instead of new ones. Between two copies of one network, the theft is
// perfect: the result is the separated network. Also fails with InvalidArgument if the networks differ in what is
// hidden.
absl::StatusOr<AttackNetwork> TransplantNetwork(const Graph& from, const Graph& into, const Selection& selection,
                                                const RecoverOptions& options);

// Replaces the flagged values by new ones. Weights are uniform in +-sqrt(6 / fan-in) before a rectifier (He et al.,
// ICCV 2015) and in +-1 / sqrt(fan-in) elsewhere; biases are in +-1 / sqrt(fan-in) everywhere. Batch normalisation
// starts as the identity, as do other constants that are added (0) or multiplied (1). The same seed gives the same
// value to the same weight, whatever else is flagged.
Graph Reinitialize(Graph graph, const WeightFlags& which, uint64_t seed);

// Returns `count` images of the set, drawn at random without repetition, in random order. Fails with InvalidArgument if
// there are fewer.
absl::StatusOr<ImageSet> DrawSamples(const ImageSet& set, int64_t count, uint64_t seed);

// Trains the network with Train, at its rates. The best epoch is chosen on the attacker's own held-out images, if there
// are any.
absl::StatusOr<TrainResult> Retrain(const AttackNetwork& network, const ImageSet& samples, const ImageSet& held_out,
                                    TrainOptions options, const ProgressFn& progress);

}  // namespace privdnn
