#include "cli/on_ranks.h"

#include <spdlog/spdlog.h>

namespace privdnn::cli {

absl::StatusOr<CommandOutput> OnRanks(const std::function<absl::StatusOr<CommandOutput>(Ranks*)>& command) {
  if (!Ranks::Started()) return command(nullptr);
  PRIVDNN_ASSIGN_OR_RETURN(Ranks ranks, Ranks::Join());
  if (ranks.rank() > 0) spdlog::set_level(spdlog::level::off);
  auto output = command(&ranks);
  ranks.Leave(output.status());
  return output;
}

}  // namespace privdnn::cli
