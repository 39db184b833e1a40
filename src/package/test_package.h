// A small encrypted model for tests, and the tools to damage it.
#pragma once

#include <algorithm>

#include "lifting/test_models.h"
#include "nn/onnx.h"
#include "package/package.h"

namespace privdnn {

struct TestModel {
  nn::Graph graph;
  nn::QuadraticSegment segment;
  nn::Selection selection;
  QuantizedSegment quantized;
  SegmentPlan plan;
  EncryptedModel encrypted;
};

inline absl::StatusOr<TestModel> EncryptTestModel(const nn::Graph& graph, TestModelBuilder& builder, uint64_t seed) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segment, nn::FindQuadraticSegment(graph));
  const nn::Selection selection = RandomSelection(builder, segment);
  PRIVDNN_ASSIGN_OR_RETURN(QuantizedSegment quantized, LiftSegment(graph, segment, selection, {}));
  PRIVDNN_ASSIGN_OR_RETURN(const SegmentPlan plan, PlanSegment(quantized.spec, quantized.plain_bits(), 1000));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, segment, selection));
  PRIVDNN_ASSIGN_OR_RETURN(EncryptedModel encrypted,
                           EncryptModel(quantized, plan, nn::ExportOnnx(rest), "user", DeterministicRandom(seed), 1));
  return TestModel{graph, segment, selection, std::move(quantized), plan, std::move(encrypted)};
}

// Two 2x2 convolutions on an 8x8 image: one or two ciphertexts a polynomial.
inline TestModelShape TinyShape() {
  TestModelShape s;
  s.height = s.width = 8;
  s.neurons2 = 2;
  s.conv1.kernel = s.conv2.kernel = {2, 2};
  return s;
}

// Makes the digest right again, so that what lies behind it is reached.
inline void Reseal(Bytes& package) {
  if (package.size() < 56) return;
  Bytes joined(package.begin(), package.begin() + 24);
  const auto rest = Sha256(std::span(package).subspan(56));
  joined.insert(joined.end(), rest.begin(), rest.end());
  const auto digest = Sha256(joined);
  std::copy(digest.begin(), digest.end(), package.begin() + 24);
}

}  // namespace privdnn
