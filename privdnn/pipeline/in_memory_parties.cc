#include "privdnn/pipeline/in_memory_parties.h"

#include <utility>

#include "privdnn/base/random.h"
#include "privdnn/package/encrypt.h"

namespace privdnn {

absl::StatusOr<InMemoryParties> InMemoryParties::Create(const ModelPlan& plan, const InMemoryOptions& options) {
  Bytes package;
  package.reserve(plan.PackageSize());
  const ByteSink sink = [&](std::span<const uint8_t> bytes) {
    package.insert(package.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
  const ProgressFn progress = options.progress ? options.progress : Begin(nullptr, "");
  SystemRandom random;
  PRIVDNN_ASSIGN_OR_RETURN(
      OwnerKey key, EncryptModel(plan.Tasks(), plan.rest_model, options.user, random, options.threads, sink, progress));
  return Parse(std::move(package), std::move(key), options);
}

absl::StatusOr<InMemoryParties> InMemoryParties::Open(Bytes package, std::span<const uint8_t> key,
                                                      const InMemoryOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey parsed, OwnerKey::Parse(key, "key in memory"));
  return Parse(std::move(package), std::move(parsed), options);
}

absl::StatusOr<InMemoryParties> InMemoryParties::Open(const std::filesystem::path& package,
                                                      const std::filesystem::path& key,
                                                      const InMemoryOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(Package opened, Package::Open(package));
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey parsed, OwnerKey::Open(key));
  return Connect(nullptr, std::move(opened), std::move(parsed), options);
}

absl::StatusOr<InMemoryParties> InMemoryParties::Parse(Bytes package, OwnerKey key, const InMemoryOptions& options) {
  auto bytes = std::make_unique<Bytes>(std::move(package));
  PRIVDNN_ASSIGN_OR_RETURN(Package parsed, Package::Parse(*bytes, "package in memory"));
  return Connect(std::move(bytes), std::move(parsed), std::move(key), options);
}

absl::StatusOr<InMemoryParties> InMemoryParties::Connect(std::unique_ptr<Bytes> bytes, Package package, OwnerKey key,
                                                         const InMemoryOptions& options) {
  if (package.id() != key.package_id()) {
    return InvalidArgument("the key is that of package {}, not of {}", HexEncode(key.package_id()),
                           HexEncode(package.id()));
  }
  InMemoryParties parties;
  parties.package_ = std::move(bytes);
  PRIVDNN_ASSIGN_OR_RETURN(auto transport,
                           InMemoryTransport::Create(std::move(key), options.output_noise, options.threads));
  parties.owner_ = &transport->owner();
  PRIVDNN_ASSIGN_OR_RETURN(InferenceSession session, InferenceSession::Open(std::move(package), std::move(transport),
                                                                            {.threads = options.threads}));
  parties.session_ = std::make_unique<InferenceSession>(std::move(session));
  return parties;
}

}  // namespace privdnn
