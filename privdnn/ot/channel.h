// How two parties of a protocol talk. Protocols are written as straight code over it; what carries the bytes (memory, a
// stream of gRPC, a script of a test) is behind it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "privdnn/base/bytes.h"
#include "privdnn/base/status.h"

namespace privdnn {

class Channel {
 public:
  virtual ~Channel() = default;
  // A flow: sends `message`, which may be empty, and returns the peer's next message, which must have `size` bytes; 0:
  // none is expected. Both parties call this in the same order, so that messages of both directions are on their way at
  // once. `step` names the step in errors: "bit triples". Fails if the peer is gone, cancels, or sends something else.
  virtual absl::StatusOr<Bytes> Exchange(std::string_view step, std::span<const uint8_t> message, uint64_t size) = 0;
};

}  // namespace privdnn
