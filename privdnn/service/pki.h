// The certificates that owner and users show each other: a small authority, the owner's (server) identity and the
// users' (client) identities, all X.509 v3 with P-256 keys. In a directory lie ca.crt, ca.key, owner.crt, owner.key and
// NAME.crt, NAME.key for each user. A user receives ca.crt, NAME.crt and NAME.key and nothing else; whoever holds
// ca.key can make users.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

inline constexpr int kAuthorityDays = 3650;
inline constexpr int kIdentityDays = 825;

// 1 to 64 of the characters A-Z a-z 0-9 . _ - and no '.' or '-' in front. "ca" and "owner" are taken: their files would
// collide with the authority's and the owner's.
absl::Status CheckUserName(std::string_view name);

// Makes ca.crt and ca.key. This and the next two functions make `dir` if it is missing, write keys with mode 0600,
// return AlreadyExists with the file's name instead of overwriting, and let certificates begin five minutes ago, so
// that clocks may differ by that much. `days` is 1 to 36,500.
absl::Status CreateAuthority(const std::filesystem::path& dir, int days = kAuthorityDays);
// Makes owner.crt and owner.key, valid for localhost, 127.0.0.1, ::1 and `hostnames` (DNS names or IP addresses).
// A certificate never outlives the authority's: `days` is cut to what ca.crt has left.
absl::Status IssueOwner(const std::filesystem::path& dir, std::span<const std::string> hostnames,
                        int days = kIdentityDays);
// Makes NAME.crt and NAME.key for CheckUserName(name). Budgets follow the name, not the key: a user whose certificate
// is issued anew goes on with what was left.
absl::Status IssueUser(const std::filesystem::path& dir, const std::string& name, int days = kIdentityDays);

// What one side of a connection needs, in PEM. The key is a plain string because gRPC keeps plain copies of it anyway.
struct TlsFiles {
  std::string name;  // names NAME.crt and NAME.key in error messages
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// Reads ca.crt, NAME.crt and NAME.key; NotFound with the file's name if one is missing. Checks no contents.
absl::StatusOr<TlsFiles> LoadTlsFiles(const std::filesystem::path& dir, const std::string& name);

enum class TlsRole { kOwner, kUser };

// FailedPrecondition, naming the file, unless the key belongs to the certificate, and the certificate was issued by
// the authority, is valid now, and is meant for the role. TLS would refuse the same files later with fewer words.
absl::Status CheckTlsFiles(const TlsFiles& files, TlsRole role);

// The part of a certificate that matters here.
struct CertificateInfo {
  std::string common_name;   // empty if there is none, or more than one
  bool authority = false;    // may sign certificates
  bool server_auth = false;  // the extended key usages; false if the extension is missing
  bool client_auth = false;
  std::vector<std::string> alternative_names;  // "DNS:localhost", "IP:127.0.0.1"
  std::string serial;                          // lower-case hexadecimal digits
  int64_t not_before = 0;                      // seconds since 1970
  int64_t not_after = 0;
};

// InvalidArgument unless `pem` starts with a certificate.
absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& pem);

}  // namespace privdnn
