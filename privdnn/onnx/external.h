// Reads tensor data that a model keeps in other files. Internal to the ONNX reader.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "privdnn/base/file.h"

namespace onnx {
class TensorProto;
}

namespace privdnn {

// The files beside a model. A file is read only if it lies in the model's folder or below, after following symbolic
// links. The data of all tensors together must not exceed kMaxModelBytes.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // Returns the `bytes` bytes of a tensor. They are valid as long as this object. Errors name the file.
  absl::StatusOr<std::span<const uint8_t>> Find(const onnx::TensorProto& proto, uint64_t bytes);

 private:
  absl::StatusOr<std::span<const uint8_t>> Open(const std::string& location);

  std::filesystem::path folder_;
  std::map<std::string, MappedFile> files_;  // by location
  uint64_t total_bytes_ = 0;
};

}  // namespace privdnn
