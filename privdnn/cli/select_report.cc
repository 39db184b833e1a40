#include "privdnn/cli/select_report.h"

#include "privdnn/cli/accuracies.h"
#include "privdnn/cli/choice.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

// The images of a label, and how many of them are classified correctly.
struct LabelFigures {
  int32_t label = 0;
  int64_t images = 0, original = 0, separated = 0, removed = 0;

  double Percent(int64_t right) const { return 100.0 * static_cast<double>(right) / static_cast<double>(images); }
  bool worse() const { return separated < original; }
};

// Ascending.
std::vector<LabelFigures> CountLabels(const Evaluator& evaluator, const Outcome& outcome) {
  std::map<int32_t, LabelFigures> counts;
  const std::vector<int32_t>& labels = evaluator.image_set().labels;
  for (size_t k = 0; k < labels.size(); ++k) {
    LabelFigures& count = counts[labels[k]];
    count.label = labels[k];
    ++count.images;
    count.original += evaluator.original()[k];
    count.separated += outcome.separated[k];
    count.removed += outcome.removed[k];
  }
  std::vector<LabelFigures> figures;
  for (const auto& [label, count] : counts) figures.push_back(count);
  return figures;
}

void AddLabels(const std::vector<LabelFigures>& labels, Json& json) {
  json["labels"] = Json::array();
  json["labels_worse"] = Json::array();
  for (const LabelFigures& l : labels) {
    json["labels"].push_back({{"label", l.label},
                              {"images", l.images},
                              {"accuracy_original", l.Percent(l.original)},
                              {"accuracy_separated", l.Percent(l.separated)},
                              {"accuracy_without_core", l.Percent(l.removed)}});
    if (l.worse()) json["labels_worse"].push_back(l.label);
  }
}

void AddLabels(const std::vector<LabelFigures>& labels, FactTable& table) {
  constexpr size_t kShown = 10;
  std::string worse;
  size_t count = 0;
  for (const LabelFigures& l : labels) {
    if (!l.worse() || ++count > kShown) continue;
    worse += fmt::format("{}{} ({:.1f} -> {:.1f} %)", worse.empty() ? "" : ", ", l.label, l.Percent(l.original),
                         l.Percent(l.separated));
  }
  if (count > kShown) worse += fmt::format(" and {} more", count - kShown);
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

// What is found, by numbers that stand in no other struct.
struct SelectFigures {
  std::string model, method, selection;  // the last as FormatSelection has it
  int64_t images = 0;
  SelectionAccuracy accuracies = {};
  std::vector<LabelFigures> labels = {};
};

SelectFigures FiguresOf(const SelectCommand& command, const Evaluator& evaluator, const Selected& selected) {
  const Accuracies& a = selected.result.best.accuracies;
  return {command.model.Name(),
          command.target_without_owner ? "target" : command.method,
          FormatSelection(evaluator.ToSelection(selected.result.best.candidate)),
          evaluator.images(),
          {a.original, a.separated, a.removed},
          CountLabels(evaluator, selected.result.best.outcome)};
}

}  // namespace

CommandOutput ReportSelected(const SelectCommand& command, const Evaluator& evaluator, const Selected& selected,
                             double seconds) {
  const SearchResult& result = selected.result;
  const SelectFigures f = FiguresOf(command, evaluator, selected);
  CommandOutput output;
  output.json = {
      {"model", f.model}, {"method", f.method}, {"selection", Json::parse(f.selection)}, {"images", f.images}};
  AddAccuracies(f.accuracies, output.json);
  output.json["score"] = result.best.score;
  AddLabels(f.labels, output.json);
  output.json["candidates"] = result.candidates;
  output.json["image_evaluations"] = result.image_evaluations;
  output.json["seconds"] = seconds;
  for (const uint64_t pairs : selected.rank_pairs) output.json["rank_evaluations"].push_back(pairs);
  output.json["options"] = Options(command, evaluator, selected.options);

  FactTable table(fmt::format("{} by {}: {}", f.model, f.method, f.selection));
  table.Add("evaluated on", fmt::format("{} images", f.images));
  AddAccuracies(f.accuracies, table);
  table.Add(fmt::format("score ({})", command.score), fmt::format("{:.4f}", result.best.score));
  AddLabels(f.labels, table);
  table.Add("candidates", fmt::format("{}, {} evaluations of an image", result.candidates, result.image_evaluations));
  table.Add("time", FormatMilliseconds(1000 * seconds));
  output.text = table.Render();
  return output;
}

}  // namespace privdnn
