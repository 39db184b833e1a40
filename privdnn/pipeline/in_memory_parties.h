// Owner and user in one process, for tests, notebooks and a first look. It protects nothing: whoever runs it holds the
// package, the keys and the images.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "privdnn/base/reporting.h"
#include "privdnn/pipeline/in_memory_transport.h"
#include "privdnn/pipeline/inference_session.h"
#include "privdnn/pipeline/plan.h"

namespace privdnn {

struct InMemoryOptions {
  int threads = 1;
  double output_noise = 0;    // of the owner's replies, see Owner::Create
  std::string user = "user";  // that the package is made for
  ProgressFn progress = {};   // counts ciphertexts as they are made
};

// The bytes that would travel between the parties are made and read just as between processes; only the wire is left
// out.
class InMemoryParties {
 public:
  // Encrypts a plan under fresh keys.
  static absl::StatusOr<InMemoryParties> Create(const ModelPlan& plan, const InMemoryOptions& options = {});
  // The parties of a package and its key, as encrypting wrote them; the errors of parsing either. InvalidArgument if
  // the key is another package's. Takes the package's bytes, and copies nothing from `key` but what Owner keeps.
  static absl::StatusOr<InMemoryParties> Open(Bytes package, std::span<const uint8_t> key,
                                              const InMemoryOptions& options = {});

  // The user's side. It asks the owner's directly.
  InferenceSession& session() { return *session_; }
  // The owner's side.
  const Owner& owner() const { return *owner_; }

 private:
  static absl::StatusOr<InMemoryParties> Connect(Bytes package, OwnerKey key, const InMemoryOptions& options);
  InMemoryParties() = default;
  std::unique_ptr<Bytes> package_;  // the session reads it
  std::unique_ptr<InferenceSession> session_;
  const Owner* owner_ = nullptr;  // the session's
};

}  // namespace privdnn
