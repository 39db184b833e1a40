// The network that comes with the program.
#include <gtest/gtest.h>

#include <filesystem>

#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/train.h"

namespace privdnn {
namespace {

const std::filesystem::path kLenet = std::filesystem::path(PRIVDNN_ASSETS) / "lenet5-mnist";

TEST(Lenet5Asset, IsTheArchitectureWithOtherWeights) {
  const auto asset = LoadOnnx(kLenet / "model.onnx");
  ASSERT_TRUE(asset.ok()) << asset.status();
  Graph untrained = BuildArchitecture("lenet5-mnist", 1).value();
  EXPECT_NE(*asset, untrained);
  untrained.initializers = asset->initializers;
  EXPECT_EQ(*asset, untrained);
}

// 99.33 % on all 10,000 test images, 98.70 % on the first 1,000.
TEST(Lenet5Asset, IsRightAboutTheEmbeddedImages) {
  const auto images = LoadIdx(kLenet / "t10k-1000-images-idx3-ubyte", kLenet / "t10k-1000-labels-idx1-ubyte");
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->count, 1000);
  const auto accuracy = Accuracy(LoadOnnx(kLenet / "model.onnx").value(), *images);
  ASSERT_TRUE(accuracy.ok()) << accuracy.status();
  EXPECT_GE(*accuracy, 98.6);  // a rounding may turn an image on another machine
}

}  // namespace
}  // namespace privdnn
