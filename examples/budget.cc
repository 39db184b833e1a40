// A budget that runs out. Replies tell of the secret weights, so an owner bounds how many images a user may ever ask
// about. The ledger counts before it answers: a crash may waste images, and never gives one away twice.
#include "example.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan.h"

using namespace privdnn;
using example::Must;

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const Graph graph = example::LoadLeNet(assets);
  const Selection selection = Must(ParseSelection("1:0;2:0", graph));

  // 25 images in all. The budget is part of the package and of its noise: a smaller one buys statistical security.
  for (const uint64_t budget : {uint64_t{1'000'000}, uint64_t{25}}) {
    const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = budget}));
    std::printf("budget of %llu images: %.1f bits\n", static_cast<unsigned long long>(budget),
                plan.StatisticalSecurity());
  }
  const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = 25}));
  InMemoryParties parties = Must(InMemoryParties::Create(plan));
  InferenceSession& session = parties.session();

  // A user asks before it spends. 20 of 25 fit.
  const ImageSet digits = example::LoadDigits(assets, 60);
  Must(session.CheckBudget(20, /*repeats=*/1));
  const InferenceResult first = session.Infer(digits.Slice(0, 20), {.batch = 10});
  Must(first.ended);
  std::printf("\n20 images: answered, %llu left\n", static_cast<unsigned long long>(first.images_remaining));

  // 40 more don't. Whoever asks first is told, and has spent nothing.
  Must(session.AskTerms().status());
  const absl::Status refused = session.CheckBudget(40, 1);
  std::printf("\n40 more, asked beforehand:\n  %s\n", std::string(refused.message()).c_str());

  // Whoever doesn't gets what the budget holds. A message is answered whole or not at all, so messages of 5 images use
  // the last 5; what was answered is there, and has been paid for.
  const InferenceResult second = session.Infer(digits.Slice(20, 60), {.batch = 5});
  std::printf("\n40 more, asked anyway: %lld answered, then\n  %s\n", static_cast<long long>(CountAnswered(second)),
              std::string(second.ended.message()).c_str());
  int unanswered = 0;
  for (const int32_t label : second.predictions) unanswered += label == kNoPrediction;
  std::printf("  %d images have no prediction\n", unanswered);

  // Rotation: a new package under new keys has a budget of its own. But new keys for the same weights start the count
  // for the keys only: what replies have told of the weights stays told.
  InMemoryParties rotated = Must(InMemoryParties::Create(plan));
  Must(rotated.session().Infer(digits.Slice(20, 40)).ended);
  std::printf("\nwith a new package: 20 images answered\n");
  const bool as_expected = !refused.ok() && !second.ended.ok() && CountAnswered(second) == 5 && unanswered == 35;
  return as_expected ? 0 : 1;
}
