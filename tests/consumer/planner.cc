// From an ONNX model and a selection to a plan, without LibTorch.
#include <cstdio>

#include "privdnn/onnx/onnx.h"
#include "privdnn/partition/partition.h"
#include "privdnn/pipeline/plan.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto graph = privdnn::LoadOnnx(std::string(argv[1]) + "/lenet5-mnist/model.onnx");
  if (!graph.ok()) return 1;
  const auto selection = privdnn::ParseSelection("1:0;2:0", *graph);
  const auto plan = privdnn::Plan(*graph, *selection, {.image_budget = 1000});
  if (!plan.ok()) return 1;
  std::printf("package of %llu bytes\n", static_cast<unsigned long long>(plan->PackageSize()));
  return plan->PackageSize() > 800'000 && plan->PackageSize() < 1'000'000 ? 0 : 1;
}
