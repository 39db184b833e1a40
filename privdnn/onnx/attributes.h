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

// Every attribute must be asked for: what nobody asked for might change the result, so Finish() makes it an error.
class Attributes {
 public:
  // The node must outlive the attributes. An attribute given twice is an error.
  static absl::StatusOr<Attributes> Create(const onnx::NodeProto& node);

  bool Has(const std::string& name) const { return attributes_.contains(name); }
  // The value, or `fallback` if it isn't given; an error if it has another type or (floats) isn't finite.
  absl::StatusOr<int64_t> Int(const std::string& name, int64_t fallback);
  absl::StatusOr<float> Float(const std::string& name, float fallback);
  absl::StatusOr<std::string> String(const std::string& name, const std::string& fallback);
  absl::StatusOr<std::vector<int64_t>> Ints(const std::string& name);  // empty if not given
  absl::StatusOr<std::vector<float>> Floats(const std::string& name);
  absl::StatusOr<const onnx::TensorProto*> Tensor(const std::string& name);  // null if not given

  // An error unless the attribute is absent or has (all its elements have) this value.
  absl::Status ExpectInt(const std::string& name, int64_t value);
  absl::Status ExpectInts(const std::string& name, int64_t value);
  // The attribute has no influence on inference.
  void Ignore(const std::string& name) { read_.insert(name); }
  // An error that names an attribute that nobody asked for.
  absl::Status Finish() const;

 private:
  // Null if not given. `type` is an AttributeProto::AttributeType.
  absl::StatusOr<const onnx::AttributeProto*> Find(const std::string& name, int type);

  std::map<std::string, const onnx::AttributeProto*> attributes_;
  std::set<std::string> read_;
};

}  // namespace privdnn
