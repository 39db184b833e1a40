// Runs a network cut at a segment: the part before it once per image, the part after it for every candidate. Internal
// to selection.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "privdnn/selection/evaluator.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

// The values of a batch of images at the segment.
struct SegmentValues {
  int64_t images = 0;
  Tensor squares;                    // (N, first neurons, height, width); empty for a linear segment
  Tensor full;                       // the segment's output
  std::vector<float> contributions;  // [first neuron][image][value of the segment's output], or empty
};

class SegmentRunner {
 public:
  // Returns the errors of Evaluator::Create about the graph, the layers and top_k.
  static absl::StatusOr<SegmentRunner> Create(const Graph& graph, const EvaluatorOptions& options);

  const Segment& segment() const { return segment_; }
  int64_t first_neurons() const { return first_neurons_; }
  int64_t second_neurons() const { return second_neurons_; }
  // Return the number of values per image.
  int64_t output_values() const { return second_neurons_ * output_area_; }
  int64_t square_values() const { return first_neurons_ * square_area_; }

  // Runs the part before the segment; doesn't compute contributions. `images` is (N, C, H, W).
  absl::StatusOr<SegmentValues> Front(Tensor images) const;
  // Adds the first neurons' contributions. Calls `go_on` between neurons and fails with Cancelled once it returns
  // false.
  absl::Status Contribute(const std::function<bool()>& go_on, SegmentValues& values) const;
  // Returns the values of the segment's output without the core neurons of the first layer, [image][value].
  absl::StatusOr<std::vector<float>> Partial(const SegmentValues& values, const std::vector<int64_t>& core) const;

  // Returns the margins of the unchanged network.
  absl::StatusOr<std::vector<float>> Original(const SegmentValues& values, std::span<const int32_t> labels) const;
  // Returns the margins of one of a candidate's networks. `partial` is the result of Partial for its first layer.
  absl::StatusOr<std::vector<float>> Margins(const SegmentValues& values, const std::vector<float>& partial,
                                             const Candidate& candidate, View view,
                                             std::span<const int32_t> labels) const;
  // Returns whether the two networks of such a candidate are the same.
  bool OneNetwork(const Candidate& candidate) const { return candidate.second.empty() && segment_.shortcut.empty(); }

 private:
  SegmentRunner() = default;
  absl::Status FindLayers(const Graph& graph, const EvaluatorOptions& options);
  absl::Status Build(const Graph& graph);
  absl::StatusOr<std::vector<float>> RunTail(Tensor outputs, Tensor shortcut, std::span<const int32_t> labels) const;
  // Returns the shape in which the second layer reads squares. In the graph, those of a fully connected layer have two
  // dimensions.
  std::vector<int64_t> SquareMap(int64_t count) const {
    return {count, first_neurons_, segment_.square_shape[1], segment_.square_shape[2]};
  }

  Segment segment_;  // with all neurons
  int64_t first_neurons_ = 0, second_neurons_ = 0, output_area_ = 0, square_area_ = 0, top_k_ = 1;
  std::optional<Executor> front_, second_, unbiased_, tail_;
  std::string image_input_, logits_;
};

}  // namespace privdnn
