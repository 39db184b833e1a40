// Evaluates candidates for the core neurons, without repeating the computations that a candidate doesn't change.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "privdnn/data/dataset.h"
#include "privdnn/partition/partition.h"
#include "privdnn/selection/outcome_source.h"

namespace privdnn {

struct EvaluatorOptions {
  // The number of candidates evaluated at a time; each takes one core.
  int threads = 1;
  // A label counts as found if it is among this many largest outputs. Of equal outputs, the first counts as larger.
  int64_t top_k = 1;
  // Memory for the values between the layers. For images whose values don't fit, they are recomputed on every call.
  uint64_t cache_bytes = uint64_t{2} << 30;
  // The layer, numbered as in FindLayers, and the number of layers: 2 for the layers before and after a square, 1 for
  // the core neurons of one layer (a linear segment, in which separation changes nothing). 0: the first quadratic pair.
  int64_t first_layer = 0;
  int layers = 2;
};

// Separates or removes any candidate for one segment of a network, as SelectionAccuracy defines it: in floating point,
// without encryption or quantisation. For the two layers of a square, let x be the second layer's output and c_i the
// part of it that comes from neuron i of the first layer. A plaintext neuron has the value x - sum of c_i over the core
// i; a core neuron has the value x or, if removed, 0. Everything after that is run for each candidate. The x, the
// squares and, where memory allows, the c_i are kept.
class Evaluator : public OutcomeSource {
 public:
  // Also evaluates the unchanged network. Sets LibTorch to one thread per operator, process-wide. Fails with
  // InvalidArgument if the image set is empty, images don't fit the graph, top_k is outside 1 to the number of classes,
  // weights are not finite, or the layers don't exist or have no square between them. `progress`, if given, counts
  // images; fails with Cancelled when it returns false.
  static absl::StatusOr<Evaluator> Create(const Graph& graph, ImageSet images, const EvaluatorOptions& options,
                                          const ProgressFn& progress = {});
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator() override;

  int64_t images() const;
  // Returns how many images of a range or of a list go through the network together. A range or list cut at multiples
  // of this number takes no longer in parts, and every floating-point operation is the same.
  int64_t batch_images() const;
  const ImageSet& image_set() const;
  const EvaluatorOptions& options() const;
  // Return the numbers of the layers, and how many neurons they have; 0 and 0 for the first layer of a linear segment.
  int64_t first_number() const, second_number() const;
  int64_t first_neurons() const, second_neurons() const;
  // Returns which images the unchanged network classifies correctly (A_o).
  const std::vector<uint8_t>& original() const;
  // Returns the same as margins.
  const std::vector<float>& original_margins() const;

  // Returns the same outcomes for every number of threads. A candidate may have no second neurons. Both outcomes are
  // then those of the network without the first neurons, except that `separated` keeps the squares that a shortcut
  // reads. A label whose score is not a number is not found. Fails with InvalidArgument if a neuron doesn't exist or
  // the range is empty.
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override;
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override;

  // Convert a candidate to a selection of the graph's neurons, and back. Fails with InvalidArgument for neurons of
  // other layers.
  Selection ToSelection(const Candidate& candidate) const;
  absl::StatusOr<Candidate> FromSelection(const Selection& selection) const;

 private:
  struct Impl;
  explicit Evaluator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
