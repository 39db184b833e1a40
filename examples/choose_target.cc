// Choose what to encrypt. Encrypted outputs are what costs, so there should be few; and without the owner the model
// should be worth little. TargetSearch looks for the fewest neurons of the second layer, with any neurons of the first,
// for which the accuracy without the owner (A_r) falls to a target while the accuracy with the owner (A_s) stays.
#include "example.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/selection/evaluator.h"
#include "privdnn/selection/search.h"
#include "privdnn/selection/selection.h"

using namespace privdnn;
using example::Must;

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const Graph graph = example::LoadLeNet(assets);
  const ImageSet digits = example::LoadDigits(assets, 1000);
  // Choose on one half of the images and report on the other: a choice looks better on the images it was made with.
  const ImageSet chosen_with = digits.Slice(0, 500), judged_with = digits.Slice(500, 1000);

  // The evaluator runs the network once, and then for each candidate only the parts that the candidate changes.
  const Evaluator evaluator = Must(Evaluator::Create(graph, chosen_with, {.threads = 1}));
  std::printf("layers %d and %d have a square between them: %d and %d neurons to choose from\n",
              static_cast<int>(evaluator.first_number()), static_cast<int>(evaluator.second_number()),
              static_cast<int>(evaluator.first_neurons()), static_cast<int>(evaluator.second_neurons()));

  SearchOptions search;
  search.score = Must(ParseScore("paper"));
  search.count2 = 0;  // as many neurons of the second layer as the target needs
  const Target target{.without_owner = 20, .max_loss = 1};
  const SearchResult found = Must(
      TargetSearch(evaluator, evaluator, search, target, [](uint64_t, uint64_t, const std::string&) { return true; }));
  const Selection selection = evaluator.ToSelection(found.best.candidate);
  std::printf("\n%d candidates later: %s\n", static_cast<int>(found.candidates), FormatSelection(selection).c_str());
  std::printf("  on the images it was chosen with:  %.1f %% with the owner, %.1f %% without\n",
              found.best.accuracies.separated, found.best.accuracies.removed);

  const SelectionAccuracy fresh = Must(EvaluateSelection(graph, selection, judged_with));
  std::printf("  on others:                         %.1f %% with the owner, %.1f %% without, %.1f %% as it was\n",
              fresh.separated, fresh.removed, fresh.original);

  // Fewer encrypted outputs make a smaller package.
  const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = 1000}));
  const ModelPlan all = Must(Plan(graph, Must(ParseSelection("1:all;2:all", graph)), {.image_budget = 1000}));
  std::printf("\npackage: %.1f MB; with both layers encrypted as a whole %.1f MB\n",
              static_cast<double>(plan.PackageSize()) * 1e-6, static_cast<double>(all.PackageSize()) * 1e-6);

  // This shows that the package as a file is worth little, and no more. A user who trains the missing neurons with
  // labelled images of its own regains most of the accuracy (docs/attacks.md).
  return found.best.accuracies.removed <= target.without_owner && plan.PackageSize() < all.PackageSize() ? 0 : 1;
}
