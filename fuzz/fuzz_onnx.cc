// ImportOnnx, and on what it accepts: shapes, the way out and in again, and what partitioning and lifting make of it.
#include <cmath>

#include "fuzz_support.h"
#include "privdnn/lifting/lift.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

// A model that passes all checks can still be refused here, but only with a reason.
void Partition(const Graph& graph, const Selection& selection) {
  const auto segments = FindSegments(graph, selection);
  if (!segments.ok()) {
    fuzz::Require(!segments.status().message().empty(), "an error says what is wrong");
    return;
  }
  const auto separated = Separate(graph, *segments);
  if (separated.ok()) fuzz::Require(InferShapes(*separated).ok(), "a separated network is a network");
  const auto rest = PlaintextRest(graph, *segments);
  if (rest.ok()) fuzz::Require(SplitStages(*rest, segments->size()).ok(), "the plaintext rest has stages");
  for (const Segment& segment : *segments) {
    const auto lifted = LiftSegment(segment, {});
    if (!lifted.ok()) continue;
    fuzz::Require(std::isnormal(lifted->output_scale[0]) && lifted->output_scale[0] > 0, "outputs have a scale");
    fuzz::Require(lifted->plain_bits() <= 60, "outputs fit a plaintext");
    for (const int32_t c : lifted->kernels[0].Reveal())
      fuzz::Require(std::abs(c) < 1 << 11, "coefficients have 12 bits");
  }
}

// The first neuron of each layer alone, of the first two, and of all.
void Partitions(const Graph& graph) {
  Selection all, pair;
  for (const Layer& layer : FindLayers(graph)) {
    Partition(graph, {{{layer.number, {0}}}});
    all.layers[layer.number] = {0};
    if (layer.number <= 2) pair.layers[layer.number] = {0};
  }
  Partition(graph, pair);
  Partition(graph, all);
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const auto graph = ImportOnnx({data, size}, "m");
  if (!graph.ok()) {
    fuzz::Require(!graph.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(InferShapes(*graph).ok(), "what is imported has shapes");
  const Bytes exported = ExportOnnx(*graph);
  const auto again = ImportOnnx(exported, "exported");
  fuzz::Require(again.ok(), "what is exported can be imported");
  fuzz::Require(*again == *graph, "export and import give the same graph");
  fuzz::Require(ExportOnnx(*again) == exported, "the same graph gives the same bytes");
  Partitions(*graph);
  return 0;
}
