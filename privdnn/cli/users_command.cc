// users: what is used of each budget, and what is left.
#include "privdnn/cli/command.h"
#include "privdnn/owner/usage_report.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

struct UsersCommand {
  std::string ledger;
  std::vector<std::filesystem::path> keys;
};

Json UsageJson(const std::vector<AccountUsage>& usages) {
  Json accounts = Json::array();
  for (const AccountUsage& u : usages) {
    Json json = {{"user", u.user}, {"package_id", u.package_id}, {"segment", u.segment}, {"images_used", u.used}};
    if (u.budget) {
      json["image_budget"] = *u.budget;
      json["images_remaining"] = *u.left();
    }
    accounts.push_back(std::move(json));
  }
  return {{"accounts", std::move(accounts)}};
}

std::string UsageText(const std::vector<AccountUsage>& usages) {
  if (usages.empty()) return "no user has asked yet\n";
  FactTable table("images used; what a running server has reserved counts as used");
  for (const AccountUsage& u : usages) {
    std::string images = fmt::to_string(u.used);
    if (u.budget) images += fmt::format(" of {}, {} left", *u.budget, *u.left());
    table.Add(fmt::format("{}, package {}, segment {}", u.user, u.package_id.substr(0, 12), u.segment), images);
  }
  return table.Render();
}

absl::StatusOr<CommandOutput> Users(const UsersCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<AccountUsage> usages, ReadUsage(command.ledger, command.keys));
  return CommandOutput{UsageJson(usages), UsageText(usages)};
}

}  // namespace

void AddUsers(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "users", "Show how much of each user's budget is used",
                             "privdnn users --ledger budgets.sqlite --key alice-package.key");
  const auto o = std::make_shared<UsersCommand>();
  command->add_option("--ledger", o->ledger, "SQLite file of `serve`, which may be running")
      ->type_name(kFile)
      ->required();
  command->add_option("--key", o->keys, "owner's key file of a package, for its budget; may be repeated")
      ->type_name(kFile);
  command->callback([o, &action] { action = [o] { return Users(*o); }; });
}

}  // namespace privdnn
