// Reads ONNX (operator sets 9 to 17) and writes it (operator set 13), without LibTorch.
#pragma once

#include <filesystem>
#include <span>

#include "privdnn/base/bytes.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Largest accepted model file, in bytes.
inline constexpr uint64_t kMaxModelBytes = uint64_t{1} << 30;

// Parses and checks a model. `what` names it in errors. An unsupported operator or attribute is an error that names the
// node and the operator: "model.onnx: node 'Conv_3': operator 'Erf' is not supported (supported: Add, ...)". Shape
// arithmetic is folded. Only the batch dimension may be dynamic; a model for one batch size becomes a model for any.
// Only LoadOnnx reads weights from other files (external data), and only below the model's folder.
absl::StatusOr<Graph> ImportOnnx(std::span<const uint8_t> model, const std::string& what);
absl::StatusOr<Graph> LoadOnnx(const std::filesystem::path& path);

// Deterministic: the same graph gives the same bytes.
Bytes ExportOnnx(const Graph& graph);
absl::Status SaveOnnx(const Graph& graph, const std::filesystem::path& path);

}  // namespace privdnn
