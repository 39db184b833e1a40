// Typed access to the attributes of an ONNX node. Internal to the ONNX reader.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace onnx {
class AttributeProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace privdnn {

// The caller must ask for every attribute. Any other attribute might change the result, so Finish() makes it an error.
class Attributes {
 public:
  // The node must outlive this object. An attribute given twice is an error.
  static absl::StatusOr<Attributes> Create(const onnx::NodeProto& node);

  bool Has(const std::string& name) const { return attributes_.contains(name); }
  // Return the value, or `fallback` if it isn't given. Fail if the value has another type, or is a float that isn't
  // finite.
  absl::StatusOr<int64_t> Int(const std::string& name, int64_t fallback);
  absl::StatusOr<float> Float(const std::string& name, float fallback);
  absl::StatusOr<std::string> String(const std::string& name, const std::string& fallback);
  absl::StatusOr<std::vector<int64_t>> Ints(const std::string& name);  // empty if not given
  absl::StatusOr<std::vector<float>> Floats(const std::string& name);
  absl::StatusOr<const onnx::TensorProto*> Tensor(const std::string& name);  // null if not given

  // Fails unless the attribute is absent or has this value (in all its elements).
  absl::Status ExpectInt(const std::string& name, int64_t value);
  absl::Status ExpectInts(const std::string& name, int64_t value);
  // Ignores the attribute, because it does not affect inference.
  void Ignore(const std::string& name) { read_.insert(name); }
  // Fails, naming the attribute, if there is one that the caller didn't ask for.
  absl::Status Finish() const;

 private:
  // Returns null if not given. `type` is an AttributeProto::AttributeType.
  absl::StatusOr<const onnx::AttributeProto*> Find(const std::string& name, int type);

  std::map<std::string, const onnx::AttributeProto*> attributes_;
  std::set<std::string> read_;
};

}  // namespace privdnn
