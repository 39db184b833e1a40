// bench select: what the evaluator saves over building and running a candidate's networks, what a second thread saves,
// and what racing saves.
#include "privdnn/cli/bench_select_command.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "privdnn/base/median.h"
#include "privdnn/cli/network_input.h"
#include "privdnn/cli/select_search.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/report/table.h"
#include "privdnn/selection/selection.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"
#include "privdnn/torch/train.h"

namespace privdnn {
namespace {

// What candidates of LeNet-5 have of its two layers: as the default selection, about half.
constexpr int64_t kLeNetFirst = 2, kLeNetSecond = 8;

struct BenchSelectCommand {
  ModelInput model;  // of the race; none: the architecture with random weights
  ImageInput images;
  std::string architecture = "vgg16-cifar10";
  int64_t candidates = 64, race_images = 1000;
  int percent = 5, repeats = 3;
  uint64_t seed = 1;
};

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

absl::Status CheckGoOn() { return Interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus(); }

bool UnlessInterrupted(uint64_t, uint64_t, const std::string&) { return !Interrupted(); }

// Candidates of an exhaustive search, evenly spread: neighbours share a first layer, as in a search.
absl::StatusOr<std::vector<Candidate>> Spread(const Evaluator& evaluator, int64_t count) {
  SearchOptions options;
  options.count1 = kLeNetFirst;
  options.count2 = kLeNetSecond;
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t total, CountCandidates(evaluator, options));
  std::vector<Candidate> candidates;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    candidates.push_back(CandidateAt(evaluator, options, i * total / static_cast<uint64_t>(count)));
  }
  return candidates;
}

// Seconds for all candidates on all images.
absl::StatusOr<double> TimeEvaluator(const Evaluator& evaluator, const std::vector<Candidate>& candidates) {
  const auto start = std::chrono::steady_clock::now();
  PRIVDNN_RETURN_IF_ERROR(evaluator.Evaluate(candidates, 0, evaluator.images(), UnlessInterrupted).status());
  return Seconds(start);
}

// The same without an evaluator: each candidate's two networks, built and run.
absl::StatusOr<double> TimeNaive(const Graph& graph, const Evaluator& evaluator,
                                 const std::vector<Candidate>& candidates) {
  constexpr int64_t kBatch = 250;
  double seconds = 0;
  for (const Candidate& candidate : candidates) {
    PRIVDNN_RETURN_IF_ERROR(CheckGoOn());
    auto start = std::chrono::steady_clock::now();
    PRIVDNN_RETURN_IF_ERROR(EvaluateSelection(graph, evaluator.ToSelection(candidate), evaluator.image_set()).status());
    seconds += Seconds(start);
    // It runs the whole network too, which need be done once only.
    start = std::chrono::steady_clock::now();
    PRIVDNN_RETURN_IF_ERROR(Accuracy(graph, evaluator.image_set(), {}, kBatch).status());
    seconds -= Seconds(start);
  }
  return seconds;
}

absl::Status BenchLeNet(const BenchSelectCommand& command, Json& json, FactTable& table) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, ModelInput().Load());
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, ImageInput().Load());
  const auto start = std::chrono::steady_clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator one, Evaluator::Create(graph, images, {}));
  const double fill = Seconds(start);
  EvaluatorOptions both;
  both.threads = 2;
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator two, Evaluator::Create(graph, images, both));
  PRIVDNN_ASSIGN_OR_RETURN(const auto candidates, Spread(one, command.candidates));
  spdlog::info("LeNet-5, {} candidates, {} repeats", candidates.size(), command.repeats);
  std::vector<double> naive, cached, threads;
  for (int repeat = 0; repeat < command.repeats; ++repeat) {
    PRIVDNN_ASSIGN_OR_RETURN(naive.emplace_back(), TimeNaive(graph, one, candidates));
    PRIVDNN_ASSIGN_OR_RETURN(cached.emplace_back(), TimeEvaluator(one, candidates));
    PRIVDNN_ASSIGN_OR_RETURN(threads.emplace_back(), TimeEvaluator(two, candidates));
  }
  const double per_candidate = 1000 / static_cast<double>(candidates.size());
  json["lenet5_images"] = images.count;
  json["lenet5_candidates"] = candidates.size();
  json["lenet5_naive_ms_per_candidate"] = per_candidate * Median(naive);
  json["lenet5_cached_ms_per_candidate"] = per_candidate * Median(cached);
  json["lenet5_fill_ms"] = 1000 * fill;
  json["lenet5_cached_speedup"] = Median(naive) / Median(cached);
  json["threads_speedup"] = Median(cached) / Median(threads);
  const auto ms = [&](const char* field) { return FormatMilliseconds(json[field].get<double>()); };
  table.Add("LeNet-5, a candidate",
            fmt::format("{} naive, {} with the evaluator: {:.1f} times faster", ms("lenet5_naive_ms_per_candidate"),
                        ms("lenet5_cached_ms_per_candidate"), json["lenet5_cached_speedup"].get<double>()));
  table.Add("filling the evaluator", ms("lenet5_fill_ms"));
  table.Add("two threads", fmt::format("{:.2f} times faster", json["threads_speedup"].get<double>()));
  return absl::OkStatus();
}

struct Race {
  Graph graph;
  ImageSet images;
  std::string name, source;
};

// A model and images, or random ones: labels then are what the whole network says, so that accuracies are agreement.
absl::StatusOr<Race> LoadRace(const BenchSelectCommand& command) {
  Race race;
  if (!command.model.path.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(race.graph, command.model.Load());
    PRIVDNN_ASSIGN_OR_RETURN(const ImageSet all, command.images.Load());
    PRIVDNN_ASSIGN_OR_RETURN(race.images, DrawImages(all, std::min(command.race_images, all.count), command.seed));
    race.name = command.model.path;
    race.source = "of the data";
    return race;
  }
  const NetworkInput network{.architecture = command.architecture, .seed = command.seed};
  PRIVDNN_ASSIGN_OR_RETURN(race.graph, network.Load());
  PRIVDNN_ASSIGN_OR_RETURN(race.images, network.Images(race.graph, {}, command.race_images));
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(race.graph));
  constexpr int64_t kBatch = 64;
  PRIVDNN_ASSIGN_OR_RETURN(
      race.images.labels, Predict(race.images, kBatch, [&](Tensor batch) -> absl::StatusOr<Tensor> {
        PRIVDNN_ASSIGN_OR_RETURN(auto scores, executor.Run({{race.graph.inputs[0].name, std::move(batch)}}));
        return std::move(scores.at(race.graph.outputs[0].name));
      }));
  race.images.classes = static_cast<int32_t>(race.graph.outputs[0].shape[1]);
  race.name = command.architecture;
  race.source = "random, labels of the network itself";
  return race;
}

// The same search judging every candidate on all images, and racing.
absl::Status BenchRacing(const BenchSelectCommand& command, Json& json, FactTable& table) {
  PRIVDNN_ASSIGN_OR_RETURN(Race race, LoadRace(command));
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator evaluator,
                           Evaluator::Create(race.graph, std::move(race.images), {.threads = 2}));
  SelectCommand select;
  select.method = "norm+greedy";
  select.search.order = GreedyOrder::kLayers;
  select.percent = command.percent;
  select.search.score = *ParseScore(select.score);
  json["vgg16_model"] = race.name;
  json["vgg16_images"] = evaluator.images();
  json["vgg16_pixels"] = race.source;
  json["vgg16_percent"] = command.percent;
  std::array<double, 2> evaluations{};
  for (const bool racing : {false, true}) {
    select.search.racing.enabled = racing;
    const auto start = std::chrono::steady_clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(const Selected selected, RunSelect(select, race.graph, evaluator, nullptr));
    const SearchResult& result = selected.result;
    const char* const name = racing ? "vgg16_racing" : "vgg16_whole";
    json[name] = {{"selection", Json::parse(FormatSelection(evaluator.ToSelection(result.best.candidate)))},
                  {"accuracy_original", result.best.accuracies.original},
                  {"accuracy_separated", result.best.accuracies.separated},
                  {"accuracy_without_core", result.best.accuracies.removed},
                  {"score", result.best.score},
                  {"candidates", result.candidates},
                  {"image_evaluations", result.image_evaluations},
                  {"seconds", Seconds(start)}};
    evaluations[racing] = static_cast<double>(result.image_evaluations);
    table.Add(racing ? "racing" : "every candidate on all images",
              fmt::format("{} evaluations, A_s {:.2f} %, A_r {:.2f} %", result.image_evaluations,
                          result.best.accuracies.separated, result.best.accuracies.removed));
  }
  json["vgg16_evaluations_saved"] = evaluations[0] / evaluations[1];
  table.Add("evaluations saved", fmt::format("{:.1f} times fewer", json["vgg16_evaluations_saved"].get<double>()));
  return absl::OkStatus();
}

absl::StatusOr<CommandOutput> BenchSelect(const BenchSelectCommand& command) {
  CommandOutput output;
  FactTable table(fmt::format("choosing core neurons: {} repeats; racing with {}", command.repeats,
                              command.model.path.empty() ? command.architecture : command.model.path));
  output.json = {{"repeats", command.repeats}};
  PRIVDNN_RETURN_IF_ERROR(BenchLeNet(command, output.json, table));
  PRIVDNN_RETURN_IF_ERROR(BenchRacing(command, output.json, table));
  output.text = table.Render();
  return output;
}

}  // namespace

void AddBenchSelect(CLI::App& bench, Globals& globals, Action& action) {
  auto* command = AddCommand(bench, globals, "select",
                             "What the evaluator, a second thread and racing save when core neurons are chosen",
                             "privdnn bench select --json\n"
                             "  privdnn bench select --model vgg16.onnx --data-set cifar10 --data ~/data --split "
                             "validation --percent 50 --race-images 5000");
  const auto o = std::make_shared<BenchSelectCommand>();
  o->model.AddOption(command);
  command->get_option("--model")->description("ONNX model to race with; default: --arch with random weights");
  command->add_option("--arch", o->architecture, "network of the paper to race with")
      ->check(CLI::IsMember(ArchitectureNames()))
      ->capture_default_str();
  o->images.Add(command, "random pixels");
  command->add_option("--candidates", o->candidates, "candidates of LeNet-5 that are timed")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--percent", o->percent,
                   "percent of both layers that the race chooses, by norm+greedy, layer after layer")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--race-images", o->race_images, "images of the race, at most")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--repeats", o->repeats, "passes that the medians are taken over")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", o->seed, "of random weights, pixels and choices")->capture_default_str();
  command->callback([o, &action] {
    const bool images = o->images.given();
    if (!o->model.path.empty() && !(images && o->images.labelled())) {
      throw CLI::ValidationError("--model", "needs labelled images: --data-set, or --images with --labels");
    }
    if (o->model.path.empty() && images) {
      throw CLI::ValidationError("--data-set, --images", "need --model: random weights have random pixels");
    }
    action = [o] { return BenchSelect(*o); };
  });
}

}  // namespace privdnn
