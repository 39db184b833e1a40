// Turns a trained network into a program on shares: everything behind the first encrypted layer, in integers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "privdnn/lifting/range.h"
#include "privdnn/partition/partition.h"
#include "privdnn/sealed/program.h"
#include "privdnn/segment/quantized.h"

namespace privdnn {

struct SealOptions {
  int value_bits = 13;   // k of every value that is compared: 6 to 24; 4 q + 1 uses a comparison's digits fully
  int weight_bits = 10;  // sign included: 4 to 16
  int input_bits = 12;   // of what enters from the plaintext part: 4 to 24
  Reveal reveal = Reveal::kLabel;
};

// Values have this many bits more than their calibrated range needs. One keeps differences of two values within their
// bits, which maxima and the answer compare.
inline constexpr int kSealMarginBits = 1;

// A network in two parts. Holds the encrypted neurons' weights, so it must stay with the owner.
struct SealedModel {
  SealedProgram program;
  std::vector<QuantizedSegment> segments;  // the encrypted layers, in order
  // What the user computes alone, in floats: values of `graph`, which InputStep::front counts.
  Graph graph;  // the network with batch normalisation folded
  std::vector<std::string> front;
};

// Returns the values of a network with folded batch normalisation whose ranges Seal must know. Fails as Seal does.
absl::StatusOr<std::vector<std::string>> ValuesToSeal(const Graph& folded, const Selection& selection);

// Compiles a network, of which FoldBatchNormalization has been done, with a selection of neurons to encrypt. Whatever a
// chosen layer's values reach is computed on shares. `ranges` has what each of ValuesToSeal takes on calibration
// images.
//
// Scales are powers of two. Weights are rounded to weight_bits, sums to value_bits. Supported are Conv, Gemm and MatMul
// by constants, Relu, MaxPool, AveragePool (GlobalAveragePool), Square, Add, Flatten and Reshape to rows, Dropout, and
// a Softmax at the end, which is left out: labels stay, and scores are its logits. Fails with InvalidArgument, naming
// the node, for anything else behind an encrypted layer, for options out of range, and if a sum needs more than
// kMaxShareBits.
absl::StatusOr<SealedModel> Seal(const Graph& folded, const Selection& selection,
                                 const std::map<std::string, MeasuredRange>& ranges, const SealOptions& options);

}  // namespace privdnn
