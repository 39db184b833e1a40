// An owner behind a server: sessions in which each query is answered by itself.
#pragma once

#include "privdnn/party/owner.h"
#include "privdnn/session/session.h"

namespace privdnn {

// Every query begins an inference of one segment, and its reply is the answer: its images are reserved and committed at
// once, before anything is computed.
class HostedOwner final : public HostedPackage {
 public:
  // `output_noise` as for Owner::Create. A message of several images is spread over `threads` threads.
  static absl::StatusOr<std::unique_ptr<const HostedOwner>> Create(OwnerKey key, double output_noise, int threads);
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() const override;

 private:
  HostedOwner(PackageInfo info, Owner owner, int threads);
  const Owner owner_;
  const int threads_;
};

}  // namespace privdnn
