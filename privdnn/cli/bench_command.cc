// bench: what things cost on this machine.
#include <spdlog/spdlog.h>

#include "privdnn/cli/bench_infer.h"
#include "privdnn/cli/bench_select_command.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

// Images a message when throughput is measured: enough to share passes over the kernels.
constexpr int64_t kBenchBatch = 250;

struct BenchInferCommand {
  BenchModel model;
  TwoPartyOptions options;
};

absl::StatusOr<CommandOutput> RunBenchInfer(const BenchInferCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Json json, BenchInfer(command.model, command.options));
  FactTable table(fmt::format("{} images ({}), {} threads, {} repeats, {}", json["images"].get<int64_t>(),
                              json["pixels"].get<std::string>(), command.options.threads, command.options.repeats,
                              json["kernel"].get<std::string>()));
  const auto ms = [&](const char* field) { return FormatMilliseconds(json[field].get<double>()); };
  const auto bytes = [&](const char* field) { return FormatBytes(json[field].get<uint64_t>()); };
  table.Add("weights", json["weights"].get<std::string>());
  if (json.contains("accuracy_private")) {
    const auto percent = [&](const char* field) { return json[field].get<double>(); };
    table.Add("accuracy", fmt::format("{:.1f} % original, {:.1f} % private, {:.1f} % without the owner",
                                      percent("accuracy_original"), percent("accuracy_private"),
                                      percent("accuracy_without_owner")));
  }
  table.Add("user, encrypted part", ms("user_encrypted_ms_per_image") + " an image");
  table.Add("user, rest of the network", ms("user_plain_ms_per_image") + " an image");
  table.Add("owner", ms("owner_ms_per_image") + " an image");
  table.Add("whole network in plaintext", ms("plain_ms_per_image") + " an image");
  table.Add("messages",
            fmt::format("{} up, {} down an image", bytes("bytes_up_per_image"), bytes("bytes_down_per_image")));
  table.Add("package", bytes("package_bytes"));
  table.Add("peak memory",
            fmt::format("{} user, {} owner", bytes("peak_rss_bytes_user"), bytes("peak_rss_bytes_owner")));
  table.Add("integers that differ", fmt::format("{} of {}", json["integer_mismatches"].get<uint64_t>(),
                                                json["integers_compared"].get<uint64_t>()));
  table.Add("labels that differ",
            fmt::format("{} from the quantised network's", json["label_mismatches_vs_quantised"].get<uint64_t>()));
  return CommandOutput{json, table.Render()};
}

void AddTwoPartyOptions(CLI::App* command, TwoPartyOptions& options) {
  options.batch = kBenchBatch;
  AddPlanOptions(command, options.settings);
  command->add_option("--batch", options.batch, "images a message, at most")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeats", options.repeats, "passes that the medians are taken over")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

struct BenchNetworksCommand {
  std::vector<std::string> architectures = ArchitectureNames();
  std::vector<int> percents = {50, 100}, images = {1, 8}, threads = {1, 2};
  TwoPartyOptions options;
};

// A row of docs/performance.md's table.
std::string NetworkRow(const Json& j) {
  const auto number = [&](const char* field) { return j[field].get<double>(); };
  return fmt::format(
      "| {} | {} | {} | {} | {:.3g} | {:.3g} | {:.3g} | {:.3g} | {} / {} | {} | {} / {} | {} |\n",
      j["architecture"].get<std::string>(), j["percent"].get<int>(), j["images"].get<int>(), j["threads"].get<int>(),
      number("user_encrypted_ms_per_image"), number("user_plain_ms_per_image"), number("plain_ms_per_image"),
      number("owner_ms_per_image"), FormatBytes(j["bytes_up_per_image"].get<uint64_t>()),
      FormatBytes(j["bytes_down_per_image"].get<uint64_t>()), FormatBytes(j["package_bytes"].get<uint64_t>()),
      FormatBytes(j["peak_rss_bytes_user"].get<uint64_t>()), FormatBytes(j["peak_rss_bytes_owner"].get<uint64_t>()),
      j["integer_mismatches"].get<uint64_t>());
}

absl::StatusOr<CommandOutput> BenchNetworks(const BenchNetworksCommand& command) {
  CommandOutput output{{{"runs", Json::array()}},
                       "| network | percent | images | threads | user, encrypted, ms | user, rest, ms | plaintext "
                       "network, ms | owner, ms | up / down an image | package | peak memory user / owner | integers "
                       "that differ |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"};
  const size_t runs =
      command.architectures.size() * command.percents.size() * command.images.size() * command.threads.size();
  const ProgressFn progress = MakeProgress(std::make_shared<ProgressBar>(fmt::format("{} measurements", runs)));
  for (const std::string& architecture : command.architectures) {
    for (const int percent : command.percents) {
      for (const int images : command.images) {
        for (const int threads : command.threads) {
          BenchModel model;
          model.architecture = architecture;
          model.percent = percent;
          model.images = images;
          TwoPartyOptions options = command.options;
          options.threads = threads;
          PRIVDNN_ASSIGN_OR_RETURN(const Json json, BenchInfer(model, options));
          output.json["runs"].push_back(json);
          output.text += NetworkRow(json);
          if (!progress(output.json["runs"].size(), runs, architecture)) return absl::CancelledError("interrupted");
        }
      }
    }
  }
  return output;
}

}  // namespace

void AddBench(CLI::App& app, Globals& globals, Action& action) {
  auto* bench = app.add_subcommand("bench", "Measure this machine: medians of repeated runs");
  bench->require_subcommand(1);
  auto* infer = AddCommand(*bench, globals, "infer",
                           "Private inference between two processes, with the plaintext network beside it",
                           "privdnn bench infer --select \"1:0;2:0\" --images 1 --threads 1 --json");
  const auto i = std::make_shared<BenchInferCommand>();
  i->options.repeats = 25;
  i->model.AddOptions(infer);
  AddTwoPartyOptions(infer, i->options);
  AddThreads(infer, i->options.threads);
  infer->callback([i, &action] { action = [i] { return RunBenchInfer(*i); }; });

  auto* networks = AddCommand(*bench, globals, "networks",
                              "bench infer for the networks of the paper with random weights, as one table",
                              "privdnn bench networks --percent 50 --images 1,8 --threads 1,2");
  const auto n = std::make_shared<BenchNetworksCommand>();
  n->options.repeats = 5;
  n->options.settings.image_budget = 1000;
  networks->add_option("--arch", n->architectures, "networks")
      ->delimiter(',')
      ->check(CLI::IsMember(ArchitectureNames()));
  networks->add_option("--percent", n->percents, "percentages of the neurons of both layers around a square")
      ->delimiter(',')
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  networks->add_option("--images", n->images, "numbers of images")
      ->delimiter(',')
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  networks->add_option("--threads", n->threads, "numbers of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  AddTwoPartyOptions(networks, n->options);
  networks->callback([n, &action] { action = [n] { return BenchNetworks(*n); }; });

  AddBenchKernels(*bench, globals, action);
  AddBenchSelect(*bench, globals, action);
}

}  // namespace privdnn
