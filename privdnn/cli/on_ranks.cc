#include "privdnn/cli/on_ranks.h"

#include <spdlog/spdlog.h>

#include <cstdlib>

namespace privdnn {

absl::StatusOr<CommandOutput> OnRanks(const std::function<absl::StatusOr<CommandOutput>(Ranks*)>& command) {
  if (!Ranks::Started()) return command(nullptr);
  PRIVDNN_ASSIGN_OR_RETURN(Ranks ranks, Ranks::Join());
  if (ranks.rank() > 0) {  // rank 0 speaks for all
    spdlog::set_level(spdlog::level::off);
    ::setenv("PRIVDNN_PROGRESS", "none", 1);
  }
  ranks.OnDeparture([](const absl::Status& why) { spdlog::warn("goes on without {}", Message(why)); });
  auto output = command(&ranks);
  if (ranks.Leave(output.status()) && ranks.rank() > 0) return CommandOutput{};  // rank 0 says what was wrong
  return output;
}

}  // namespace privdnn
