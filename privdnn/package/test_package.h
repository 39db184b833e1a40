// A small encrypted model for tests, and the tools to damage it.
#pragma once

#include <algorithm>

#include "privdnn/lifting/lift.h"
#include "privdnn/lifting/test_models.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/package/encrypt.h"
#include "privdnn/package/package.h"

namespace privdnn {

struct EncryptedModel {
  Bytes package;
  OwnerKey owner_key;
};

// EncryptModel into memory, without progress.
inline absl::StatusOr<EncryptedModel> EncryptToMemory(std::span<const EncryptionTask> tasks,
                                                      std::span<const uint8_t> rest_model, const std::string& user,
                                                      RandomSource& random, int threads) {
  Bytes package;
  const ByteSink sink = [&](std::span<const uint8_t> bytes) {
    package.insert(package.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key, EncryptModel(tasks, rest_model, user, random, threads, sink,
                                                      [](uint64_t, uint64_t, const std::string&) { return true; }));
  return EncryptedModel{std::move(package), std::move(key)};
}

struct TestModel {
  Graph graph;
  Selection selection;
  std::vector<Segment> segments;
  std::vector<QuantizedSegment> quantized;
  std::vector<SegmentPlan> plans;
  EncryptedModel encrypted;
};

// Segments that read the network's input take [0, 1], others [-8, 8]. `change` may alter a quantised segment's packing.
inline absl::StatusOr<TestModel> EncryptTestModel(const Graph& graph, const Selection& selection, uint64_t seed,
                                                  const std::function<void(SegmentSpec&)>& change = {}) {
  PRIVDNN_ASSIGN_OR_RETURN(auto segments, FindSegments(graph, selection));
  std::vector<QuantizedSegment> lifted;
  std::vector<PlanTask> planned;
  for (const Segment& segment : segments) {
    LiftOptions options;
    if (segment.input != graph.inputs[0].name) {
      options.input_min = -8;
      options.input_max = 8;
    }
    PRIVDNN_ASSIGN_OR_RETURN(QuantizedSegment quantized, LiftSegment(segment, options));
    if (change) change(quantized.spec);
    planned.push_back({quantized.spec, quantized.plain_bits()});
    lifted.push_back(std::move(quantized));
  }
  PRIVDNN_ASSIGN_OR_RETURN(auto plans, PlanSegments(planned, {.image_budget = 1000}));
  std::vector<EncryptionTask> tasks;
  for (size_t k = 0; k < plans.size(); ++k) tasks.push_back({&lifted[k], &plans[k].encryption});
  PRIVDNN_ASSIGN_OR_RETURN(const Graph rest, PlaintextRest(graph, segments));
  DeterministicRandom random(seed);
  PRIVDNN_ASSIGN_OR_RETURN(EncryptedModel encrypted, EncryptToMemory(tasks, ExportOnnx(rest), "user", random, 1));
  return TestModel{graph, selection, std::move(segments), std::move(lifted), std::move(plans), std::move(encrypted)};
}
inline absl::StatusOr<TestModel> EncryptTestModel(const Graph& graph, TestModelBuilder& builder, uint64_t seed) {
  return EncryptTestModel(graph, RandomSelection(builder, graph), seed);
}

// Two 2x2 convolutions on an 8x8 image: one or two ciphertexts a polynomial.
inline TestModelShape TinyShape() {
  TestModelShape s;
  s.height = s.width = 8;
  s.neurons2 = 2;
  s.conv1.kernel = s.conv2.kernel = {2, 2};
  return s;
}

// Makes the digest right again, so that what lies behind it is reached. The digest is the last 32 bytes.
inline void Reseal(Bytes& package) {
  if (package.size() < 32) return;
  const auto digest = Sha256(std::span(package).first(package.size() - 32));
  std::copy(digest.begin(), digest.end(), package.end() - 32);
}

}  // namespace privdnn
