// Attacks by training: what comes of a network in the hands of someone who has labelled images of its own and either
// nothing else (A_t of the paper) or the plaintext part of a package (A_rec). They use no reply of the owner, so that
// no budget or encryption is in their way; what replies tell besides is another matter (SECURITY.md, statement 3).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "privdnn/attack/hidden_weights.h"
#include "privdnn/torch/train.h"

namespace privdnn {

// A network that an attacker starts from, and how it trains it.
struct AttackNetwork {
  Graph graph;
  std::map<std::string, std::vector<float>> rates;  // TrainOptions::rates
  int64_t weights = 0;                              // values of the graph's initializers
  int64_t unknown = 0;                              // of these, those that the attacker doesn't know
};

// A_t: the graph as an architecture. Every weight starts anew: see Reinitialize.
AttackNetwork ScratchNetwork(const Graph& graph, uint64_t seed);

struct RecoverOptions {
  // The share of the learning rate at which known weights follow, in [0, 1]; 0: they stay as they are. Running
  // statistics that are known are measured anew, or stay with 0.
  double known_rate = 0.1;
  // Whether the attacker knows HiddenWeights::cut too. It doesn't; but the authors of the paper, who retrain the
  // trained network with new core neurons, leave it these.
  bool knows_cut = false;
  uint64_t seed = 1;
};
// A_rec: the whole architecture, with new core neurons and with the known weights as they are. An authorised user
// computes less, the separated network; but what the attacker wants is the original one, in which plaintext neurons
// read core neurons too. So it trains these weights (HiddenWeights::cut) as well. They start at 0, which is what the
// plaintext neurons work well with, and not at random. InvalidArgument for what FindSegments refuses and for a rate
// outside [0, 1].
absl::StatusOr<AttackNetwork> RecoverNetwork(const Graph& graph, const Selection& selection,
                                             const RecoverOptions& options);

// What neurons stolen from one network are worth in another of the same form: `into` as RecoverNetwork has it, with
// `from`'s core neurons in place of new ones. Between two copies of one network that is a perfect theft: it is the
// separated network. InvalidArgument, too, if the networks differ in what is hidden.
absl::StatusOr<AttackNetwork> TransplantNetwork(const Graph& from, const Graph& into, const Selection& selection,
                                                const RecoverOptions& options);

// Puts new values in the place of the flagged ones. Weights are uniform in +-sqrt(6 / fan-in) in front of a rectifier
// (He et al., ICCV 2015) and, like biases everywhere, in +-1 / sqrt(fan-in) elsewhere; batch normalisation starts as
// the identity, so do other constants that are added (0) or multiplied (1). The same seed gives the same value to the
// same weight, whatever else is flagged.
Graph Reinitialize(Graph graph, const WeightFlags& which, uint64_t seed);

// `count` images of the set, drawn at random without repetition, in random order. InvalidArgument if there are fewer.
absl::StatusOr<ImageSet> DrawSamples(const ImageSet& set, int64_t count, uint64_t seed);

// Train of the network, at its rates. The attacker's own images choose the epoch, if it holds any out.
absl::StatusOr<TrainResult> Retrain(const AttackNetwork& network, const ImageSet& samples, const ImageSet& held_out,
                                    TrainOptions options, const ProgressFn& progress);

}  // namespace privdnn
