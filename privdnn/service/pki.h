// The certificates with which owner and users authenticate: a small authority, the owner's (server) identity and the
// users' (client) identities, all X.509 v3 with P-256 keys. A directory holds ca.crt, ca.key, owner.crt, owner.key, and
// NAME.crt and NAME.key for each user. Give a user only ca.crt, NAME.crt and NAME.key. Anyone who holds ca.key can make
// users.
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

// Checks a user's name: 1 to 64 of the characters A-Z a-z 0-9 . _ - @ + with no '.' or '-' in front, such as an e-mail
// address. "ca" and "owner" are reserved: their files would collide with the authority's and the owner's.
absl::Status CheckUserName(std::string_view name);

// Checks a name of an owner's server: a DNS name, also *.example.org, or an IP address.
absl::Status CheckHostName(const std::string& name);

// Makes ca.crt and ca.key. This and the next two functions create `dir` if it is missing and write keys with mode 0600.
// They never overwrite: they fail with AlreadyExists and the file's name. Certificates are valid from five minutes ago,
// so that clocks may differ by that much. `days` is 1 to 36,500.
absl::Status CreateAuthority(const std::filesystem::path& dir, int days = kAuthorityDays);
// Makes owner.crt and owner.key, valid for localhost, 127.0.0.1, ::1 and `hostnames` (see CheckHostName). A certificate
// never outlives the authority's: `days` is reduced to the remaining days of ca.crt.
absl::Status IssueOwner(const std::filesystem::path& dir, std::span<const std::string> hostnames,
                        int days = kIdentityDays);
// Makes NAME.crt and NAME.key; `name` must pass CheckUserName. Budgets belong to the name, not the key: a user with a
// new certificate keeps the remaining budget.
absl::Status IssueUser(const std::filesystem::path& dir, const std::string& name, int days = kIdentityDays);

// The PEM texts that one side of a connection needs. The key is a plain string because gRPC keeps plain copies of it
// anyway.
struct TlsFiles {
  std::string name;  // names NAME.crt and NAME.key in error messages
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// Reads ca.crt, NAME.crt and NAME.key. Fails with NotFound and the file's name if one is missing, and with
// FailedPrecondition if others may read the key (CheckPrivate). Does not check the
// contents.
absl::StatusOr<TlsFiles> LoadTlsFiles(const std::filesystem::path& dir, const std::string& name);

enum class TlsRole { kOwner, kUser };

// Fails with FailedPrecondition, naming the file, unless the key belongs to the certificate, and the certificate was
// issued by the authority, is valid now, and fits the role. TLS would refuse the same files later with a less helpful
// error.
absl::Status CheckTlsFiles(const TlsFiles& files, TlsRole role);

// The parts of a certificate that matter here.
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

// Fails with InvalidArgument unless `pem` starts with a certificate.
absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& pem);

}  // namespace privdnn
