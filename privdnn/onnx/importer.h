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
#include "privdnn/onnx/fold.h"
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
// it, it is appended later. A QuantizeLinear node leaves none: DequantizeLinear nodes that read it do. Arithmetic on
// constants is folded. Values of one spatial dimension (N, C, L) are maps (N, C, 1, L) from the first window that
// slides over them to the last elementwise node behind.
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
  // A value, and where among its dimensions the model has the batch, which stays in front here.
  struct MovedBatch {
    std::string value;
    int64_t axis;
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
  absl::Status SpendTables(const Op& op);
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

  // operators.cc: what nodes of one ONNX node have in common, and operators that leave no node of their own.
  // Returns whether a value is a constant of either type.
  bool IsConstant(const std::string& value) const;
  bool AllConstant(const Source& source) const;
  // Appends a node for a part of what the ONNX node computes. Returns the value that it writes.
  absl::StatusOr<std::string> AppendPart(const Source& source, Op op, std::vector<std::string> inputs);
  // Names for values and nodes that the model doesn't have: `name`, or `name_2`, `name_3` and so on.
  std::string FreshValue(const std::string& name);
  std::string FreshNodeName(const std::string& name);
  std::string Numbered(const std::string& name);
  absl::StatusOr<std::string> AddConstant(const std::string& name, Tensor tensor);
  // Makes this constant the node's first output, or `output`.
  absl::Status DefineFolded(const Source& source, ConstantTensor tensor);
  absl::Status DefineFolded(const std::string& output, ConstantTensor tensor);
  // Makes elements of constant `value` the node's output `index`.
  absl::Status DefineRearranged(const Source& source, int index, const std::string& value, const Rearrangement& order);
  absl::Status ReadGemm(Source& source);
  absl::Status ReadConstant(Source& source);
  absl::Status ReadIdentity(Source& source);
  absl::Status ReadDropout(Source& source);
  absl::Status ReadIf(Source& source);
  absl::Status ReadArgMax(Source& source);
  // Reads an operator without attributes.
  template <typename T>
  absl::Status ReadPlain(Source& source) {
    return Append(source, T{}, source.inputs);
  }

  // quantized.cc: models that compute with 8-bit integers.
  absl::Status ReadQuantizeLinear(Source& source);
  absl::Status ReadDequantizeLinear(Source& source);
  // Inputs 1 and 2: one number for all values, or one for each index of an axis. A zero point that is left out is 0.
  absl::StatusOr<std::vector<float>> ReadScales(const Source& source);
  absl::StatusOr<IntTensor> ReadZeroPoints(const Source& source, size_t count, int64_t default_type);
  // The output of an earlier node that computes the same constant; if there is none, the node's own from now on.
  const std::string& SameConstant(const Source& source, int64_t axis, int64_t type);

  // rows.cc: values (N, C, L) as maps (N, C, 1, L).
  // Returns the map of a value or of weights with 3 dimensions.
  absl::StatusOr<std::string> MapOf(const Source& source, const std::string& value);
  // Appends a node that writes the map of the node's output.
  absl::Status AppendRow(const Source& source, Op op, std::vector<std::string> inputs);
  // Appends the Reshape from a map to the value, if it isn't there yet.
  absl::Status WriteRow(const std::string& value);
  // Appends an elementwise node that reads maps. Returns false if there is none to read or the operator isn't one.
  absl::StatusOr<bool> AppendToMaps(const Source& source, const Op& op, std::vector<std::string>& inputs);

  // elementwise.cc: activations and arithmetic.
  absl::Status ReadLeakyRelu(Source& source);
  absl::Status ReadThresholdedRelu(Source& source);
  absl::Status ReadElu(Source& source);
  absl::Status ReadCelu(Source& source);
  absl::Status ReadSelu(Source& source);
  absl::Status ReadGelu(Source& source);
  absl::Status ReadMish(Source& source);
  absl::Status ReadClip(Source& source);
  absl::Status ReadHardSigmoid(Source& source);
  absl::Status ReadHardSwish(Source& source);
  absl::Status ReadPow(Source& source);
  absl::Status ReadMul(Source& source);
  absl::Status ReadMean(Source& source);
  // Of constants, or of values.
  absl::Status ReadUnary(Source& source);
  template <typename T>
  absl::Status ReadBinary(Source& source) {
    return ReadArithmetic(source, T{});
  }
  // Any number of operands, from left to right.
  template <typename T>
  absl::Status ReadVariadic(Source& source) {
    return ReadChain(source, T{});
  }
  absl::Status ReadArithmetic(Source& source, const Op& op);
  absl::Status ReadChain(Source& source, const Op& op);

  // windows.cc: what slides over a map.
  // What a window operator reads, as a map. With pads that the operator takes over, the value before padding.
  struct MapInput {
    PaddedValue x;
    std::vector<int64_t> shape;  // with the pads
    bool row = false;            // it has one spatial dimension
  };
  absl::StatusOr<MapInput> ReadMap(const Source& source, PaddedValue x);
  absl::Status AppendWindow(const Source& source, const MapInput& map, Op op, std::vector<std::string> inputs);
  absl::Status ReadConv(Source& source);
  absl::Status ReadConvTranspose(Source& source);
  absl::Status ReadAveragePool(Source& source);
  absl::Status ReadMaxPool(Source& source);
  absl::Status ReadGlobalAveragePool(Source& source);
  absl::Status ReadGlobalMaxPool(Source& source);
  absl::Status ReadDeepAveragePool(Source& source, const std::vector<int64_t>& shape);
  // Returns weights that are a constant as those of a map, and their kernel.
  absl::StatusOr<std::string> ReadWeights(Source& source, const MapInput& map);
  // Returns kernel, strides and dilations of a window; Conv's weights give `kernel`.
  absl::StatusOr<Window> ReadSides(Source& source, bool row, std::optional<std::array<int64_t, 2>> kernel);
  // Returns ReadSides with pads, auto_pad resolved.
  absl::StatusOr<Window> ReadWindow(Source& source, const MapInput& map, std::optional<std::array<int64_t, 2>> kernel);
  // Returns what a pool's ceil_mode adds to the ends of `window` over `shape`, so that a partial last window counts.
  absl::StatusOr<std::array<int64_t, 4>> ReadCeilMode(Source& source, const Window& window,
                                                      const std::vector<int64_t>& shape);
  // Sets the pads that make a ConvTranspose's output as large as output_shape or auto_pad say.
  absl::Status ReadTransposePads(Source& source, const MapInput& map, op::ConvTranspose& conv);
  // Returns a value, or, if it is padded, the value before padding, and its pads.
  PaddedValue Unpad(const std::string& value) const;

  // moved_batch.cc: values whose batch stands behind another dimension.
  struct MovedAxis {
    int64_t batch_first;  // with the batch in front
    bool in_front;        // of the batch, in the model
  };
  absl::Status DefineMoved(const std::string& output, MovedBatch moved);
  static bool ReadsMovedBatch(const std::string& op_type);
  absl::Status CheckNotMoved(const std::string& value) const;
  absl::StatusOr<MovedAxis> OtherAxis(const std::string& value, int64_t given);
  // Append what a node does along other dimensions than the batch's.
  absl::Status TransposeWithBatch(const Source& source, const std::vector<int64_t>& permutation);
  absl::Status GatherBesideBatch(const Source& source, int64_t given, const IntTensor& indices);
  absl::Status SqueezeBesideBatch(const Source& source, const std::vector<int64_t>& axes);
  absl::Status SplitBesideBatch(Source& source, int64_t given);
  absl::Status DropBesideBatch(const Source& source, MovedBatch moved, const std::vector<MovedAxis>& dropped);

  // resize.cc
  absl::Status ReadResize(Source& source);
  absl::Status ReadUpsample(Source& source);
  absl::StatusOr<op::Resize> ResizeBySizes(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                           const IntTensor& sizes) const;
  absl::StatusOr<op::Resize> ResizeByScales(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes,
                                            const std::vector<float>& scales) const;

  // reductions.cc: normalisations, softmax, sums and means.
  absl::Status ReadBatchNormalization(Source& source);
  absl::Status ReadLayerNormalization(Source& source);
  absl::Status ReadInstanceNormalization(Source& source);
  absl::Status ReadGroupNormalization(Source& source);
  absl::Status ReadLrn(Source& source);
  absl::Status ReadSoftmax(Source& source);
  absl::Status ReadReduce(Source& source);
  absl::Status AppendReduce(Source& source, std::vector<int64_t> axes, bool keep_dims);

  // reshape.cc and layout.cc: other shapes, and what moves elements. pad.cc: Pad.
  absl::Status ReadFlatten(Source& source);
  absl::Status ReadReshape(Source& source);
  absl::StatusOr<std::vector<int64_t>> ReadTarget(Source& source, int64_t allow_zero);
  absl::Status ReadTranspose(Source& source);
  absl::Status ReadSlice(Source& source);
  absl::Status ReadSplit(Source& source);
  absl::StatusOr<std::vector<int64_t>> ReadSplitSizes(Source& source, int64_t extent);
  absl::Status ReadConcat(Source& source);
  absl::Status ConcatConstants(const Source& source, const std::vector<int64_t>& shape, size_t axis);
  absl::Status ReadGather(Source& source);
  absl::Status ReadExpand(Source& source);
  absl::Status ReadDepthToSpace(Source& source);
  absl::Status ReadSpaceToDepth(Source& source);
  absl::Status ReadSqueeze(Source& source);
  absl::Status ReadUnsqueeze(Source& source);
  absl::Status ReadPad(Source& source);
  absl::StatusOr<std::vector<int64_t>> ReadPads(Source& source, size_t rank);
  absl::Status AppendMirroredPad(const Source& source, const std::string& mode, const std::vector<int64_t>& pads);
  // Returns where a Slice starts and ends along each of its axes.
  struct SliceRange {
    size_t axis;
    int64_t start, end, step;
  };
  absl::StatusOr<std::vector<SliceRange>> ReadSliceRanges(Source& source, const std::vector<int64_t>& shape);
  // Reads axes that became an input in operator set `since` and were an attribute before.
  absl::StatusOr<std::vector<int64_t>> ReadAxes(Source& source, int64_t since);
  // The shape of a value or of a constant.
  absl::StatusOr<std::vector<int64_t>> AnyShapeOf(const std::string& value);
  absl::Status ReshapeTo(const Source& source, std::vector<int64_t> shape);

  // integers.cc: folded arithmetic on shapes.
  absl::Status ReadShape(Source& source);
  absl::Status ReadCast(Source& source);
  absl::Status ReadConstantOfShape(Source& source);
  absl::Status ReadRange(Source& source);
  absl::Status ReadEqual(Source& source);
  absl::Status ReadWhere(Source& source);

  ExternalData* external_;
  OnnxImportOptions options_;
  ConstantBudget constants_{kMaxModelBytes};  // what they may still take, copies included
  ConstantBudget folded_{kMaxModelBytes};     // what is computed of them
  int64_t opset_ = 0;
  std::optional<int64_t> static_batch_;  // the batch size that the model was exported for
  Graph graph_;
  Shapes shapes_;  // shapes of graph inputs and node outputs, for one image
  std::set<std::string> defined_;
  std::set<std::string> node_names_;
  std::map<std::string, int64_t> suffixes_;  // the last number given to a name
  std::map<std::string, std::string> aliases_;
  std::map<std::string, IntTensor> ints_;
  std::map<std::string, PaddedValue> padded_;
  std::set<std::string> value_names_;        // that the model gives
  std::map<std::string, std::string> maps_;  // of values and weights with 3 dimensions
  std::map<std::string, MovedBatch> moved_;
  std::set<std::string> unwritten_rows_;  // values that so far exist as maps only
  std::set<std::string> class_indices_;   // what ArgMax nodes compute
  std::set<std::string> output_names_;    // of the model's graph
  FoldBudget budget_;
  std::map<std::string, QuantizedValue> quantized_;
  std::map<std::vector<std::string>, std::string> quantized_constants_;  // by what they are computed from
  std::map<std::string, std::string> further_outputs_;                   // that aren't computed; which node's they are
  std::set<std::string> droppable_;  // float constants that need not stay if no node reads them
};

absl::Status CheckInputCount(const std::vector<std::string>& inputs, size_t min, size_t max);
// Pads of a map (or of the one spatial dimension of a row): top, left, bottom, right.
absl::StatusOr<std::array<int64_t, 4>> ToPads(const std::vector<int64_t>& values, bool row = false);
absl::StatusOr<std::array<int64_t, 4>> AddPads(const std::array<int64_t, 4>& a, const std::array<int64_t, 4>& b);

}  // namespace privdnn
