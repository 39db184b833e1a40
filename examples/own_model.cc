// Your own model. privdnn reads ONNX files of any exporter; this one comes from PyTorch, unmodified, with ReLU and max
// pooling. Any convolution or fully connected layer can be encrypted. Before anything is encrypted, a plan says which
// segments a selection gives, what each costs, and how few images are enough to read the secret weights from the
// replies.
#include "example.h"
#include "privdnn/lifting/exposure.h"
#include "privdnn/pipeline/cost_prediction.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/pipeline/plan_on_images.h"
#include "privdnn/selection/selection.h"

using namespace privdnn;
using example::Must;

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const Graph graph = Must(LoadOnnx(assets / "relu-mnist" / "model.onnx"));
  const ImageSet images = example::LoadDigits(assets, 500);

  // Layers are numbered in execution order. A selection names them by number or by node.
  std::printf("the model has %zu layers:\n", FindLayers(graph).size());
  for (const Layer& layer : FindLayers(graph)) {
    std::printf("  %d  %-14s %4d neurons\n", static_cast<int>(layer.number), graph.nodes[layer.node].name.c_str(),
                static_cast<int>(layer.neurons));
  }

  // Half of the second convolution and a whole fully connected layer: two segments, two round trips.
  const Selection selection = Must(ParseSelection("/conv2/Conv:0-7;/fc1/Gemm:all", graph));

  // What is the model worth to a user with and without the owner? Measured in floating point, before anything is
  // encrypted.
  const SelectionAccuracy worth = Must(EvaluateSelection(graph, selection, images));
  std::printf("\naccuracy: %.1f %% as it is, %.1f %% with the owner, %.1f %% without\n", worth.original,
              worth.separated, worth.removed);

  // Inner layers are quantised by the range of their inputs. That is measured on images of the kind that users have.
  ModelPlanOptions options;
  options.image_budget = 10'000;  // images that this user may ever ask about
  const ModelPlan plan = Must(Plan(graph, selection, options, images));

  std::printf("\n%zu segments, package of %.1f MB, %.1f bits of statistical security over %d images\n",
              plan.segments.size(), static_cast<double>(plan.PackageSize()) * 1e-6, plan.StatisticalSecurity(), 10'000);
  for (const PlannedSegment& s : plan.segments) {
    const Geometry& g = s.plan.geometry();
    std::printf(
        "  layer %d: %u encrypted outputs, ring of degree %zu, %u polynomials a kernel, plaintext modulus 2^%d\n",
        static_cast<int>(s.segment.layer_number), g.spec().outputs(), s.plan.parameters.n, g.terms(),
        s.plan.parameters.plain_bits);
    // The other side of the plan: replies are linear in the secret weights.
    const Exposure exposure = CountExposure(s.segment, s.plan);
    std::printf("    replies to %d images determine its weights\n", static_cast<int>(exposure.kernels.images));
  }

  // The cost of an image. Bytes are exact; times are those of the documented machine until `privdnn bench kernels` has
  // measured yours.
  const CostPrediction one = PredictCost(plan, {.images = 1, .batch = 1, .threads = 1});
  std::printf("\nper image: %.1f kB up, %.1f kB down; about %.2f ms for the user and %.2f ms for the owner\n",
              static_cast<double>(one.bytes_up) * 1e-3, static_cast<double>(one.bytes_down) * 1e-3, one.user_ms,
              one.owner_ms);

  // A selection that can't be encrypted is refused, with the reason.
  const auto refused = ParseSelection("/conv2/Conv:0-99", graph);
  std::printf("\nneuron 99 of 16: %s\n", std::string(refused.status().message()).c_str());
  return refused.ok() || worth.removed > 50 ? 1 : 0;
}
