// Runs one command in the process of a test.
#pragma once

#include <algorithm>
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

}  // namespace privdnn
