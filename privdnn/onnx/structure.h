// Bounds what a model takes in memory before it is parsed. Internal to the ONNX reader.
#pragma once

#include <cstdint>
#include <span>

#include "privdnn/base/status.h"

namespace privdnn {

// Most bytes of a model apart from the data of its tensors: initializers, and constants in nodes. A parsed message
// takes up to about 100 times the space of its encoding, so this also bounds the memory that a hostile model can claim.
inline constexpr uint64_t kMaxStructureBytes = uint64_t{8} << 20;

// Fails if the encoding is malformed, its structure is too large or the data of its tensors takes more than
// kMaxModelBytes when decoded. Reads without allocating.
absl::Status CheckStructureSize(std::span<const uint8_t> model);

}  // namespace privdnn
