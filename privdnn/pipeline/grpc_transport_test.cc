// The same package over gRPC and with an owner in memory: the same answers.
#include "privdnn/pipeline/grpc_transport.h"

#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/owner/owner_server.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/pipeline/in_memory_parties.h"
#include "privdnn/pipeline/plan_on_images.h"

namespace privdnn {
namespace {

TEST(GrpcTransportTest, AnswersAsAnOwnerInMemoryDoes) {
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const auto path = [&](const char* name) { return directory.path() / name; };
  const std::string assets = PRIVDNN_ASSETS "/lenet5-mnist/";
  const ImageSet images = LoadInputs(assets + "t10k-1000-images-idx3-ubyte")->Head(30);
  const Graph graph = *LoadOnnx(assets + "model.onnx");
  const ModelPlan plan = *Plan(graph, *ParseSelection("1:0,3;2:5,9;3:0,1", graph), {.image_budget = 100}, images);
  ASSERT_TRUE(EncryptForUser(plan, "alice", path("package"), path("key"), 1, Begin(nullptr, "")).ok());
  ASSERT_TRUE(CreateAuthority(path("tls")).ok());
  ASSERT_TRUE(IssueOwner(path("tls"), {}).ok());
  ASSERT_TRUE(IssueUser(path("tls"), "alice").ok());

  auto server = OwnerServer::Start(
      {.keys = {path("key")}, .tls = path("tls"), .ledger = path("ledger"), .listen = "localhost:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  auto transport = GrpcTransport::Connect(server->address(), *LoadTlsFiles(path("tls"), "alice"));
  ASSERT_TRUE(transport.ok()) << transport.status();
  EXPECT_EQ((*transport)->address(), server->address());
  auto over_grpc = InferenceSession::Open(path("package"), *std::move(transport));
  ASSERT_TRUE(over_grpc.ok()) << over_grpc.status();

  auto parties = InMemoryParties::Open(path("package"), path("key"));
  ASSERT_TRUE(parties.ok()) << parties.status();
  InferenceSession& in_memory = parties->session();
  EXPECT_EQ(over_grpc->terms().images_remaining, in_memory.terms().images_remaining);
  EXPECT_EQ(over_grpc->terms().output_noise, in_memory.terms().output_noise);

  const InferenceOptions options{.batch = 7, .outputs = true};
  const InferenceResult remote = over_grpc->Infer(images, options), local = in_memory.Infer(images, options);
  ASSERT_TRUE(remote.ended.ok()) << remote.ended;
  ASSERT_TRUE(local.ended.ok()) << local.ended;
  EXPECT_EQ(remote.outputs, local.outputs);
  EXPECT_EQ(remote.predictions, local.predictions);
  EXPECT_EQ(remote.bytes_up, local.bytes_up);
  EXPECT_EQ(remote.bytes_down, local.bytes_down);
  EXPECT_EQ(remote.images_remaining, local.images_remaining);
  // Both budgets end at the same image.
  const InferenceOptions all{.batch = 30, .repeats = 3};
  EXPECT_EQ(over_grpc->Infer(images, all).ended.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(in_memory.Infer(images, all).ended.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(server->Shutdown(std::chrono::seconds(5)).ok());
}

}  // namespace
}  // namespace privdnn
