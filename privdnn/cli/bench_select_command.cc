// bench select: what the evaluator saves over building and running a candidate's networks, what a second thread saves,
// and what racing saves.
#include "privdnn/cli/bench_select_command.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

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

struct LeNetFigures {
  int64_t images = 0;
  size_t candidates = 0;
  double naive_ms = 0, cached_ms = 0;  // a candidate
  double fill_ms = 0;
  double cached_speedup = 0, threads_speedup = 0;
};

absl::StatusOr<LeNetFigures> BenchLeNet(const BenchSelectCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, ModelInput().Load());
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, ImageInput().Load());
  const auto start = std::chrono::steady_clock::now();
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator one, Evaluator::Create(graph, images, {}));
  LeNetFigures f;
  f.images = images.count;
  f.fill_ms = 1000 * Seconds(start);
  EvaluatorOptions both;
  both.threads = 2;
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator two, Evaluator::Create(graph, images, both));
  PRIVDNN_ASSIGN_OR_RETURN(const auto candidates, Spread(one, command.candidates));
  f.candidates = candidates.size();
  spdlog::info("LeNet-5, {} candidates, {} repeats", candidates.size(), command.repeats);
  std::vector<double> naive, cached, threads;
  for (int repeat = 0; repeat < command.repeats; ++repeat) {
    PRIVDNN_ASSIGN_OR_RETURN(naive.emplace_back(), TimeNaive(graph, one, candidates));
    PRIVDNN_ASSIGN_OR_RETURN(cached.emplace_back(), TimeEvaluator(one, candidates));
    PRIVDNN_ASSIGN_OR_RETURN(threads.emplace_back(), TimeEvaluator(two, candidates));
  }
  const double per_candidate = 1000 / static_cast<double>(candidates.size());
  f.naive_ms = per_candidate * Median(naive);
  f.cached_ms = per_candidate * Median(cached);
  f.cached_speedup = Median(naive) / Median(cached);
  f.threads_speedup = Median(cached) / Median(threads);
  return f;
}

void AddLeNet(const LeNetFigures& f, Json& json) {
  json["lenet5_images"] = f.images;
  json["lenet5_candidates"] = f.candidates;
  json["lenet5_naive_ms_per_candidate"] = f.naive_ms;
  json["lenet5_cached_ms_per_candidate"] = f.cached_ms;
  json["lenet5_fill_ms"] = f.fill_ms;
  json["lenet5_cached_speedup"] = f.cached_speedup;
  json["threads_speedup"] = f.threads_speedup;
}

void AddLeNet(const LeNetFigures& f, FactTable& table) {
  table.Add("LeNet-5, a candidate",
            fmt::format("{} naive, {} with the evaluator: {:.1f} times faster", FormatMilliseconds(f.naive_ms),
                        FormatMilliseconds(f.cached_ms), f.cached_speedup));
  table.Add("filling the evaluator", FormatMilliseconds(f.fill_ms));
  table.Add("two threads", fmt::format("{:.2f} times faster", f.threads_speedup));
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
    PRIVDNN_ASSIGN_OR_RETURN(race.graph, command.model.LoadClasses());
    PRIVDNN_ASSIGN_OR_RETURN(const ImageSet all, command.images.LoadFor(race.graph));
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

// One search of a race.
struct RaceRun {
  std::string selection;  // as FormatSelection has it
  SearchResult result;
  double seconds = 0;
};

struct RaceFigures {
  std::string model, pixels;
  int64_t images = 0;
  RaceRun whole, racing;  // judging every candidate on all images, and not

  double saved() const {
    return static_cast<double>(whole.result.image_evaluations) / static_cast<double>(racing.result.image_evaluations);
  }
};

// The same search judging every candidate on all images, and racing.
absl::StatusOr<RaceFigures> BenchRacing(const BenchSelectCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(Race race, LoadRace(command));
  PRIVDNN_ASSIGN_OR_RETURN(const Evaluator evaluator,
                           Evaluator::Create(race.graph, std::move(race.images), {.threads = 2}));
  SelectCommand select;
  select.method = "norm+greedy";
  select.search.order = GreedyOrder::kLayers;
  select.percent = command.percent;
  select.search.score = *ParseScore(select.score);
  RaceFigures f;
  f.model = race.name;
  f.pixels = race.source;
  f.images = evaluator.images();
  for (RaceRun* run : {&f.whole, &f.racing}) {
    select.search.racing.enabled = run == &f.racing;
    const auto start = std::chrono::steady_clock::now();
    PRIVDNN_ASSIGN_OR_RETURN(Selected selected, RunSelect(select, race.graph, evaluator, nullptr));
    run->seconds = Seconds(start);
    run->selection = FormatSelection(evaluator.ToSelection(selected.result.best.candidate));
    run->result = std::move(selected.result);
  }
  return f;
}

Json RunJson(const RaceRun& run) {
  const Accuracies& a = run.result.best.accuracies;
  return {{"selection", Json::parse(run.selection)},
          {"accuracy_original", a.original},
          {"accuracy_separated", a.separated},
          {"accuracy_without_core", a.removed},
          {"score", run.result.best.score},
          {"candidates", run.result.candidates},
          {"image_evaluations", run.result.image_evaluations},
          {"seconds", run.seconds}};
}

void AddRacing(const RaceFigures& f, int percent, Json& json) {
  json["vgg16_model"] = f.model;
  json["vgg16_images"] = f.images;
  json["vgg16_pixels"] = f.pixels;
  json["vgg16_percent"] = percent;
  json["vgg16_whole"] = RunJson(f.whole);
  json["vgg16_racing"] = RunJson(f.racing);
  json["vgg16_evaluations_saved"] = f.saved();
}

void AddRacing(const RaceFigures& f, FactTable& table) {
  for (const auto& [name, run] : {std::pair("every candidate on all images", &f.whole), {"racing", &f.racing}}) {
    const Accuracies& a = run->result.best.accuracies;
    table.Add(name, fmt::format("{} evaluations, A_s {:.2f} %, A_r {:.2f} %", run->result.image_evaluations,
                                a.separated, a.removed));
  }
  table.Add("evaluations saved", fmt::format("{:.1f} times fewer", f.saved()));
}

absl::StatusOr<CommandOutput> BenchSelect(const BenchSelectCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const LeNetFigures lenet, BenchLeNet(command));
  PRIVDNN_ASSIGN_OR_RETURN(const RaceFigures race, BenchRacing(command));
  CommandOutput output;
  output.json = {{"repeats", command.repeats}};
  AddLeNet(lenet, output.json);
  AddRacing(race, command.percent, output.json);
  FactTable table(fmt::format("choosing core neurons: {} repeats; racing with {}", command.repeats,
                              command.model.path.empty() ? command.architecture : command.model.path));
  AddLeNet(lenet, table);
  AddRacing(race, table);
  output.text = table.Render();
  return output;
}

}  // namespace

void AddBenchSelect(CLI::App& bench, Globals& globals, Action& action) {
  auto* command = AddCommand(bench, globals, "select",
                             "Measure what the evaluator, a second thread and racing save in choosing core neurons",
                             "privdnn bench select --json\n"
                             "  privdnn bench select --model vgg16.onnx --data-set cifar10 --data ~/data --split "
                             "validation --percent 50 --race-images 5000");
  const auto o = std::make_shared<BenchSelectCommand>();
  o->model.AddOption(command);
  command->get_option("--model")->description("race with this ONNX model; default: --arch with random weights");
  command->add_option("--arch", o->architecture, "race with this network of the paper")
      ->check(CLI::IsMember(ArchitectureNames()))
      ->capture_default_str();
  o->images.Add(command, "random pixels");
  command->add_option("--candidates", o->candidates, "time this many candidates of LeNet-5")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--percent", o->percent,
                   "choose this percentage of both layers in the race, by norm+greedy, layer after layer")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--race-images", o->race_images, "race on at most this many images")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--repeats", o->repeats, "take medians over this many passes")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", o->seed, "seed random weights, pixels and choices")->capture_default_str();
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
