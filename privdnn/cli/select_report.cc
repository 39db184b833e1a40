#include "privdnn/cli/select_report.h"

#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/choice.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

// Images of a label, and how many of them are classified correctly.
struct LabelCount {
  int64_t images = 0, original = 0, separated = 0, removed = 0;
};

std::map<int32_t, LabelCount> CountLabels(const Evaluator& evaluator, const Outcome& outcome) {
  std::map<int32_t, LabelCount> counts;
  const std::vector<int32_t>& labels = evaluator.image_set().labels;
  for (size_t k = 0; k < labels.size(); ++k) {
    LabelCount& count = counts[labels[k]];
    ++count.images;
    count.original += evaluator.original()[k];
    count.separated += outcome.separated[k];
    count.removed += outcome.removed[k];
  }
  return counts;
}

double Percent(int64_t right, int64_t images) {
  return 100.0 * static_cast<double>(right) / static_cast<double>(images);
}

void AddLabels(const Evaluator& evaluator, const Outcome& outcome, Json& json, FactTable& table) {
  constexpr size_t kShown = 10;
  json["labels"] = Json::array();
  json["labels_worse"] = Json::array();
  std::string worse;
  for (const auto& [label, count] : CountLabels(evaluator, outcome)) {
    const double original = Percent(count.original, count.images), separated = Percent(count.separated, count.images);
    json["labels"].push_back({{"label", label},
                              {"images", count.images},
                              {"accuracy_original", original},
                              {"accuracy_separated", separated},
                              {"accuracy_without_core", Percent(count.removed, count.images)}});
    if (count.separated >= count.original) continue;
    if (json["labels_worse"].size() < kShown) {
      worse += fmt::format("{}{} ({:.1f} -> {:.1f} %)", worse.empty() ? "" : ", ", label, original, separated);
    }
    json["labels_worse"].push_back(label);
  }
  const size_t more = json["labels_worse"].size();
  if (more > kShown) worse += fmt::format(" and {} more", more - kShown);
  table.Add("labels that got worse", worse.empty() ? "none" : worse);
}

// What the result depends on; not what only changes how long it takes.
Json Options(const SelectCommand& command, const Evaluator& evaluator, const SearchOptions& o) {
  Json json = {{"first_layer", evaluator.first_number()},
               {"second_layer", evaluator.second_number()},
               {"top_k", evaluator.options().top_k},
               {"score", command.score},
               {"seed", o.seed},
               {"racing", o.racing.enabled}};
  if (command.target_without_owner) {
    json["target_without_owner"] = *command.target_without_owner;
    json["max_loss"] = command.max_loss;
  } else {
    json["counts"] = {o.count1, o.count2};
  }
  const auto search = FindSelectMethod(command.method).search;
  if (!command.target_without_owner && search == SelectMethod::Search::kRandom) json["tries"] = o.tries;
  if (!command.target_without_owner && search == SelectMethod::Search::kSwap) json["beam"] = o.beam;
  if (search == SelectMethod::Search::kGreedy) json["order"] = NameOf(kGreedyOrders, o.order);
  if (command.target_without_owner || search == SelectMethod::Search::kGreedy ||
      search == SelectMethod::Search::kSwap) {
    json["greedy_step"] = o.greedy_step;
    json["pool"] = {o.pool1, o.pool2};
    json["start"] = {o.start.first, o.start.second};
  }
  return json;
}

}  // namespace

CommandOutput ReportSelected(const SelectCommand& command, const Evaluator& evaluator, const Selected& selected,
                             double seconds) {
  const SearchResult& result = selected.result;
  const std::string method = command.target_without_owner ? "target" : command.method;
  const std::string selection = FormatSelection(evaluator.ToSelection(result.best.candidate));
  const Accuracies& a = result.best.accuracies;
  CommandOutput output;
  FactTable table(fmt::format("{} by {}: {}", command.model.Name(), method, selection));
  output.json = {{"model", command.model.Name()},
                 {"method", method},
                 {"selection", Json::parse(selection)},
                 {"images", evaluator.images()}};
  table.Add("evaluated on", fmt::format("{} images", evaluator.images()));
  AddAccuracies({a.original, a.separated, a.removed}, output.json, table);
  output.json["score"] = result.best.score;
  table.Add(fmt::format("score ({})", command.score), fmt::format("{:.4f}", result.best.score));
  AddLabels(evaluator, selected.result.best.outcome, output.json, table);
  output.json["candidates"] = result.candidates;
  output.json["image_evaluations"] = result.image_evaluations;
  output.json["seconds"] = seconds;
  for (const uint64_t pairs : selected.rank_pairs) output.json["rank_evaluations"].push_back(pairs);
  output.json["options"] = Options(command, evaluator, selected.options);
  table.Add("candidates", fmt::format("{}, {} evaluations of an image", result.candidates, result.image_evaluations));
  table.Add("time", FormatMilliseconds(1000 * seconds));
  output.text = table.Render();
  return output;
}

}  // namespace privdnn
