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

std::string BenchInferText(const BenchRun& bench) {
  const TwoPartyResult& r = bench.run;
  const InferenceReport::Figures& f = r.figures();
  const auto images = static_cast<uint64_t>(r.user.images);
  FactTable table(fmt::format("{} images ({}), {} threads, {} repeats, {}", images, bench.pixels, r.user.threads,
                              bench.repeats, r.user.kernel));
  table.Add("weights", bench.weights);
  if (bench.labelled && r.accuracies) {
    table.Add("accuracy", fmt::format("{:.1f} % original, {:.1f} % private, {:.1f} % without the owner",
                                      r.accuracies->original, r.accuracies->with_owner, r.accuracies->without_owner));
  }
  table.Add("user, encrypted part", FormatMilliseconds(f.user_encrypted_ms) + " an image");
  table.Add("user, rest of the network", FormatMilliseconds(f.user_plain_ms) + " an image");
  table.Add("owner", FormatMilliseconds(f.owner_ms) + " an image");
  table.Add("whole network in plaintext", FormatMilliseconds(f.plain->ms) + " an image");
  table.Add("messages", fmt::format("{} up, {} down an image", FormatBytes(f.bytes_up / images),
                                    FormatBytes(f.bytes_down / images)));
  table.Add("package", FormatBytes(r.package_bytes));
  table.Add("peak memory",
            fmt::format("{} user, {} owner", FormatBytes(f.peak_rss_bytes), FormatBytes(r.owner_peak_rss_bytes)));
  table.Add("integers that differ", fmt::format("{} of {}", r.integer_mismatches, r.integers_compared));
  table.Add(r.accuracies ? "labels that differ" : "scores that differ",
            fmt::format("{} from the quantised network's", r.answer_mismatches));
  return table.Render();
}

absl::StatusOr<CommandOutput> RunBenchInfer(const BenchInferCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const BenchRun bench, BenchInfer(command.model, command.options));
  return CommandOutput{BenchInferJson(bench), BenchInferText(bench)};
}

void AddTwoPartyOptions(CLI::App* command, TwoPartyOptions& options) {
  options.batch = kBenchBatch;
  AddPlanOptions(command, options.plan);
  options.reporting = ReportingToPeople();
  command->add_option("--batch", options.batch, "put at most this many images in a message")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeats", options.repeats, "take medians over this many passes")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

struct BenchNetworksCommand {
  std::vector<std::string> architectures = ArchitectureNames();
  std::vector<int> percents = {50, 100}, images = {1, 8}, threads = {1, 2};
  TwoPartyOptions options;
};

// A row of docs/performance.md's table.
std::string NetworkRow(const BenchRun& bench) {
  const TwoPartyResult& r = bench.run;
  const InferenceReport::Figures& f = r.figures();
  const auto images = static_cast<uint64_t>(r.user.images);
  return fmt::format("| {} | {} | {} | {} | {:.3g} | {:.3g} | {:.3g} | {:.3g} | {} / {} | {} | {} / {} | {} |\n",
                     bench.architecture, bench.percent, images, r.user.threads, f.user_encrypted_ms, f.user_plain_ms,
                     f.plain->ms, f.owner_ms, FormatBytes(f.bytes_up / images), FormatBytes(f.bytes_down / images),
                     FormatBytes(r.package_bytes), FormatBytes(f.peak_rss_bytes), FormatBytes(r.owner_peak_rss_bytes),
                     r.integer_mismatches);
}

// One measurement: which network, and with how many threads.
struct NetworkRun {
  BenchModel model;
  int threads;
};

std::vector<NetworkRun> RunsOf(const BenchNetworksCommand& command) {
  std::vector<NetworkRun> runs;
  for (const std::string& architecture : command.architectures) {
    for (const int percent : command.percents) {
      for (const int images : command.images) {
        BenchModel model;
        model.architecture = architecture;
        model.percent = percent;
        model.images = images;
        for (const int threads : command.threads) runs.push_back({model, threads});
      }
    }
  }
  return runs;
}

absl::StatusOr<CommandOutput> BenchNetworks(const BenchNetworksCommand& command) {
  CommandOutput output{{{"runs", Json::array()}},
                       "| network | percent | images | threads | user, encrypted, ms | user, rest, ms | plaintext "
                       "network, ms | owner, ms | up / down an image | package | peak memory user / owner | integers "
                       "that differ |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"};
  const std::vector<NetworkRun> runs = RunsOf(command);
  const ProgressFn progress = MakeProgress(std::make_shared<ProgressBar>(fmt::format("{} measurements", runs.size())));
  TwoPartyOptions options = command.options;
  for (size_t i = 0; i < runs.size(); ++i) {
    options.threads = runs[i].threads;
    PRIVDNN_ASSIGN_OR_RETURN(const BenchRun bench, BenchInfer(runs[i].model, options));
    output.json["runs"].push_back(BenchInferJson(bench));
    output.text += NetworkRow(bench);
    if (!progress(i + 1, runs.size(), bench.architecture)) return absl::CancelledError("interrupted");
  }
  return output;
}

}  // namespace

void AddBench(CLI::App& app, Globals& globals, Action& action) {
  auto* bench = app.add_subcommand("bench", "Measure this machine, as medians of repeated runs");
  bench->require_subcommand(1);
  bench->footer("Example:\n  privdnn bench infer --select \"1:0;2:0\" --images 1 --threads 1");
  auto* infer = AddCommand(*bench, globals, "infer",
                           "Measure private inference between two processes, and the plaintext network beside it",
                           "privdnn bench infer --select \"1:0;2:0\" --images 1 --threads 1 --json");
  const auto i = std::make_shared<BenchInferCommand>();
  i->options.repeats = 25;
  i->model.AddOptions(infer);
  AddTwoPartyOptions(infer, i->options);
  AddThreads(infer, i->options.threads);
  infer->callback([i, &action] { action = [i] { return RunBenchInfer(*i); }; });

  auto* networks = AddCommand(*bench, globals, "networks",
                              "Run bench infer on the paper's networks with random weights, as one table",
                              "privdnn bench networks --percent 50 --images 1,8 --threads 1,2");
  const auto n = std::make_shared<BenchNetworksCommand>();
  n->options.repeats = 5;
  n->options.plan.image_budget = 1000;
  networks->add_option("--arch", n->architectures, "run these networks")
      ->delimiter(',')
      ->check(CLI::IsMember(ArchitectureNames()));
  networks
      ->add_option("--percent", n->percents, "encrypt these percentages of the neurons of both layers around a square")
      ->delimiter(',')
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  networks->add_option("--images", n->images, "run with these numbers of images")
      ->delimiter(',')
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  networks->add_option("--threads", n->threads, "run with these numbers of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  AddTwoPartyOptions(networks, n->options);
  networks->callback([n, &action] { action = [n] { return BenchNetworks(*n); }; });

  AddBenchKernels(*bench, globals, action);
  AddBenchSelect(*bench, globals, action);
}

}  // namespace privdnn
