// bench: what things cost on this machine.
#include <spdlog/spdlog.h>

#include "base/cpu.h"
#include "cli/bench_infer.h"
#include "nn/architectures.h"
#include "report/table.h"
#include "ring/bench.h"

namespace privdnn::cli {
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
  options.settings.Add(command);
  command->add_option("--batch", options.batch, "images a message, at most")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--repeats", options.repeats, "passes that the medians are taken over")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

struct BenchNetworksCommand {
  std::vector<std::string> architectures = nn::ArchitectureNames();
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
  const ProgressFn progress = MakeProgress(std::make_shared<ProgressBar>("networks"));
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

Json ToJson(const KernelBenchmark& k) {
  Json ntt = Json::array(), products = Json::array();
  for (const NttTiming& t : k.ntt)
    ntt.push_back({{"n", t.n}, {"forward_us", t.forward_us}, {"inverse_us", t.inverse_us}});
  for (const InnerProductTiming& t : k.inner_products) {
    products.push_back({{"images", t.images},
                        {"from", t.from_memory ? "memory" : "cache"},
                        {"terms", t.terms},
                        {"weight_bytes", t.weight_bytes},
                        {"gmacs", t.gmacs},
                        {"share_of_peak", t.gmacs / k.peak_gmacs}});
  }
  return {{"kernel", k.kernel},
          {"ntt", ntt},
          {"inner_product", products},
          {"peak_gmacs", k.peak_gmacs},
          {"read_gbytes_per_s", k.read_gbytes_per_s}};
}

std::string ToText(const KernelBenchmark& k) {
  FactTable table(k.kernel);
  for (const NttTiming& t : k.ntt) {
    table.Add(fmt::format("transform, N = {}", t.n),
              fmt::format("{:.2f} us forward, {:.2f} us inverse", t.forward_us, t.inverse_us));
  }
  for (const InnerProductTiming& t : k.inner_products) {
    table.Add(fmt::format("inner product from {}, {} image{}", t.from_memory ? "memory" : "cache", t.images,
                          t.images > 1 ? "s" : ""),
              fmt::format("{:.2f} G coefficient multiply-accumulates/s ({:.0f} % of peak)", t.gmacs,
                          100 * t.gmacs / k.peak_gmacs));
  }
  table.Add("peak, from registers", fmt::format("{:.2f} G/s", k.peak_gmacs));
  table.Add("memory, streaming read", fmt::format("{:.1f} GB/s", k.read_gbytes_per_s));
  return table.Render();
}

absl::StatusOr<CommandOutput> BenchKernels(int repeats) {
  PRIVDNN_ASSIGN_OR_RETURN(const RingBenchmark bench, RunKernelBenchmarks(repeats));
  CommandOutput output{{{"cpu", CpuModelName()}, {"repeats", bench.repeats}, {"kernels", Json::array()}},
                       CpuModelName() + "\n"};
  for (const KernelBenchmark& k : bench.kernels) {
    output.json["kernels"].push_back(ToJson(k));
    output.text += ToText(k);
  }
  const SamplerBenchmark& s = bench.samplers;
  output.json["samplers"] = {{"n", s.n},
                             {"primes", s.primes},
                             {"expand_uniform_us", s.expand_uniform_us},
                             {"ternary_us", s.ternary_us},
                             {"centered_binomial_us", s.centered_binomial_us},
                             {"uniform_us", s.uniform_us}};
  FactTable table(fmt::format("samplers, {} coefficients", s.n));
  table.Add("ternary", fmt::format("{:.1f} us", s.ternary_us));
  table.Add("centred binomial", fmt::format("{:.1f} us", s.centered_binomial_us));
  table.Add("uniform, one prime", fmt::format("{:.1f} us", s.uniform_us));
  table.Add(fmt::format("expansion from a seed, {} primes", s.primes), fmt::format("{:.1f} us", s.expand_uniform_us));
  output.text += table.Render();
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
  i->model.Add(infer);
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
      ->check(CLI::IsMember(nn::ArchitectureNames()));
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

  auto* kernels =
      AddCommand(*bench, globals, "kernels", "Transforms, inner products and samplers beside the machine's peak",
                 "privdnn bench kernels --json");
  const auto repeats = std::make_shared<int>(21);
  kernels->add_option("--repeats", *repeats, "measurements that the medians are taken over")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  kernels->callback([repeats, &action] { action = [repeats] { return BenchKernels(*repeats); }; });
}

}  // namespace privdnn::cli
