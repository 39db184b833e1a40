// The paper's networks (section 5.1), with freshly initialised weights.
#pragma once

#include <optional>

#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns the names that BuildArchitecture accepts.
std::vector<std::string> ArchitectureNames();

// Builds a network with one graph input, "image", (N,C,H,W) in [0,1], and one output, "logits", (N,classes). 3x3
// convolutions are padded by 1. Pools have side 2 and stride 2. ReLU follows every fully connected layer except the
// last.
//
//   lenet5-mnist          1x28x28. conv 5x5x6, average pool, square, conv 5x5x16, average pool, square, fully connected
//                         256-120-84-10.
//   lenet5-emnist         The same with 10 and 20 filters and fully connected 320-120-84-26.
//   alexnet-gtsrb         3x32x32. conv 5x5x96 (pad 1), average pool, square, conv 3x3x256, BN, ReLU, max pool, conv
//                         3x3x384, ReLU, conv 3x3x384, ReLU, conv 3x3x256, ReLU, max pool, fully connected
//                         2304-512-128-43 with dropout 0.5.
//   vgg16-cifar10         3x32x32. conv 3x3x64, square, then convolutions with BN and ReLU: 64, max pool, 128 twice,
//   max
//                         pool, 256, 512 and 512 three times and a max pool each, fully connected 512-512-512-10 with
//                         dropout 0.5.
//   resnet18-tinyimagenet 3x64x64. conv 3x3x64, BN, square, then two basic blocks of 64, 128, 256 and 512 channels
//                         (stride 2 at the start of each but the first), average pool 4x4, fully connected 2048-200. No
//                         convolution has a bias. The first block of each width has a 1x1 convolution and BN as its
//                         shortcut.
//
// `classes` replaces the width of the last layer. Weights are uniform, from `seed`. The LeNets use PyTorch's defaults.
// The other networks use the variance that preserves the mean square of the values (2 / fan-in in front of ReLU, 1 /
// fan-in elsewhere), so that values neither explode nor vanish through squares and depth. BN starts as the identity:
// scale 1, shift 0, mean 0, variance 1. Fails with NotFound for an unknown name, and with InvalidArgument for fewer
// than 2 classes.
absl::StatusOr<Graph> BuildArchitecture(const std::string& name, uint64_t seed,
                                        std::optional<int64_t> classes = std::nullopt);

}  // namespace privdnn
