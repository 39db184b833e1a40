// Arithmetic on constants while a model is read. Internal to the ONNX reader.
#pragma once

#include <cstdint>
#include <vector>

#include "privdnn/onnx/tensor.h"

namespace privdnn {

// Elements that folded constants may still have. A few bytes of model must not make large constants of small ones.
class FoldBudget {
 public:
  // Constants that the file holds may be folded several times over.
  void Add(int64_t elements) { left_ += 8 * elements; }
  // Takes what a constant of this shape needs, or fails.
  absl::Status Spend(const std::vector<int64_t>& shape);

 private:
  int64_t left_ = int64_t{1} << 20;
};

// Which elements of a constant make up another one, in row-major order.
struct Rearrangement {
  std::vector<int64_t> shape;
  std::vector<uint32_t> from;  // below 2^31
};
absl::Status CheckPermutation(const std::vector<int64_t>& permutation, size_t rank);
absl::StatusOr<Rearrangement> TransposeElements(const std::vector<int64_t>& shape,
                                                const std::vector<int64_t>& permutation, FoldBudget& budget);
absl::StatusOr<Rearrangement> GatherElements(const std::vector<int64_t>& shape, size_t axis, const IntTensor& indices,
                                             FoldBudget& budget);
// Broadcasts to `target`, which must be a shape that `shape` broadcasts to.
absl::StatusOr<Rearrangement> ExpandElements(const std::vector<int64_t>& shape, const std::vector<int64_t>& target,
                                             FoldBudget& budget);
Tensor Rearrange(const Tensor& tensor, const Rearrangement& order);
IntTensor Rearrange(const IntTensor& tensor, const Rearrangement& order);

// NumPy's broadcasting.
absl::StatusOr<std::vector<int64_t>> BroadcastShape(const std::vector<int64_t>& a, const std::vector<int64_t>& b);
// Apply Add, Sub, Mul, Div, Max or Min. Fail for any other operator, and for integers also for what does not fit 64
// bits or depends on the size of the batch.
absl::StatusOr<Tensor> FoldArithmetic(const Op& op, const Tensor& a, const Tensor& b, FoldBudget& budget);
absl::StatusOr<IntTensor> FoldArithmetic(const Op& op, const IntTensor& a, const IntTensor& b, FoldBudget& budget);

// A target of Reshape for a constant: 0 copies (unless `allow_zero`), -1 infers.
absl::StatusOr<std::vector<int64_t>> ReshapedShape(const std::vector<int64_t>& shape, std::vector<int64_t> target,
                                                   bool allow_zero);

// Count axes of a constant, or of a value that may be one, from the front; in order, each once.
absl::StatusOr<size_t> ConstantAxis(int64_t axis, size_t rank);
absl::StatusOr<std::vector<size_t>> SortedAxes(const std::vector<int64_t>& axes, size_t rank);

}  // namespace privdnn
