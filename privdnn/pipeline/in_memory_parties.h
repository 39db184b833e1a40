// Owner and user in one process, for tests, notebooks and a first look. This protects nothing: the process holds the
// package, the keys and the images.
#pragma once

#include <filesystem>
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
  double output_noise = 0;  // in the owner's replies, see Owner::Create
  // Create alone uses these two.
  std::string user = "user";  // whom the package is made for
  ProgressFn progress = {};   // counts ciphertexts as they are made
};

// Owner and user in one process. They exchange the same bytes as two processes would, but without a network.
class InMemoryParties {
 public:
  // Encrypts a plan under fresh keys.
  static absl::StatusOr<InMemoryParties> Create(const ModelPlan& plan, const InMemoryOptions& options = {});
  // Opens a package and its key, in the form that EncryptForUser writes. Returns the errors of parsing either. Fails
  // with InvalidArgument if the key belongs to another package. Takes over the package's bytes, and copies from `key`
  // only what Owner keeps.
  static absl::StatusOr<InMemoryParties> Open(Bytes package, std::span<const uint8_t> key,
                                              const InMemoryOptions& options = {});
  // The same for the two files that EncryptForUser wrote. Errors of reading name the file. The package file must stay
  // unchanged as long as the parties exist: it is mapped, not copied.
  static absl::StatusOr<InMemoryParties> Open(const std::filesystem::path& package, const std::filesystem::path& key,
                                              const InMemoryOptions& options = {});

  // Returns the user's side, which calls the owner's side directly.
  InferenceSession& session() { return *session_; }
  // Returns the owner's side.
  const Owner& owner() const { return *owner_; }

 private:
  static absl::StatusOr<InMemoryParties> Parse(Bytes package, OwnerKey key, const InMemoryOptions& options);
  // `bytes` are what `package` reads, if it doesn't read a file.
  static absl::StatusOr<InMemoryParties> Connect(std::unique_ptr<Bytes> bytes, Package package, OwnerKey key,
                                                 const InMemoryOptions& options);
  InMemoryParties() = default;
  std::unique_ptr<Bytes> package_;  // the session reads it; null if it reads a file
  std::unique_ptr<InferenceSession> session_;
  const Owner* owner_ = nullptr;  // belongs to the session
};

}  // namespace privdnn
