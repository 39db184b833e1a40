// ImportOnnx, and on what it accepts: shapes, the way out and in again, and what partitioning and lifting make of it.
#include <cmath>

#include "fuzz_support.h"
#include "lifting/lift.h"
#include "nn/onnx.h"
#include "nn/partition.h"

namespace privdnn {
namespace {

// A model that passes all checks can still be refused here, but only with a reason.
void Partition(const nn::Graph& graph) {
  const auto segment = nn::FindQuadraticSegment(graph);
  if (!segment.ok()) return;
  nn::Selection selection{{0}, {0}};
  if (segment->neurons1 == 1 && segment->neurons2 > 1) selection.layer1.clear();
  fuzz::Require(nn::CheckSelection(*segment, selection).ok(), "the first neurons of a segment may be core");
  const auto separated = nn::Separate(graph, *segment, selection);
  if (separated.ok()) fuzz::Require(nn::InferShapes(*separated).ok(), "a separated network is a network");
  const auto rest = nn::PlaintextRest(graph, *segment, selection);
  if (rest.ok()) fuzz::Require(nn::InferShapes(*rest).ok(), "the plaintext rest is a network");
  const auto lifted = LiftSegment(graph, *segment, selection, {});
  if (!lifted.ok()) return;
  fuzz::Require(std::isnormal(lifted->output_scale[0]) && lifted->output_scale[0] > 0, "outputs have a scale");
  fuzz::Require(lifted->plain_bits() <= 60, "outputs fit a plaintext");
  for (const int32_t c : lifted->kernels[0]) fuzz::Require(std::abs(c) < 1 << 11, "coefficients have 12 bits");
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const auto graph = nn::ImportOnnx({data, size}, "m");
  if (!graph.ok()) {
    fuzz::Require(!graph.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(nn::InferShapes(*graph).ok(), "what is imported has shapes");
  const Bytes exported = nn::ExportOnnx(*graph);
  const auto again = nn::ImportOnnx(exported, "exported");
  fuzz::Require(again.ok(), "what is exported can be imported");
  fuzz::Require(*again == *graph, "export and import give the same graph");
  fuzz::Require(nn::ExportOnnx(*again) == exported, "the same graph gives the same bytes");
  Partition(*graph);
  return 0;
}
