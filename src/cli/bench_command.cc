// bench: what things cost on this machine.
#include <spdlog/spdlog.h>

#include "base/cpu.h"
#include "cli/inputs.h"
#include "cli/two_parties.h"
#include "nn/architectures.h"
#include "report/table.h"
#include "ring/bench.h"

namespace privdnn::cli {
namespace {

struct BenchInferCommand {
  ModelInput model;
  std::string architecture, selection;
  int percent = 0;
  uint64_t seed = 1;
  int64_t images = 1, batch = 250;
  ImageInput input;
  TwoPartyOptions options;
};

// The first `percent` of a layer's neurons, at least one. Which ones makes no difference to the cost.
std::vector<int64_t> FirstNeurons(const nn::Layer& layer, int percent) {
  std::vector<int64_t> neurons;
  for (int64_t i = 0; i < std::max<int64_t>(layer.neurons * percent / 100, 1); ++i) neurons.push_back(i);
  return neurons;
}

absl::StatusOr<nn::Selection> BenchSelection(const BenchInferCommand& command, const nn::Graph& graph) {
  if (command.percent == 0) {
    return LoadSelection(command.selection.empty() ? "1:0;2:0" : command.selection, graph);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto pair, nn::FindQuadraticPair(graph));
  return nn::Selection{{{pair.first.number, FirstNeurons(pair.first, command.percent)},
                        {pair.second.number, FirstNeurons(pair.second, command.percent)}}};
}

// Pixels from a seed, for networks whose data set is not at hand: cost does not depend on them.
nn::ImageSet RandomPixels(const std::vector<int64_t>& shape, int64_t count, uint64_t seed) {
  nn::ImageSet set;
  set.count = count;
  set.channels = shape[1];
  set.height = shape[2];
  set.width = shape[3];
  set.pixels.resize(static_cast<size_t>(count * set.channels * set.height * set.width));
  DeterministicRandom(seed).Fill(std::span<uint8_t>(set.pixels));
  set.labels.assign(static_cast<size_t>(count), 0);
  set.classes = 256;
  return set;
}

absl::StatusOr<CommandOutput> BenchInfer(const BenchInferCommand& command) {
  nn::Graph graph;
  if (command.architecture.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(graph, command.model.Load());
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(graph, nn::BuildArchitecture(command.architecture, command.seed));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, BenchSelection(command, graph));
  const bool real = command.input.given() || (command.architecture.empty() && command.model.path.empty());
  nn::ImageSet images = RandomPixels(graph.inputs[0].shape, command.images, command.seed);
  if (real) {
    ImageInput input = command.input;
    input.limit = command.images;
    PRIVDNN_ASSIGN_OR_RETURN(images, input.Load());
  }
  TwoPartyOptions options = command.options;
  options.batch = command.batch;
  PRIVDNN_ASSIGN_OR_RETURN(const TwoPartyResult result, RunTwoParties(graph, selection, images, options));
  CommandOutput output{CommonJson(result, images), ""};
  Json& json = output.json;
  if (!command.architecture.empty()) json["architecture"] = command.architecture;
  if (command.percent) json["percent"] = command.percent;
  json["weights"] = command.architecture.empty() ? "of the model" : fmt::format("random, seed {}", command.seed);
  json["pixels"] = real ? "of the data" : fmt::format("random, seed {}", command.seed);
  json["repeats"] = options.repeats;
  json["batch"] = result.user["batch"];
  json["encrypted_over_plaintext"] =
      json["user_encrypted_ms_per_image"].get<double>() / json["plain_ms_per_image"].get<double>();
  FactTable table(fmt::format("{} images ({}), {} threads, {} repeats, {}", images.count,
                              json["pixels"].get<std::string>(), options.threads, options.repeats,
                              json["kernel"].get<std::string>()));
  const auto ms = [&](const char* field) { return FormatMilliseconds(json[field].get<double>()); };
  table.Add("weights", json["weights"].get<std::string>());
  table.Add("user, encrypted part", ms("user_encrypted_ms_per_image") + " an image");
  table.Add("user, rest of the network", ms("user_plain_ms_per_image") + " an image");
  table.Add("owner", ms("owner_ms_per_image") + " an image");
  table.Add("whole network in plaintext", ms("plain_ms_per_image") + " an image");
  table.Add("messages", fmt::format("{} up, {} down an image", FormatBytes(json["bytes_up_per_image"].get<uint64_t>()),
                                    FormatBytes(json["bytes_down_per_image"].get<uint64_t>())));
  table.Add("package", FormatBytes(result.package_bytes));
  table.Add("peak memory", fmt::format("{} user, {} owner", FormatBytes(json["peak_rss_bytes_user"].get<uint64_t>()),
                                       FormatBytes(result.owner_peak_rss_bytes)));
  table.Add("integers that differ", fmt::format("{} of {}", result.integer_mismatches, result.integers_compared));
  output.text = table.Render();
  if (result.integer_mismatches)
    return absl::InternalError(output.text + "decrypted integers differ from the reference");
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
  i->model.AddOption(infer);
  infer
      ->add_option("--arch", i->architecture,
                   "a network of the paper with random weights instead of --model: cost without training")
      ->check(CLI::IsMember(nn::ArchitectureNames()))
      ->excludes("--model");
  infer->add_option("--seed", i->seed, "of random weights and pixels")->capture_default_str();
  auto* select =
      infer->add_option("--select,--selection", i->selection, "core neurons: a file, or 1:0,3;2:5; default: 1:0;2:0");
  infer->add_option("--percent", i->percent, "the first so many percent of the neurons of both layers around a square")
      ->check(CLI::Range(1, 100))
      ->excludes(select);
  infer->add_option("--images", i->images, "how many images")->check(CLI::Range(1, 100000))->capture_default_str();
  infer
      ->add_option("--data-set", i->input.data_set,
                   "whose test images; default: random pixels, with the embedded model MNIST's")
      ->check(CLI::IsMember(DataSetNames()));
  infer->add_option("--data", i->input.data, "data root that holds it; default with --data-set: PRIVDNN_DATA");
  infer->add_option("--image-budget", i->options.settings.image_budget, "images that the package is planned for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  infer->add_option("--batch", i->batch, "images a message, at most")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  infer->add_option("--repeats", i->options.repeats, "passes that the medians are taken over")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  AddThreads(infer, i->options.threads);
  infer->callback([i, &action] { action = [i] { return BenchInfer(*i); }; });

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
