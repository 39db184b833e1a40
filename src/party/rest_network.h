// The plaintext rest of a package's network, run by the user with LibTorch.
#pragma once

#include "nn/executor.h"
#include "party/user.h"

namespace privdnn {

class RestNetwork {
 public:
  // Reads the ONNX model in the package; InvalidArgument if its inputs don't fit the segment.
  static absl::StatusOr<RestNetwork> Create(const Package& package);

  // Class scores (images, classes). images: (images, C, H, W); outputs: (images, F, h, w) as User::Dequantize gives
  // them, or zeros for what a user has without the owner.
  absl::StatusOr<nn::Tensor> Run(nn::Tensor images, nn::Tensor outputs) const;

 private:
  RestNetwork(nn::Executor executor, std::string input, std::string output)
      : executor_(std::move(executor)), input_(std::move(input)), output_(std::move(output)) {}
  nn::Executor executor_;
  std::string input_, output_;
};

}  // namespace privdnn
