// What works with MPI and without.
#include <cstdlib>

#include "privdnn/ranks/ranks.h"

namespace privdnn {
namespace {

constexpr uint32_t kMaxText = 1 << 16;

}  // namespace

void WriteStatus(const absl::Status& status, ByteWriter& w) {
  w.U32(static_cast<uint32_t>(status.code()));
  w.String(Message(status).substr(0, kMaxText));
}

absl::Status ReadStatus(ByteReader& r, absl::Status& status) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t code, r.U32InRange(0, 16, "status"));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string message, r.String(kMaxText, "message"));
  status = absl::Status(static_cast<absl::StatusCode>(code), message);
  return absl::OkStatus();
}

bool Ranks::Started() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size != nullptr && std::strtol(size, nullptr, 10) > 1;
}

}  // namespace privdnn
