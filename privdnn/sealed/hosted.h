// An owner of sealed packages behind a server: sessions in which shares are computed on.
#pragma once

#include "privdnn/party/owner.h"
#include "privdnn/sealed/program.h"
#include "privdnn/session/session.h"

namespace privdnn {

// Frames of a session; docs/protocol.md specifies them. The protocol is a row of flows, in each of which both parties
// send a message at once, possibly an empty one. The user's request i + 1 holds its message of flow i, the owner's
// reply i its own, so that neither waits for more than it needs.
//
//   request 0        kStart, u32 images, 32 random bytes of the user
//   reply i          kFlow, the owner's message of flow i
//   request i + 1    kFlow, the user's message of flow i
//   reply            kReady, once instead of the first message of the answer: the owner waits
//   request          kReveal: takes the images out of the budget
//   last reply       kDone
enum class FrameKind : uint8_t { kStart = 0, kFlow = 1, kReady = 2, kReveal = 3, kDone = 4 };
inline constexpr size_t kSessionNonce = 32;

// A frame: its kind, then its body.
Bytes MakeFrame(FrameKind kind, std::span<const uint8_t> body = {});

// The context of a session's transfers: the package and the user's random bytes.
Bytes SessionContext(std::span<const uint8_t> package_id, std::span<const uint8_t> nonce);

class HostedSealedOwner final : public HostedPackage {
 public:
  // `key` must have a program. Fails as ReadProgram does. Each session computes on `threads` threads.
  static absl::StatusOr<std::unique_ptr<const HostedSealedOwner>> Create(OwnerKey key, int threads);
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() const override;

 private:
  HostedSealedOwner(PackageInfo info, Owner owner, SealedProgram program, int threads);
  const Owner owner_;
  const SealedProgram program_;
  const int threads_;
};

}  // namespace privdnn
