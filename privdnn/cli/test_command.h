// Runs one command in the process of a test.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "privdnn/cli/command.h"

namespace privdnn {

// `privdnn ARGUMENTS`, of which `add` adds the command; an error if they are refused, which begins with "usage".
template <typename Add>
absl::StatusOr<CommandOutput> ParseAndRun(const Add& add, std::vector<std::string> arguments) {
  CLI::App app;
  Globals globals;
  Action action;
  add(app, globals, action);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    return InvalidArgument("usage: {}", e.what());
  }
  return action();
}

// Returns what `run` returns where no file can grow beyond 16 KB.
template <typename Fn>
auto OnAFullDisk(const Fn& run) {
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{16 << 10, before.rlim_max};
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  auto result = run();
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  return result;
}

}  // namespace privdnn
