// Encrypt neurons of a network, and ask about images. Here, owner and user are in one process. That protects nothing,
// since the user could read the keys; it is for tests, notebooks and a first look. over_grpc.cc shows real use.
#include "example.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/torch/predict.h"

using namespace privdnn;
using example::Must;

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);

  // The owner's model: two convolutions with a square activation between them, then the rest of LeNet-5.
  const Graph graph = example::LoadLeNet(assets);

  // What to encrypt: filters 0 and 3 of the first layer, and all but the first three of the second. They form one
  // segment: two layers around a square are evaluated in one round trip.
  const Selection selection = Must(ParseSelection("1:0,3;2:3-15", graph));

  // The plan lifts the segment to integers and chooses ring and packing. The budget limits how many images are ever
  // decrypted.
  const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = 1000}));
  std::printf("package of %.1f MB, drowning noise of %.1f bits over 1000 images\n",
              static_cast<double>(plan.PackageSize()) * 1e-6, plan.StatisticalSecurity());

  // Encrypts the plan, then gives the package to a user and the key to an owner.
  InMemoryParties parties = Must(InMemoryParties::Create(plan));

  // The user's images. Nobody else sees them.
  const ImageSet digits = example::LoadDigits(assets, 100);
  const InferenceResult result = parties.session().Infer(digits);
  Must(result.ended);
  std::printf("%lld of 100 images answered, %.1f kB up and %.2f kB down per image\n",
              static_cast<long long>(CountAnswered(result)), static_cast<double>(result.bytes_up) / 100e3,
              static_cast<double>(result.bytes_down) / 100e3);

  // Without the owner, zeros replace the outputs of the encrypted neurons.
  const auto alone = Must(parties.session().Offline(digits));
  const double with_owner = AccuracyPercent(result.predictions, digits.labels);
  const double without = AccuracyPercent(alone, digits.labels);
  std::printf("accuracy: %.1f %% with the owner, %.1f %% without\n", with_owner, without);
  return with_owner > 90 && without < 60 ? 0 : 1;
}
