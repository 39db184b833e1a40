// The plaintext rest of a package's network, run by the user with LibTorch, stage by stage.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "privdnn/package/package.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

class RestNetwork {
 public:
  // Reads the ONNX model in the package; InvalidArgument if its inputs and outputs don't fit the segments.
  static absl::StatusOr<RestNetwork> Create(const Package& package);

  size_t num_segments() const { return segments_.size(); }
  // {C, H, W} of an image.
  const std::vector<int64_t>& image_shape() const { return image_shape_; }

  // A batch of images on its way through the network: the values that later stages read.
  struct Evaluation {
    int64_t images = 0;
    std::map<std::string, Tensor> values;
  };
  // images: (N, C, H, W).
  Evaluation Start(Tensor images) const;
  // What segment k reads, (N, channels, height, width) or (N, channels). Calls go from k = 0 on, Provide(k) between.
  absl::StatusOr<Tensor> Feed(size_t k, Evaluation& evaluation) const;
  // The decrypted integers of segment k, [image][output][position] (Geometry::values_per_image each), as real numbers.
  void Provide(size_t k, std::span<const int64_t> outputs, Evaluation& evaluation) const;
  // Class scores (N, classes), once every segment has been provided.
  absl::StatusOr<Tensor> Scores(Evaluation& evaluation) const;

  // What a user has without the owner: class scores with zeros in place of every encrypted output.
  absl::StatusOr<Tensor> WithoutOwner(Tensor images) const;

 private:
  struct Stage {
    Executor executor;
    std::vector<std::string> inputs;
  };
  // An input that a segment's outputs [first, first + outputs) become.
  struct Slot {
    std::string name;
    std::vector<int64_t> shape;
    uint64_t first, values;     // integers of an image
    std::vector<double> scale;  // an output
  };
  struct Segment {
    std::string feed;  // a value: an output of a stage, or the network's input
    uint64_t values_per_image;
    std::vector<Slot> slots;
  };
  RestNetwork() = default;
  static absl::StatusOr<Segment> Connect(const Graph& graph, size_t k, const PreparedSegment& segment);
  absl::Status RunStage(size_t k, Evaluation& evaluation) const;
  std::vector<std::optional<Stage>> stages_;  // none where there is nothing to compute
  std::vector<Segment> segments_;
  std::vector<int64_t> image_shape_;
  std::string input_, output_;
};

}  // namespace privdnn
