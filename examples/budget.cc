// A budget that runs out. Replies reveal the secret weights, so an owner limits the number of images a user may ever
// ask about. The ledger counts before it answers: a crash may waste images, but never lets one be spent twice.
#include "example.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan.h"

using namespace privdnn;
using example::Must;

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const Graph graph = example::LoadLeNet(assets);
  const Selection selection = Must(ParseSelection("1:0;2:0", graph));

  // 25 images in all. The budget is part of the package and determines its noise: a smaller one gives more bits of
  // statistical security.
  for (const uint64_t budget : {uint64_t{1'000'000}, uint64_t{25}}) {
    const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = budget}));
    std::printf("budget of %llu images: %.1f bits\n", static_cast<unsigned long long>(budget),
                plan.StatisticalSecurity());
  }
  const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = 25}));
  InMemoryParties parties = Must(InMemoryParties::Create(plan));
  InferenceSession& session = parties.session();

  // A user checks the budget before spending it. 20 of 25 fit.
  const ImageSet digits = example::LoadDigits(assets, 60);
  Must(session.CheckBudget(20, /*repeats=*/1));
  const InferenceResult first = session.Infer(digits.Slice(0, 20), {.batch = 10});
  Must(first.ended);
  std::printf("\n20 images: answered, %llu left\n", static_cast<unsigned long long>(first.images_remaining));

  // 40 more don't fit. A user who checks first gets an error, and has spent nothing.
  Must(session.AskTerms().status());
  const absl::Status refused = session.CheckBudget(40, 1);
  std::printf("\n40 more, checked beforehand:\n  %s\n", std::string(refused.message()).c_str());

  // A user who doesn't check gets what the budget allows. A message is answered in full or not at all, so messages of 5
  // images use the last 5. The answers received are kept, and have been charged.
  const InferenceResult second = session.Infer(digits.Slice(20, 60), {.batch = 5});
  std::printf("\n40 more, asked without checking: %lld answered, then\n  %s\n",
              static_cast<long long>(CountAnswered(second)), std::string(second.ended.message()).c_str());
  int unanswered = 0;
  for (const int32_t label : second.predictions) unanswered += label == kNoPrediction;
  std::printf("  %d images have no prediction\n", unanswered);

  // Rotation: a new package under new keys has its own budget. But new keys for the same weights reset the count for
  // the keys only: what replies have revealed about the weights stays revealed.
  InMemoryParties rotated = Must(InMemoryParties::Create(plan));
  Must(rotated.session().Infer(digits.Slice(20, 40)).ended);
  std::printf("\nwith a new package: 20 images answered\n");
  const bool as_expected = !refused.ok() && !second.ended.ok() && CountAnswered(second) == 5 && unanswered == 35;
  return as_expected ? 0 : 1;
}
