#include "privdnn/cli/select_search.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <random>

#include "privdnn/base/bytes.h"
#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/cli/on_ranks.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/selection/journal.h"

namespace privdnn {
namespace {

using Search = SelectMethod::Search;

// Of the best ranked neurons a greedy search has so many times what it is to choose.
constexpr int64_t kPoolFactor = 2;

// The first `count` neurons of a layer's ranking, ascending.
absl::StatusOr<std::vector<int64_t>> Best(const Graph& graph, int64_t layer, PruningCriterion criterion,
                                          const ImageSet& images, int64_t count) {
  if (count == 0) return std::vector<int64_t>();
  const std::string label = fmt::format("ranking layer {} by {} images", layer, images.count);
  PRIVDNN_ASSIGN_OR_RETURN(auto neurons, RankNeurons(graph, layer, criterion, images, count,
                                                     MakeProgress(std::make_shared<ProgressBar>(label))));
  neurons.resize(std::min(neurons.size(), static_cast<size_t>(count)));
  std::sort(neurons.begin(), neurons.end());
  return neurons;
}

// The best `factor` times as many as are to be chosen, of each layer.
absl::StatusOr<Candidate> Ranked(const Graph& graph, const Evaluator& evaluator, PruningCriterion criterion,
                                 const SearchOptions& options, int64_t factor) {
  const ImageSet& images = evaluator.image_set();
  Candidate ranked;
  PRIVDNN_ASSIGN_OR_RETURN(ranked.first,
                           Best(graph, evaluator.first_number(), criterion, images, factor * options.count1));
  PRIVDNN_ASSIGN_OR_RETURN(ranked.second,
                           Best(graph, evaluator.second_number(), criterion, images, factor * options.count2));
  return ranked;
}

absl::StatusOr<Candidate> LoadCandidate(const std::string& text, const SelectCommand& command, const Graph& graph,
                                        const Evaluator& evaluator) {
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(text, command.model, graph));
  return evaluator.FromSelection(selection);
}

absl::StatusOr<SearchOptions> Complete(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator) {
  SearchOptions options = command.search;
  std::tie(options.count1, options.count2) = command.Counts(evaluator.first_neurons(), evaluator.second_neurons());
  if (!command.amend.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(options.start, LoadCandidate(command.amend, command, graph, evaluator));
  }
  if (!command.pool.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(const Candidate pool, LoadCandidate(command.pool, command, graph, evaluator));
    options.pool1 = pool.first;
    options.pool2 = pool.second;
  }
  if (command.target_without_owner) return options;
  PRIVDNN_RETURN_IF_ERROR(CheckSearch(evaluator, options));
  const SelectMethod& method = FindSelectMethod(command.method);
  if (method.criterion && method.search == Search::kGreedy) {
    PRIVDNN_ASSIGN_OR_RETURN(const Candidate pool, Ranked(graph, evaluator, *method.criterion, options, kPoolFactor));
    options.pool1 = pool.first;
    options.pool2 = pool.second;
  }
  return options;
}

// What outcomes come from, and what is known of it beforehand.
struct Work {
  const OutcomeSource& source;
  int ranks = 1;                     // that share it
  const Journal* journal = nullptr;  // which the source is then
};

// How long a candidate takes on all images: more and more of them for half a second.
absl::StatusOr<double> SecondsPerCandidate(const Evaluator& evaluator, const SearchOptions& options, uint64_t total) {
  constexpr double kEnough = 0.5;
  constexpr uint64_t kMost = 512;
  const ProgressFn unless_interrupted = [](uint64_t, uint64_t, const std::string&) { return !Interrupted(); };
  for (uint64_t count = 1;; count *= 2) {
    std::vector<Candidate> candidates;
    for (uint64_t i = 0; i < std::min(count, total); ++i) candidates.push_back(CandidateAt(evaluator, options, i));
    const auto start = std::chrono::steady_clock::now();
    PRIVDNN_RETURN_IF_ERROR(evaluator.Evaluate(candidates, 0, evaluator.images(), unless_interrupted).status());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds >= kEnough || count >= std::min(kMost, total)) return seconds / static_cast<double>(candidates.size());
  }
}

// Rows of a CSV file, gathered. What can't be written ends no search: Commit returns why.
class ResultFile {
 public:
  static absl::StatusOr<ResultFile> Create(const std::string& path) {
    PRIVDNN_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
    return ResultFile(std::move(writer));
  }
  void Add(const Judged& judged) {
    text_ +=
        fmt::format("{},{},{},{},{}\n", fmt::join(judged.candidate.first, " "), fmt::join(judged.candidate.second, " "),
                    judged.accuracies.separated, judged.accuracies.removed, judged.score);
    if (text_.size() >= kBuffer) Flush();
  }
  absl::Status Commit() {
    Flush();
    PRIVDNN_RETURN_IF_ERROR(written_);
    return writer_.Commit();
  }

 private:
  static constexpr size_t kBuffer = 1 << 16;
  explicit ResultFile(FileWriter writer) : writer_(std::move(writer)) {}
  void Flush() {
    if (written_.ok()) written_ = writer_.Append(AsBytes(text_));
    text_.clear();
  }
  FileWriter writer_;
  absl::Status written_;
  std::string text_ = "first,second,accuracy_separated,accuracy_without_core,score\n";
};

// Says how long an exhaustive search of `total` candidates will take.
absl::Status Announce(const SelectCommand& command, const Evaluator& evaluator, const Work& work,
                      const SearchOptions& options, uint64_t total) {
  const uint64_t known =
      work.journal != nullptr ? work.journal->Known(options.count1, options.count2, 0, evaluator.images()) : 0;
  if (known == total) {
    spdlog::info("all of them are in {}", command.checkpoint);
    return absl::OkStatus();
  }
  PRIVDNN_ASSIGN_OR_RETURN(const double seconds, SecondsPerCandidate(evaluator, options, total));
  spdlog::info("about {} for {}{}", FormatDuration(seconds * static_cast<double>(total - known) / work.ranks),
               known > 0 ? fmt::format("the {} that are not in {}", total - known, command.checkpoint) : "all of them",
               work.ranks > 1 ? fmt::format(", if {} ranks are as fast as this one", work.ranks) : "");
  return absl::OkStatus();
}

absl::StatusOr<SearchResult> Exhaust(const SelectCommand& command, const Evaluator& evaluator, const Work& work,
                                     const SearchOptions& options, const ProgressFn& progress,
                                     absl::Status& not_written) {
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t total, CountCandidates(evaluator, options));
  spdlog::info("{} combinations on {} images", total, evaluator.images());
  if (total > command.max_combinations) {
    return InvalidArgument("select: {} combinations are more than the {} of --max-combinations", total,
                           command.max_combinations);
  }
  PRIVDNN_RETURN_IF_ERROR(Announce(command, evaluator, work, options, total));
  if (command.all_results.empty()) return ExhaustiveSearch(evaluator, work.source, options, nullptr, progress);
  PRIVDNN_ASSIGN_OR_RETURN(ResultFile file, ResultFile::Create(command.all_results));
  const auto keep = [&](const Judged& judged) {
    file.Add(judged);
    return absl::OkStatus();
  };
  PRIVDNN_ASSIGN_OR_RETURN(SearchResult result, ExhaustiveSearch(evaluator, work.source, options, keep, progress));
  not_written = file.Commit();
  return result;
}

absl::StatusOr<SearchResult> Run(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator,
                                 const Work& work, const SearchOptions& options, absl::Status& not_written) {
  const OutcomeSource& source = work.source;
  const ProgressFn progress = MakeProgress(
      std::make_shared<ProgressBar>(fmt::format("evaluating candidates on {} images", evaluator.images())));
  if (command.target_without_owner) {
    return TargetSearch(evaluator, source, options, {*command.target_without_owner, command.max_loss}, progress);
  }
  const SelectMethod& method = FindSelectMethod(command.method);
  switch (method.search) {
    case Search::kRandom:
      return RandomSearch(evaluator, source, options, progress);
    case Search::kGreedy:
      return GreedySearch(evaluator, source, options, progress);
    case Search::kExhaustive:
      return Exhaust(command, evaluator, work, options, progress, not_written);
    case Search::kSwap:
      return SwapSearch(evaluator, source, options, progress);
    case Search::kNone:
      break;
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Candidate ranked, Ranked(graph, evaluator, *method.criterion, options, 1));
  PRIVDNN_ASSIGN_OR_RETURN(Judged judged, Judge(evaluator, source, ranked, options.score));
  return SearchResult{std::move(judged), 1, 2 * static_cast<uint64_t>(evaluator.images())};
}

absl::StatusOr<Selected> RunWith(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator,
                                 const Work& work) {
  Selected selected;
  PRIVDNN_ASSIGN_OR_RETURN(selected.options, Complete(command, graph, evaluator));
  PRIVDNN_ASSIGN_OR_RETURN(selected.result,
                           Run(command, graph, evaluator, work, selected.options, selected.not_written));
  return selected;
}

absl::StatusOr<Selected> RunWithJournal(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator,
                                        const Work& work, const std::string& identity) {
  if (command.checkpoint.empty()) return RunWith(command, graph, evaluator, work);
  PRIVDNN_ASSIGN_OR_RETURN(const Journal journal, Journal::Open(command.checkpoint, identity, work.source));
  auto selected = RunWith(command, graph, evaluator, {journal, work.ranks, &journal});
  if (absl::IsCancelled(selected.status())) {
    return absl::CancelledError(fmt::format(
        "interrupted; {} holds what has been evaluated: the same command with --resume goes on", command.checkpoint));
  }
  if (command.resume) spdlog::info("{} outcomes were in {}", journal.replayed(), command.checkpoint);
  return selected;
}

}  // namespace

absl::StatusOr<ImageSet> DrawImages(const ImageSet& images, int64_t count, uint64_t seed) {
  if (count > images.count) {
    return InvalidArgument("--eval-images {}: there are {} images", count, images.count);
  }
  std::vector<int64_t> order(static_cast<size_t>(images.count));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  if (count > 0) order.resize(static_cast<size_t>(count));
  return images.Pick(order);
}

std::string Identity(const Graph& graph, const Evaluator& evaluator) {
  const ImageSet& images = evaluator.image_set();
  Sha256Stream hash;
  hash.Update(images.Content());
  hash.Update({reinterpret_cast<const uint8_t*>(images.labels.data()), images.labels.size() * sizeof(int32_t)});
  return fmt::format("model {}, {} images {}, layers {} and {}, top {}", HexEncode(Sha256(ExportOnnx(graph))),
                     images.count, HexEncode(hash.Finish()), evaluator.first_number(), evaluator.second_number(),
                     evaluator.options().top_k);
}

absl::StatusOr<Selected> RunSelect(const SelectCommand& command, const Graph& graph, const Evaluator& evaluator,
                                   Ranks* ranks) {
  std::error_code ignored;
  if (!command.checkpoint.empty() && !command.resume && std::filesystem::exists(command.checkpoint, ignored)) {
    return FailedPrecondition("{}: there is such a file already; --resume goes on with it", command.checkpoint);
  }
  const std::string identity = Identity(graph, evaluator);
  std::optional<RankedSource> ranked;
  if (ranks != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(ranked, RankedSource::Create(*ranks, evaluator, identity, GoOn));
  }
  const OutcomeSource& source = ranked ? static_cast<const OutcomeSource&>(*ranked) : evaluator;
  const Work work{source, ranks != nullptr ? ranks->size() : 1};
  auto selected = RunWithJournal(command, graph, evaluator, work, identity);
  if (ranked && selected.ok()) selected->rank_pairs = ranked->pairs();
  return selected;
}

}  // namespace privdnn
