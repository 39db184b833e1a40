// What `privdnn select` is asked for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "privdnn/cli/inputs.h"
#include "privdnn/selection/search.h"

namespace privdnn {

// How core neurons are found: by rank alone, by a search, or by a search among the first of a ranking.
struct SelectMethod {
  enum class Search { kNone, kRandom, kGreedy, kExhaustive, kSwap };
  const char* name;
  Search search;
  std::optional<PruningCriterion> criterion;
};
const SelectMethod& FindSelectMethod(const std::string& name);
std::vector<std::string> SelectMethodNames();
// What --order takes.
extern const std::map<std::string, GreedyOrder> kGreedyOrders;

struct SelectCommand {
  ModelInput model;
  ImageInput images;
  std::string method = "norm", out, all_results;
  // One of these says how many neurons; a target has none.
  std::string counts;
  int percent = 0;
  std::optional<int64_t> count1, add, multiply;
  std::optional<double> target_without_owner;
  double max_loss = 1;
  EvaluatorOptions evaluator;
  int64_t cache_mb = 2000, eval_images = 0;  // 0: all
  std::string amend, pool, score = "paper";
  SearchOptions search;
  uint64_t max_combinations = 1'000'000;
  std::string checkpoint;
  bool resume = false;

  // Adds every option; the callback must call Finish.
  void Add(CLI::App* command);
  // Defaults that depend on each other. Throws a CLI::ValidationError for options that don't go together.
  void Finish(const CLI::App& command);
  // Numbers of neurons of both layers, 0 for the first of a linear segment; for a target, 0 and 0.
  std::pair<int64_t, int64_t> Counts(int64_t first_neurons, int64_t second_neurons) const;
};

}  // namespace privdnn
