// The state of one ONNX import. Internal: onnx/onnx.h is the interface.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"
#include "privdnn/onnx/attributes.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/onnx/tensor.h"

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
class ValueInfoProto;
}  // namespace onnx

namespace privdnn {

// Walks the nodes in execution order. Constant and Identity nodes leave no node behind: they define constants and other
// names for values. A Pad node leaves none if the next Conv or AveragePool takes over its zeros; if other nodes read
// it, it is appended later. A QuantizeLinear node leaves none: DequantizeLinear nodes that read it do.
class OnnxImporter {
 public:
  // `external` (may be null: none) must outlive the importer.
  OnnxImporter(ExternalData* external, OnnxImportOptions options) : external_(external), options_(std::move(options)) {}
  // Takes the weights out of `model`.
  absl::StatusOr<Graph> Import(onnx::ModelProto& model);

 private:
  // A node being converted.
  struct Source {
    const onnx::NodeProto& proto;
    Attributes attributes;
    std::vector<std::string> inputs;  // under their first names, without omitted trailing ones
  };
  // A value, and the zeros that a Pad node puts around it (top, left, bottom, right).
  struct PaddedValue {
    std::string value;
    std::array<int64_t, 4> pads;
    std::string node_name;
  };
  // A value, and the 8-bit integers that a QuantizeLinear node turns it into.
  struct QuantizedValue {
    std::string value;
    op::FakeQuantize quantize;
  };
  using Handler = absl::Status (OnnxImporter::*)(Source& source);
  static const std::map<std::string, Handler>& Handlers();

  // inputs_outputs.cc: what goes into the graph and comes out of it.
  absl::Status ReadInputs(const onnx::GraphProto& graph);
  absl::Status ReadInput(const onnx::ValueInfoProto& info);
  absl::Status ReadOutputs(const onnx::GraphProto& graph);
  absl::Status ReadOutput(const onnx::ValueInfoProto& info);
  absl::Status RenameToOutput(std::string value, const std::string& output);

  // import.cc: the model, names and values.
  absl::Status CheckModel(const onnx::ModelProto& model);
  absl::Status ReadMetadata(const onnx::ModelProto& model);
  absl::Status ReadInitializers(onnx::GraphProto& graph);
  absl::Status ReadNodes(onnx::GraphProto& graph);
  absl::Status ReadNode(const onnx::NodeProto& proto);
  void NoteFurtherOutputs(const onnx::NodeProto& proto);
  // The error of reading a value that isn't defined.
  absl::Status Undefined(const std::string& value) const;
  absl::StatusOr<std::vector<std::string>> ResolveInputs(const onnx::NodeProto& proto) const;
  void DropFoldedConstants();
  absl::Status Define(const std::string& value);
  absl::Status DefineConstant(const std::string& value, ConstantTensor tensor);
  // Appends a node that applies `op` to `inputs`.
  absl::Status Append(const Source& source, Op op, std::vector<std::string> inputs);
  absl::Status AppendNode(Node node);
  // Gives `value` the name of the node's first output.
  absl::Status AppendAlias(const Source& source, const std::string& value);
  std::string UniqueNodeName(const onnx::NodeProto& proto);
  // Appends the Pad node of a padded value, unless it exists already.
  absl::StatusOr<std::vector<int64_t>> ShapeOf(const std::string& value);
  // Returns a constant that is folded away and need not stay in the graph. Null if the value isn't constant.
  const Tensor* FoldedFloats(const std::string& value);
  const IntTensor* FoldedInts(const std::string& value) const;
  // Returns the single number in a constant of either type.
  absl::StatusOr<double> FoldedScalar(const std::string& value);
  absl::StatusOr<float> FoldedFloat(const std::string& value);
  absl::StatusOr<std::vector<int64_t>> FoldedIntVector(const Source& source, size_t input);

  // operators.cc: one handler for each operator.
  absl::Status ReadConv(Source& source);
  absl::Status ReadBatchNormalization(Source& source);
  absl::Status ReadAveragePool(Source& source);
  absl::Status ReadGlobalAveragePool(Source& source);
  absl::Status ReadMaxPool(Source& source);
  absl::Status ReadRelu(Source& source);
  absl::Status ReadLeakyRelu(Source& source);
  absl::Status ReadClip(Source& source);
  absl::Status ReadSigmoid(Source& source);
  absl::Status ReadTanh(Source& source);
  absl::Status ReadHardSigmoid(Source& source);
  absl::Status ReadHardSwish(Source& source);
  absl::Status ReadMul(Source& source);
  absl::Status ReadPow(Source& source);
  absl::Status ReadFlatten(Source& source);
  absl::Status ReadReshape(Source& source);
  absl::Status ReadGemm(Source& source);
  absl::Status ReadMatMul(Source& source);
  absl::Status ReadAdd(Source& source);
  absl::Status ReadSub(Source& source);
  absl::Status ReadDiv(Source& source);
  absl::Status ReadSoftmax(Source& source);
  absl::Status ReadConstant(Source& source);
  absl::Status ReadIdentity(Source& source);
  absl::Status ReadDropout(Source& source);
  absl::Status ReadPad(Source& source);
  absl::Status ReadSqrt(Source& source);
  absl::Status ReadMax(Source& source);
  absl::Status ReadMin(Source& source);
  absl::Status ReadReduceMean(Source& source);

  // quantized.cc: models that compute with 8-bit integers.
  absl::Status ReadQuantizeLinear(Source& source);
  absl::Status ReadDequantizeLinear(Source& source);
  // Inputs 1 and 2: one number for all values, or one for each index of an axis. A zero point that is left out is 0.
  absl::StatusOr<std::vector<float>> ReadScales(const Source& source);
  absl::StatusOr<IntTensor> ReadZeroPoints(const Source& source, size_t count, int64_t default_type);
  // The output of an earlier node that computes the same constant; if there is none, the node's own from now on.
  const std::string& SameConstant(const Source& source, int64_t axis, int64_t type);

  // integers.cc: folded arithmetic on shapes, and operators that accept integers as well as floats.
  absl::Status ReadShape(Source& source);
  absl::Status ReadCast(Source& source);
  absl::Status ReadSlice(Source& source);
  absl::Status ReadSqueeze(Source& source);
  absl::Status ReadUnsqueeze(Source& source);
  absl::Status ReadConcat(Source& source);
  absl::Status ReadGather(Source& source);
  absl::Status GatherIntegers(const Source& source, const IntTensor& from, int64_t axis);
  // Reads input 1 from operator set 13 on, and the attribute before that.
  absl::StatusOr<std::vector<int64_t>> ReadAxes(Source& source);
  // Makes this constant the node's output.
  absl::Status DefineInts(const Source& source, IntTensor ints);
  // Returns kernel, strides and pads of a window over `shape`, with auto_pad resolved. Conv's weights give `kernel`.
  absl::StatusOr<Window> ReadWindow(Source& source, const std::vector<int64_t>& shape,
                                    std::optional<std::array<int64_t, 2>> kernel);
  // Returns what a pool's ceil_mode adds to the ends of `window` over `shape`, so that a partial last window counts.
  absl::StatusOr<std::array<int64_t, 4>> ReadCeilMode(Source& source, const Window& window,
                                                      const std::vector<int64_t>& shape);
  // Returns input 0 of a window operator. If it is padded, returns the value before padding, and its pads.
  PaddedValue Unpad(const std::string& value) const;

  ExternalData* external_;
  OnnxImportOptions options_;
  ConstantBudget budget_{kMaxModelBytes};
  int64_t opset_ = 0;
  std::optional<int64_t> static_batch_;  // the batch size that the model was exported for
  Graph graph_;
  Shapes shapes_;  // shapes of graph inputs and node outputs, for one image
  std::set<std::string> defined_;
  std::set<std::string> node_names_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, IntTensor> ints_;
  std::map<std::string, PaddedValue> padded_;
  std::map<std::string, QuantizedValue> quantized_;
  std::map<std::vector<std::string>, std::string> quantized_constants_;  // by what they are computed from
  std::map<std::string, std::string> further_outputs_;                   // that aren't computed; which node's they are
  std::set<std::string> droppable_;  // float constants that need not stay if no node reads them
};

}  // namespace privdnn
