// ONNX models for tests, built field by field.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "privdnn/onnx/onnx.h"

namespace privdnn {

onnx::AttributeProto IntAttribute(const std::string& name, int64_t value);
onnx::AttributeProto FloatAttribute(const std::string& name, float value);
onnx::AttributeProto StringAttribute(const std::string& name, const std::string& value);
onnx::AttributeProto IntsAttribute(const std::string& name, const std::vector<int64_t>& values);
onnx::AttributeProto FloatsAttribute(const std::string& name, const std::vector<float>& values);
onnx::AttributeProto TensorAttribute(const std::string& name, const onnx::TensorProto& value);

onnx::TensorProto FloatTensor(const std::string& name, const std::vector<int64_t>& shape,
                              const std::vector<float>& values);
onnx::TensorProto IntTensor64(const std::string& name, const std::vector<int64_t>& shape,
                              const std::vector<int64_t>& values);
// Dimensions below 0 are named, not numbered.
onnx::ValueInfoProto FloatValue(const std::string& name, const std::vector<int64_t>& shape);

// A model without nodes, with input "x" and output "y" for any batch.
onnx::ModelProto EmptyModel(std::vector<int64_t> image_shape, std::vector<int64_t> output_shape, int opset = 13);
onnx::NodeProto& AddNode(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& outputs,
                         const std::vector<onnx::AttributeProto>& attributes = {});

// ImportOnnx of the encoded model, called "test".
absl::StatusOr<Graph> ImportModel(const onnx::ModelProto& model);

}  // namespace privdnn
