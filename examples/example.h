// What the examples share: printing an error and exiting, and the model that the repository contains.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "privdnn/base/status.h"
#include "privdnn/data/dataset.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/partition.h"

namespace example {

// Returns the value, or prints the error and exits.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
  std::exit(1);
}
inline void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// Returns the directory assets/ of the repository, the program's first argument.
inline std::filesystem::path Assets(int argc, char** argv) {
  if (argc > 1) return argv[1];
  std::fprintf(stderr, "usage: %s ASSETS    (the folder assets/ of the repository)\n", argv[0]);
  std::exit(2);
}

// LeNet-5, trained on MNIST, and 1,000 MNIST test images.
inline privdnn::Graph LoadLeNet(const std::filesystem::path& assets) {
  return Must(privdnn::LoadOnnx(assets / "lenet5-mnist" / "model.onnx"));
}
inline privdnn::ImageSet LoadDigits(const std::filesystem::path& assets, int64_t count) {
  const auto folder = assets / "lenet5-mnist";
  return Must(privdnn::LoadIdx(folder / "t10k-1000-images-idx3-ubyte", folder / "t10k-1000-labels-idx1-ubyte"))
      .Slice(0, count);
}

}  // namespace example
