// Options that take one of a few named values.
#pragma once

#include <map>
#include <string>
#include <type_traits>

#include "privdnn/cli/command.h"

namespace privdnn {

// The name of a value; empty if it has none.
template <typename Value>
std::string NameOf(const std::map<std::string, Value>& names, const Value& value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) return name;
  }
  return "";
}

// An option that takes one of `names` and sets `target`, a Value or an optional one, to what it stands for; the names
// alone are taken, not the numbers behind them. Help shows them, "adam|sgd", and the default if the target isn't
// optional.
template <typename Target, typename Value>
CLI::Option* AddChoice(CLI::App* command, const std::string& option, Target& target, const std::string& description,
                       const std::map<std::string, Value>& names) {
  std::string all;
  for (const auto& [name, value] : names) all += (all.empty() ? "" : "|") + name;
  const auto check = [names, all](const std::string& name) {
    return names.contains(name) ? std::string() : name + " is not " + all;
  };
  const auto set = [&target, names](const std::string& name) { target = names.at(name); };
  CLI::Option* added =
      command->add_option_function<std::string>(option, set, description)->check(CLI::Validator(check, ""));
  added->type_name(all);
  if constexpr (std::is_same_v<Target, Value>) added->default_str(NameOf(names, target));
  return added;
}

}  // namespace privdnn
