// What replies reveal. An encrypted output is a polynomial in the user's own input whose coefficients are those of the
// secret kernel, and the user gets its values exactly. Each image gives one equation for every output position; once
// there are enough, linear algebra gives the kernel. No parameter of the encryption changes that: this is why budgets
// are small, and why the plan counts images.
#include <random>

#include "example.h"
#include "privdnn/attack/extract.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/segment/extraction.h"

using namespace privdnn;
using example::Must;

namespace {

// Random pixels: a user may ask about anything, and random inputs reveal the most.
std::vector<float> RandomPixels(size_t count, std::mt19937& random) {
  std::uniform_real_distribution<float> pixel(0, 1);
  std::vector<float> pixels(count);
  for (float& p : pixels) p = pixel(random);
  return pixels;
}

// What the user knows of one image: its quantised input, which it computes itself, and the outputs that it received.
Extractor::Image Ask(InferenceSession& session, const std::vector<float>& pixels) {
  return {QuantizeInput(session.user().segment(0).geometry, pixels), Must(session.Ask(0, pixels))};
}

}  // namespace

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const Graph graph = example::LoadLeNet(assets);

  // One neuron of each convolution: one encrypted output.
  const ModelPlan plan = Must(Plan(graph, Must(ParseSelection("1:0;2:0", graph)), {.image_budget = 1000}));
  InMemoryParties parties = Must(InMemoryParties::Create(plan));
  InferenceSession& user = parties.session();
  const Geometry& geometry = user.user().segment(0).geometry;

  // Known before any query, both to the owner who plans and to the user who attacks.
  const ExtractionCount predicted = CountExtraction(geometry, /*group=*/0);
  std::printf("an output hides %llu numbers and has %llu positions: %llu images should be enough\n",
              static_cast<unsigned long long>(predicted.unknowns),
              static_cast<unsigned long long>(geometry.spec().groups[0].positions()),
              static_cast<unsigned long long>(predicted.images));

  const OutputPolynomial polynomial = Must(OutputPolynomial::Create(geometry, 0));
  Extractor extractor(polynomial, /*threads=*/1);
  std::mt19937 random(1);
  while (!extractor.determined() && extractor.images() < 2 * predicted.images) {
    std::vector<Extractor::Image> images;
    for (uint64_t i = 0; i < std::min<uint64_t>(16, predicted.images); ++i) {
      images.push_back(Ask(user, RandomPixels(user.user().input_size(0), random)));
    }
    Must(extractor.Add(std::move(images)));
    if (extractor.images() % 64 == 0 || extractor.determined()) {
      std::printf("  %4llu images: %zu of %zu numbers found\n", static_cast<unsigned long long>(extractor.images()),
                  extractor.rank(), extractor.unknowns());
    }
  }
  const ExtractedKernels kernels = Must(extractor.Solve());
  std::printf("determined by %llu images\n", static_cast<unsigned long long>(extractor.images_needed()));

  // Do they equal the owner's? The plan has the true kernels; a user couldn't compare.
  const QuantizedSegment& truth = plan.segments[0].quantized;
  const bool equal = polynomial.Sums(truth.kernels[0].Reveal(), truth.bias.Reveal()[0]) == kernels.sums[0];
  std::printf("every number is the owner's: %s\n", equal ? "yes" : "no");

  // From here on the user needs no owner.
  const std::vector<float> fresh = RandomPixels(user.user().input_size(0), random);
  const Extractor::Image answered = Ask(user, fresh);
  const bool same = kernels.Outputs(polynomial, answered.z_map) == answered.outputs;
  std::printf("the clone's outputs for an image that was never asked: %s\n",
              same ? "exactly the owner's" : "different");
  return equal && same ? 0 : 1;
}
