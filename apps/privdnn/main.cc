#include <unistd.h>

#include <array>
#include <cstdlib>

#include "cli/command.h"

namespace {

// LibTorch's OpenMP threads wait for each other by spinning, by default for milliseconds, which takes the cores from
// whoever has work: beside other processes the same training takes ten times as long. Spinning for some microseconds is
// as good where cores are free. The OpenMP library reads its environment before main, so this begins again.
void SpinBriefly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  std::array<char, 4096> path{};
  if (readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0) return;
  if (setenv("GOMP_SPINCOUNT", "5000", 1) == 0) execv(path.data(), argv);
}

}  // namespace

int main(int argc, char** argv) {
  SpinBriefly(argv);
  return privdnn::cli::RunProgram(argc, argv);
}
