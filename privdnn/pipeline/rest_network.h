// The plaintext rest of a package's network. The user runs it with LibTorch, stage by stage.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "privdnn/graph/output_kind.h"
#include "privdnn/package/package.h"
#include "privdnn/torch/executor.h"

namespace privdnn {

class RestNetwork {
 public:
  // What the network has to know of a segment.
  struct SegmentOutputs {
    const SegmentSpec* spec;
    std::span<const double> output_scale;  // one per output
  };
  // Reads the ONNX model in the package. Fails with InvalidArgument if its inputs and outputs don't fit the segments.
  static absl::StatusOr<RestNetwork> Create(const Package& package);
  static absl::StatusOr<RestNetwork> Create(std::span<const uint8_t> model, std::span<const SegmentOutputs> segments);

  size_t num_segments() const { return segments_.size(); }
  // Returns the shape of an image, without the batch: {C, H, W}, {C, W} or {C}.
  const std::vector<int64_t>& image_shape() const { return image_shape_; }
  // Returns what the scores are, and how many an image has.
  OutputKind output_kind() const { return output_kind_; }
  int64_t columns() const { return columns_; }

  // Returns the most bytes that one image's values take at a time (PeakBytesPerImage).
  uint64_t bytes_per_image() const { return bytes_per_image_; }

  // A batch of images on its way through the network. Holds the values that later stages read.
  struct Evaluation {
    int64_t images = 0;
    std::map<std::string, Tensor> values;
  };
  // Begins an evaluation of images (N, ...) that are the same inputs as image_shape() (see IsSameInput).
  Evaluation Start(Tensor images) const;
  // Returns the input of segment k, (N, channels, height, width) or (N, channels). Call Feed(0), Provide(0), Feed(1),
  // Provide(1) and so on, in this order.
  absl::StatusOr<Tensor> Feed(size_t k, Evaluation& evaluation) const;
  // Converts the decrypted integers of segment k, [image][output][position] (Geometry::values_per_image per image), to
  // real numbers and stores them in `evaluation`.
  void Provide(size_t k, std::span<const int64_t> outputs, Evaluation& evaluation) const;
  // Returns scores (N, columns), once every segment has been provided.
  absl::StatusOr<Tensor> Scores(Evaluation& evaluation) const;

  // Returns scores with zero in place of every encrypted output, as a user gets without the owner.
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
  static absl::StatusOr<Segment> Connect(const Graph& graph, size_t k, const SegmentOutputs& outputs);
  absl::Status RunStage(size_t k, Evaluation& evaluation) const;
  std::vector<std::optional<Stage>> stages_;  // empty where there is nothing to compute
  std::vector<Segment> segments_;
  std::vector<int64_t> image_shape_;
  std::string input_, output_;
  OutputKind output_kind_ = OutputKind::kClasses;
  int64_t columns_ = 0;
  uint64_t bytes_per_image_ = 0;
};

}  // namespace privdnn
