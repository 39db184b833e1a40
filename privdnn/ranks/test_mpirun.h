// Starts the running test program again under mpirun, as its own ranks.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace privdnn {

struct Mpirun {
  int exit_code = -1;  // of mpirun
  std::string output;  // stdout and stderr of mpirun and all ranks
};

// The base of tests that need mpirun; ctest counts them as skipped without it.
class MpirunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(PRIVDNN_MPIRUN)) GTEST_SKIP() << "mpirun is not here (package openmpi-bin)";
  }
  // `arguments` are shell words. An empty `program` is the running one.
  static Mpirun Run(int ranks, const std::string& arguments, std::string program = "") {
    if (program.empty()) program = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string command =
        fmt::format("'{}' -n {} --allow-run-as-root --oversubscribe --bind-to none '{}' {} 2>&1", PRIVDNN_MPIRUN, ranks,
                    program, arguments);
    Mpirun ended;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return ended;
    char chunk[4096];
    for (size_t n; (n = std::fread(chunk, 1, sizeof chunk, pipe)) > 0;) ended.output.append(chunk, n);
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
    return ended;
  }
};

}  // namespace privdnn
