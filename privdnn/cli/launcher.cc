#include "privdnn/cli/launcher.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "privdnn/base/standard_streams.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/owner_program.h"
#include "privdnn/pipeline/child_process.h"

namespace privdnn {
namespace {

constexpr char kNetworks[] = "libexec/privdnn/privdnn-networks";

// What LibTorch and its libraries map before any work is about 1.2 GB. OpenBLAS, one of them, waits for ever if it gets
// no buffer for each of its threads.
constexpr rlim_t kLeastAddressSpace = rlim_t{3} << 30;

bool RunsHere(std::string_view word) {
  constexpr std::string_view kHere[] = {"keygen", "serve", "users", "version", "--version"};
  return std::ranges::find(kHere, word) != std::end(kHere);
}

absl::Status CheckAddressSpace() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return absl::OkStatus();
  if (limit.rlim_cur >= kLeastAddressSpace) return absl::OkStatus();
  return FailedPrecondition(
      "the address space is limited to {} MiB (ulimit -v), LibTorch and its libraries need {}; limit memory by a "
      "control group instead",
      limit.rlim_cur >> 20, kLeastAddressSpace >> 20);
}

// LibTorch's OpenMP threads wait for each other by spinning, by default for milliseconds, which takes the cores from
// whoever has work: beside other processes the same training takes ten times as long. Spinning for some microseconds is
// as good where cores are free. The OpenMP library reads its environment when it is loaded.
void SpinBriefly() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "5000", /*overwrite=*/0);
}

// Beside this program in a build folder, or above it where both are installed. Returns only if it fails.
absl::Status BecomeNetworks(char** argv) {
  PRIVDNN_RETURN_IF_ERROR(CheckAddressSpace());
  SpinBriefly();
  const std::filesystem::path here = std::filesystem::path(OwnPath()).parent_path();
  std::error_code ignored;
  const std::filesystem::path beside = here / kNetworks, above = here.parent_path() / kNetworks;
  const std::filesystem::path& networks = std::filesystem::exists(beside, ignored) ? beside : above;
  ::execv(networks.c_str(), argv);
  return FailedPrecondition("{}: {}; it belongs to this program, which has been moved without it", networks.string(),
                            std::generic_category().message(errno));
}

}  // namespace

int LaunchPrivdnn(int argc, char** argv) {
  if (argc > 1 && RunsHere(argv[1])) {
    return RunProgram({.name = "privdnn",
                       .description = "Private inference with partially encrypted neural networks",
                       .commands = OwnerCommands()},
                      argc, argv);
  }
  WriteStderr(fmt::format("privdnn: {}\n", Message(BecomeNetworks(argv))));
  return 1;
}

}  // namespace privdnn
