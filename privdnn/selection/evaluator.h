// What candidates for the core neurons are worth, without computing again what a candidate doesn't change.
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
  // Candidates that run at a time; each takes one core.
  int threads = 1;
  // A label counts as found among so many largest outputs; of equal outputs, the first is the larger.
  int64_t top_k = 1;
  // Images whose values between the layers don't fit into this much memory have them computed again for every call.
  uint64_t cache_bytes = uint64_t{2} << 30;
  // Layer, as in FindLayers, and number of layers: 2 for the layers before and behind a square, 1 for the core
  // neurons of one layer (a linear segment, in which separation changes nothing). 0: the first quadratic pair.
  int64_t first_layer = 0;
  int layers = 2;
};

// Separation and removal in floating point, without encryption or quantisation, as SelectionAccuracy has them, of any
// candidate for one segment of a network. For a square's layers, x = second layer's output, c_i what neuron i of the
// first layer adds to it: a plaintext neuron reads x - sum of c_i over the core i, a core neuron reads x or, removed,
// 0; what lies behind is run for each candidate. x, the squares and, where they fit into the memory, the c_i are kept.
class Evaluator : public OutcomeSource {
 public:
  // Evaluates the unchanged network too. LibTorch is set to one thread an operator, process-wide. InvalidArgument for
  // an empty image set, images that don't fit the graph, top_k outside 1 to the number of classes, weights that are not
  // finite, layers that aren't there or have no square between them. Progress, if given, counts images; Cancelled when
  // it returns false.
  static absl::StatusOr<Evaluator> Create(const Graph& graph, ImageSet images, const EvaluatorOptions& options,
                                          const ProgressFn& progress = {});
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator() override;

  int64_t images() const;
  // Images that go through the network together, of a range or of a list. One that is cut at multiples of it takes no
  // longer in parts, and every floating-point operation is the same.
  int64_t batch_images() const;
  const ImageSet& image_set() const;
  const EvaluatorOptions& options() const;
  // Numbers of the layers and how many neurons they have; 0 and 0 for the first of a linear segment.
  int64_t first_number() const, second_number() const;
  int64_t first_neurons() const, second_neurons() const;
  // Which images the unchanged network classifies correctly (A_o).
  const std::vector<uint8_t>& original() const;
  // The same as margins.
  const std::vector<float>& original_margins() const;

  // The same outcomes for every number of threads. A candidate may have no second neurons: then both outcomes are those
  // of the network without the first ones, but that `separated` keeps the squares that a shortcut reads. A label whose
  // score is not a number is not found. InvalidArgument for neurons that aren't there and an empty range.
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override;
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override;

  // As a selection of the graph's neurons, and back. InvalidArgument for neurons of other layers.
  Selection ToSelection(const Candidate& candidate) const;
  absl::StatusOr<Candidate> FromSelection(const Selection& selection) const;

 private:
  struct Impl;
  explicit Evaluator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace privdnn
