#include "privdnn/cli/select_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "privdnn/cli/choice.h"

namespace privdnn {
namespace {

using Search = SelectMethod::Search;

constexpr int64_t kMaxCount = 1 << 20;  // far above any layer

constexpr std::array<SelectMethod, 10> kMethods = {{
    {"random", Search::kRandom, {}},
    {"greedy", Search::kGreedy, {}},
    {"exhaustive", Search::kExhaustive, {}},
    {"norm", Search::kNone, PruningCriterion::kNorm},
    {"fpgm", Search::kNone, PruningCriterion::kFpgm},
    {"hrank", Search::kNone, PruningCriterion::kHrank},
    {"greedy-forward", Search::kNone, PruningCriterion::kGreedyForward},
    {"norm+greedy", Search::kGreedy, PruningCriterion::kNorm},
    {"fpgm+greedy", Search::kGreedy, PruningCriterion::kFpgm},
    {"swap", Search::kSwap, {}},
}};

// "2,4", or "4" for one layer.
struct ParsedCounts {
  int64_t first = 0, second = 0;
  bool pair = false;
};
absl::StatusOr<ParsedCounts> ParseCounts(const std::string& text) {
  ParsedCounts counts;
  const char* const end = text.data() + text.size();
  auto at = std::from_chars(text.data(), end, counts.second);
  if (at.ec == std::errc() && at.ptr != end && *at.ptr == ',') {
    counts.pair = true;
    counts.first = counts.second;
    at = std::from_chars(at.ptr + 1, end, counts.second);
  }
  if (at.ec != std::errc() || at.ptr != end || counts.first < 0 || counts.second < 1) {
    return InvalidArgument("'{}' is not N1,N2 (or N, for one layer) with N1 >= 0 and N2 >= 1", text);
  }
  return counts;
}

// A CLI11 check out of a parser of text.
template <typename Parse>
CLI::Validator Parses(const Parse& parse, const std::string& what) {
  return CLI::Validator(
      [parse](std::string& text) {
        const auto parsed = parse(text);
        return parsed.ok() ? std::string() : Message(parsed.status());
      },
      what);
}

void AddSizes(CLI::App* command, SelectCommand& o) {
  constexpr char kGroup[] = "How many (one of)";
  command->add_option("--counts", o.counts, "choose N1,N2 neurons of the first and the second layer; N with --layers 1")
      ->check(Parses(ParseCounts, "N1,N2"))
      ->group(kGroup);
  command->add_option("--percent", o.percent, "choose this percentage of each layer, at least one neuron")
      ->check(CLI::Range(1, 100))
      ->group(kGroup);
  auto* count1 =
      command->add_option("--count1", o.count1, "choose this many neurons of the first layer, with --add or --multiply")
          ->check(CLI::Range(int64_t{0}, kMaxCount))
          ->group(kGroup);
  auto* add = command->add_option("--add", o.add, "choose this many more in the second layer than in the first")
                  ->check(CLI::Range(int64_t{0}, kMaxCount))
                  ->needs(count1)
                  ->group(kGroup);
  command->add_option("--multiply", o.multiply, "choose this many times as many in the second layer as in the first")
      ->check(CLI::Range(int64_t{1}, kMaxCount))
      ->needs(count1)
      ->excludes(add)
      ->group(kGroup);
  auto* target =
      command
          ->add_option("--target-without-owner", o.target_without_owner,
                       "choose the fewest neurons of the second layer that bring A_r down to this percentage")
          ->check(CLI::Range(0.0, 100.0))
          ->group(kGroup);
  command->add_option("--max-loss", o.max_loss, "with --target-without-owner, allow at most this A_o - A_s, in points")
      ->check(CLI::Range(0.0, 100.0))
      ->needs(target)
      ->capture_default_str()
      ->group(kGroup);
}

void AddSearch(CLI::App* command, SelectCommand& o) {
  constexpr char kGroup[] = "Search";
  const auto count = CLI::Range(int64_t{1}, kMaxCount);
  command
      ->add_option("--amend", o.amend,
                   "greedy methods: keep the core neurons of this selection and add to them, up to the numbers given")
      ->group(kGroup);
  command
      ->add_option("--pool", o.pool,
                   "greedy, swap and target: choose among these neurons (as a selection; a layer it doesn't name: all)")
      ->group(kGroup);
  command
      ->add_option("--score", o.score,
                   "maximise this score: paper, paper:A,B, difference, difference:W (docs/selection.md)")
      ->check(Parses(ParseScore, "SCORE"))
      ->capture_default_str()
      ->group(kGroup);
  AddChoice(command, "--order", o.search.order,
            "set the order in which greedy methods grow the layers: in-turn, both by score; layers, the first by the "
            "accuracy that is left, then the second by score, as in the paper",
            kGreedyOrders)
      ->group(kGroup);
  command->add_option("--greedy-step", o.search.greedy_step, "add this many neurons in a greedy step")
      ->check(count)
      ->capture_default_str()
      ->group(kGroup);
  command
      ->add_option(
          "--beam", o.search.beam,
          "grow this many candidates side by side in a swap search, a neuron at a time (not with --greedy-step)")
      ->check(count)
      ->capture_default_str()
      ->group(kGroup);
  command->add_option("--tries", o.search.tries, "try this many candidates in a random search")
      ->check(count)
      ->capture_default_str()
      ->group(kGroup);
  command->add_option("--seed", o.search.seed, "seed random choices and the images' order")
      ->capture_default_str()
      ->group(kGroup);
  command
      ->add_flag(
          "--racing,!--no-racing", o.search.racing.enabled,
          "judge candidates on the images in doubt, and drop those that are behind; default: with swap and a target")
      ->group(kGroup);
  command->add_option("--max-combinations", o.max_combinations, "exhaustive: refuse more than this many candidates")
      ->check(PositiveInt())
      ->capture_default_str()
      ->group(kGroup);
}

}  // namespace

const SelectMethod& FindSelectMethod(const std::string& name) {
  return *std::find_if(kMethods.begin(), kMethods.end(), [&](const SelectMethod& m) { return m.name == name; });
}

std::vector<std::string> SelectMethodNames() {
  std::vector<std::string> names;
  for (const SelectMethod& method : kMethods) names.emplace_back(method.name);
  return names;
}

const std::map<std::string, GreedyOrder> kGreedyOrders = {{"in-turn", GreedyOrder::kInTurn},
                                                          {"layers", GreedyOrder::kLayers}};

void SelectCommand::Add(CLI::App* command) {
  model.AddPositional(command);
  command
      ->add_option("--method", method,
                   "random; greedy; exhaustive; by rank: norm, fpgm, hrank, greedy-forward; greedy among the best "
                   "ranked: norm+greedy, fpgm+greedy; swap: a beam, then exchanges. Default: norm, with --amend greedy")
      ->check(CLI::IsMember(SelectMethodNames()))
      ->option_text("METHOD");
  command
      ->add_option("--first-layer", evaluator.first_layer,
                   "choose from the layer of this number; default: the first of two around a square")
      ->check(CLI::Range(int64_t{1}, kMaxCount));
  command
      ->add_option(
          "--layers", evaluator.layers,
          "choose from 2 layers, this one and the one behind the square, or from 1, this one alone (a linear segment)")
      ->check(CLI::Range(1, 2))
      ->capture_default_str();
  command->add_option("--out", out, "write this selection file")->type_name(kNewFile);
  command->add_option("--all-results", all_results, "exhaustive: write this CSV file, with a row for every candidate")
      ->type_name(kNewFile);
  AddSizes(command, *this);
  AddSearch(command, *this);
  images.Add(command);
  command
      ->add_option("--eval-images", eval_images,
                   "evaluate on this many of the images, drawn at random with --seed; default: all")
      ->check(PositiveInt());
  command->add_option("--top-k", evaluator.top_k, "count a label as found among the K largest scores")
      ->check(PositiveInt())
      ->capture_default_str();
  command->add_option("--cache-mb", cache_mb, "use this much memory for what candidates have in common, in megabytes")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  auto* checkpoint_option =
      command->add_option("--checkpoint", checkpoint, "keep what has been evaluated in this file")->type_name(kNewFile);
  command->add_flag("--resume", resume, "resume from the existing checkpoint")->needs(checkpoint_option);
  AddThreads(command, evaluator.threads);
}

void SelectCommand::Finish(const CLI::App& command) {
  const auto given = [&](const char* option) { return command.get_option(option)->count() > 0; };
  const auto refuse = [](const std::string& option, const std::string& why) {
    throw CLI::ValidationError(option, why);
  };
  if (!given("--method") && given("--amend")) method = "greedy";
  const SelectMethod& m = FindSelectMethod(method);
  const bool target = given("--target-without-owner");
  if (target && given("--method")) refuse("--target-without-owner", "is a search of its own and excludes --method");
  if (target && given("--amend")) refuse("--target-without-owner", "excludes --amend");
  const int sizes = given("--counts") + given("--percent") + given("--count1") + target;
  if (sizes != 1) {
    refuse("select", "how many neurons? One of --counts, --percent, --count1 and --target-without-owner");
  }
  if (given("--count1") && !add && !multiply) refuse("--count1", "needs --add or --multiply");
  const bool one_layer = evaluator.layers == 1;
  if (one_layer && !given("--first-layer")) refuse("--layers", "1 needs --first-layer: which one");
  if (one_layer && given("--count1")) refuse("--count1", "is for two layers");
  if (given("--counts") && one_layer == ParseCounts(counts)->pair) {
    refuse("--counts", one_layer ? "of one layer is one number" : "of two layers are two numbers, N1,N2");
  }
  if (given("--amend") && m.search != Search::kGreedy) refuse("--amend", "needs a greedy method");
  if (given("--pool") && !target && (m.criterion || (m.search != Search::kGreedy && m.search != Search::kSwap))) {
    refuse("--pool", "is for greedy, swap and a target; " + method + " has no pool or one of its own");
  }
  if (given("--all-results") && m.search != Search::kExhaustive) refuse("--all-results", "needs --method exhaustive");
  if (search.racing.enabled && (m.search == Search::kExhaustive || m.search == Search::kNone) && !target) {
    refuse("--racing", "is not for " + method + ", which judges every candidate on all images");
  }
  if (!given("--racing")) search.racing.enabled = target || m.search == Search::kSwap;
  if (given("--order") && m.search != Search::kGreedy) refuse("--order", "needs a greedy method");
  if (given("--beam") && search.greedy_step > 1) {
    refuse("--beam", "grows candidates a neuron at a time and excludes --greedy-step above 1");
  }
  search.score = *ParseScore(score);
  evaluator.cache_bytes = static_cast<uint64_t>(cache_mb) * 1'000'000;
}

std::pair<int64_t, int64_t> SelectCommand::Counts(int64_t first_neurons, int64_t second_neurons) const {
  if (target_without_owner) return {0, 0};
  if (percent > 0) {
    const auto share = [&](int64_t n) { return n == 0 ? 0 : std::max<int64_t>(n * percent / 100, 1); };
    return {share(first_neurons), share(second_neurons)};
  }
  if (count1) return {*count1, add ? *count1 + *add : *count1 * *multiply};
  const ParsedCounts parsed = *ParseCounts(counts);
  return {parsed.first, parsed.second};
}

}  // namespace privdnn
