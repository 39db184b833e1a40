// What the owner keeps: the secrets that answer queries for one package.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/secret.h"
#include "privdnn/package/header.h"
#include "privdnn/rlwe/encryption.h"

namespace privdnn {

inline constexpr std::string_view kOwnerKeyMagic = "PVDNNKEY";
inline constexpr uint32_t kMaxUserName = 64;

// The secrets of one segment.
struct SegmentKey {
  Secret<int64_t> bias;         // [F], integers at output_scale
  std::vector<OutputKey> keys;  // [F]
  // [F], as in QuantizedSegment, only if outputs stay shared: what the owner's own shares are multiplied by.
  std::vector<Secret<int32_t>> kernels = {};
};

// Only Parse and EncryptModel make one, so holding one proves that its header is consistent, that the rings are within
// the security table, and that every segment has a bias within the plaintext modulus and a key in its ring for each
// output. Immutable; movable only.
//
// A package is made for one user: the budget, and the statistical security that follows from it, are for all that is
// ever released under its keys.
class OwnerKey {
 public:
  OwnerKey(OwnerKey&&) noexcept = default;
  OwnerKey& operator=(OwnerKey&&) noexcept = default;
  OwnerKey(const OwnerKey&) = delete;
  OwnerKey& operator=(const OwnerKey&) = delete;

  // Reads a key file, which encrypting writes with mode 0600. Fails as Parse does, or naming the path; with
  // FailedPrecondition if everyone may read the file (CheckPrivate).
  static absl::StatusOr<OwnerKey> Open(const std::filesystem::path& path);
  // Reads the bytes of a key file. Every field is checked; `what` names the bytes in errors. Fails with DataLoss if the
  // digest does not match, and with InvalidArgument otherwise.
  static absl::StatusOr<OwnerKey> Parse(std::span<const uint8_t> bytes, const std::string& what);
  // Returns the key file: secret, 1 KB an output.
  ZeroizingVector<uint8_t> Write() const;

  const PackageId& package_id() const { return package_id_; }
  const std::string& user() const { return user_; }  // the only one who is answered
  uint64_t image_budget() const { return image_budget_; }
  const std::vector<PreparedSegment>& segments() const { return segments_; }
  const SegmentKey& secrets(size_t segment) const { return secrets_[segment]; }
  // What owner and user run on shares (sealed/program.h), not read here; empty in the open mode.
  const Bytes& program() const { return program_; }

 private:
  friend class OwnerKeyMaker;  // EncryptModel's
  OwnerKey(const PackageId& package_id, std::string user, uint64_t image_budget, std::vector<PreparedSegment> segments,
           std::vector<SegmentKey> secrets, Bytes program);
  PackageId package_id_;
  std::string user_;
  uint64_t image_budget_;
  std::vector<PreparedSegment> segments_;
  std::vector<SegmentKey> secrets_;  // [segment]
  Bytes program_;
};

}  // namespace privdnn
