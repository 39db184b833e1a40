// Encrypts and asks in one process; the component also has what an owner, a search and an attack need.
#include <cstdio>

#include "privdnn/attack/output_polynomial.h"
#include "privdnn/data/dataset.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/owner/owner_server.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/selection/selection.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string folder = std::string(argv[1]) + "/lenet5-mnist/";
  const auto graph = privdnn::LoadOnnx(folder + "model.onnx");
  const auto images = privdnn::LoadInputs(folder + "t10k-1000-images-idx3-ubyte");
  if (!graph.ok() || !images.ok()) return 1;
  const auto plan = privdnn::Plan(*graph, *privdnn::ParseSelection("1:0;2:0", *graph), {.image_budget = 1000});
  if (!plan.ok()) return 1;
  if (privdnn::OwnerKey::Open(folder + "model.onnx").ok()) return 1;
  if (!privdnn::EvaluateSelection(*graph, plan->selection, images->Slice(0, 10)).ok()) return 1;
  if (!privdnn::OutputPolynomial::Create(plan->segments[0].plan.geometry(), 0).ok()) return 1;
  auto parties = privdnn::InMemoryParties::Create(*plan);
  if (!parties.ok()) return 1;
  const auto result = parties->session().Infer(images->Slice(0, 4));
  // The first four images of MNIST's test set.
  const bool right = result.ended.ok() && result.predictions == std::vector<int32_t>{7, 2, 1, 0};
  std::printf("%s\n", right ? "7 2 1 0" : "wrong");
  return right ? 0 : 1;
}
