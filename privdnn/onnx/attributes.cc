#include "privdnn/onnx/attributes.h"

#include <onnx/onnx_pb.h>

#include <cmath>

namespace privdnn {

using onnx::AttributeProto;

absl::StatusOr<Attributes> Attributes::Create(const onnx::NodeProto& node) {
  Attributes attributes;
  for (const AttributeProto& attribute : node.attribute()) {
    if (!attributes.attributes_.emplace(attribute.name(), &attribute).second) {
      return InvalidArgument("attribute '{}' is given twice", attribute.name());
    }
  }
  return attributes;
}

absl::StatusOr<const AttributeProto*> Attributes::Find(const std::string& name, int type) {
  read_.insert(name);
  const auto it = attributes_.find(name);
  if (it == attributes_.end()) return nullptr;
  if (!it->second->ref_attr_name().empty())
    return InvalidArgument("attribute '{}' refers to a function's attribute", name);
  if (it->second->type() != type) {
    return InvalidArgument("attribute '{}' has type {}, needs {}", name,
                           AttributeProto::AttributeType_Name(it->second->type()),
                           AttributeProto::AttributeType_Name(static_cast<AttributeProto::AttributeType>(type)));
  }
  return it->second;
}

absl::StatusOr<int64_t> Attributes::Int(const std::string& name, int64_t fallback) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::INT));
  return attribute == nullptr ? fallback : attribute->i();
}

absl::StatusOr<float> Attributes::Float(const std::string& name, float fallback) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::FLOAT));
  const float value = attribute == nullptr ? fallback : attribute->f();
  if (!std::isfinite(value)) return InvalidArgument("attribute '{}' is {}, not a finite number", name, value);
  return value;
}

absl::StatusOr<std::string> Attributes::String(const std::string& name, const std::string& fallback) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::STRING));
  return attribute == nullptr ? fallback : attribute->s();
}

absl::StatusOr<std::vector<int64_t>> Attributes::Ints(const std::string& name) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::INTS));
  if (attribute == nullptr) return std::vector<int64_t>{};
  return std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

absl::StatusOr<std::vector<float>> Attributes::Floats(const std::string& name) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::FLOATS));
  if (attribute == nullptr) return std::vector<float>{};
  return std::vector<float>(attribute->floats().begin(), attribute->floats().end());
}

absl::StatusOr<const onnx::TensorProto*> Attributes::Tensor(const std::string& name) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto* attribute, Find(name, AttributeProto::TENSOR));
  return attribute == nullptr ? nullptr : &attribute->t();
}

absl::Status Attributes::ExpectInt(const std::string& name, int64_t value) {
  PRIVDNN_ASSIGN_OR_RETURN(const int64_t given, Int(name, value));
  if (given == value) return absl::OkStatus();
  return InvalidArgument("attribute '{}' = {} is not supported (supported: {})", name, given, value);
}

absl::Status Attributes::ExpectInts(const std::string& name, int64_t value) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto given, Ints(name));
  for (const int64_t v : given) {
    if (v != value) return InvalidArgument("attribute '{}' = {} is not supported (supported: {})", name, v, value);
  }
  return absl::OkStatus();
}

absl::Status Attributes::Finish() const {
  for (const auto& [name, attribute] : attributes_) {
    if (!read_.contains(name)) return InvalidArgument("attribute '{}' is not supported", name);
  }
  return absl::OkStatus();
}

}  // namespace privdnn
