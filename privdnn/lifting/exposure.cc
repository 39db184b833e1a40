#include "privdnn/lifting/exposure.h"

#include <algorithm>

namespace privdnn {
namespace {

uint64_t DivideUp(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

}  // namespace

Exposure CountExposure(const Segment& segment, const SegmentPlan& plan) {
  const Geometry& g = plan.geometry();
  const uint64_t positions = g.spec().groups[0].positions();
  // Weights and bias of the neuron itself.
  const auto own =
      static_cast<uint64_t>(segment.layer.inputs * segment.layer.window.kernel[0] * segment.layer.window.kernel[1]) + 1;
  const uint64_t core = segment.first_neurons.size();
  Exposure e{.kernels = plan.extraction, .parameters = own + core * (g.window() + 1)};
  if (segment.first && core == 0 && own < e.kernels.unknowns) {
    const uint64_t images = DivideUp(own, positions);
    e.kernels = {own, images, own, positions, images};
  }
  e.images_by_parameter_count = DivideUp(e.parameters, positions);
  if (!segment.shortcut.empty()) {
    const ExtractionCount squares = CountExtraction(g, 1);
    e.kernels.images = std::max(e.kernels.images, squares.images);
    e.kernels.inner_images = std::min(e.kernels.inner_images, squares.inner_images);
    e.images_by_parameter_count =
        std::min(e.images_by_parameter_count, DivideUp(g.window() + 1, g.spec().groups[1].positions()));
  }
  return e;
}

}  // namespace privdnn
