// The plaintext rest of a package's network. The user runs it with LibTorch, stage by stage.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "privdnn/package/package.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

class RestNetwork {
 public:
  // Reads the ONNX model in the package. Fails with InvalidArgument if its inputs and outputs don't fit the segments.
  static absl::StatusOr<RestNetwork> Create(const Package& package);

  size_t num_segments() const { return segments_.size(); }
  // Returns {C, H, W} of an image.
  const std::vector<int64_t>& image_shape() const { return image_shape_; }

  // Returns the most bytes that one image's values take at a time (PeakBytesPerImage).
  uint64_t bytes_per_image() const { return bytes_per_image_; }

  // A batch of images on its way through the network. Holds the values that later stages read.
  struct Evaluation {
    int64_t images = 0;
    std::map<std::string, Tensor> values;
  };
  // Begins an evaluation of images (N, C, H, W).
  Evaluation Start(Tensor images) const;
  // Returns the input of segment k, (N, channels, height, width) or (N, channels). Call Feed(0), Provide(0), Feed(1),
  // Provide(1) and so on, in this order.
  absl::StatusOr<Tensor> Feed(size_t k, Evaluation& evaluation) const;
  // Converts the decrypted integers of segment k, [image][output][position] (Geometry::values_per_image per image), to
  // real numbers and stores them in `evaluation`.
  void Provide(size_t k, std::span<const int64_t> outputs, Evaluation& evaluation) const;
  // Returns class scores (N, classes), once every segment has been provided.
  absl::StatusOr<Tensor> Scores(Evaluation& evaluation) const;

  // Returns class scores with zero in place of every encrypted output, as a user gets without the owner.
  absl::StatusOr<Tensor> WithoutOwner(Tensor images) const;

 private:
  struct Stage {
    Executor executor;
    std::vector<std::string> inputs;
  };
  // A network input that receives a segment's outputs [first, first + outputs).
  struct Slot {
    std::string name;
    std::vector<int64_t> shape;
    uint64_t first, values;     // integers per image
    std::vector<double> scale;  // one per output
  };
  struct Segment {
    std::string feed;  // a value's name: an output of a stage, or the network's input
    uint64_t values_per_image;
    std::vector<Slot> slots;
  };
  RestNetwork() = default;
  static absl::StatusOr<Segment> Connect(const Graph& graph, size_t k, const PreparedSegment& segment);
  absl::Status RunStage(size_t k, Evaluation& evaluation) const;
  std::vector<std::optional<Stage>> stages_;  // empty where there is nothing to compute
  std::vector<Segment> segments_;
  std::vector<int64_t> image_shape_;
  std::string input_, output_;
  uint64_t bytes_per_image_ = 0;
};

}  // namespace privdnn
