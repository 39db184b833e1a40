#include "privdnn/service/pki.h"

#include <openssl/asn1.h>
#include <openssl/ec.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <system_error>

#include "privdnn/base/file.h"
#include "privdnn/base/random.h"
#include "privdnn/service/openssl_util.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxPemBytes = 1 << 20;
constexpr long kBackdateSeconds = 300;
constexpr int kMaxDays = 36'500;

struct Extension {
  int nid;
  const char* value;  // in OpenSSL's configuration syntax
};

// What distinguishes the three kinds of certificate.
struct Profile {
  std::string file;  // without .crt and .key
  std::string common_name;
  std::vector<Extension> extensions;
  std::vector<std::string> hostnames;
  int days;
};

// Signs with itself if there is no issuer.
struct Issuer {
  CertificatePtr certificate;
  KeyPtr key;
};

absl::Status SetRandomSerial(X509* certificate) {
  std::array<uint8_t, 16> bytes{};
  SystemRandom().Fill(std::span<uint8_t>(bytes));
  const BignumPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  if (!number || !BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate))) {
    return OpenSslError("making a serial number");
  }
  return absl::OkStatus();
}

absl::Status SetName(X509* certificate, const std::string& common_name) {
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.c_str());
  if (X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, text, -1, -1, 0) != 1) {
    return OpenSslError("setting the name " + common_name);
  }
  return absl::OkStatus();
}

absl::Status SetValidity(X509* certificate, int days, const X509* authority) {
  if (!X509_gmtime_adj(X509_getm_notBefore(certificate), -kBackdateSeconds) ||
      !X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr)) {
    return OpenSslError("setting the validity");
  }
  const ASN1_TIME* end = authority ? X509_get0_notAfter(authority) : nullptr;
  if (end && ASN1_TIME_compare(X509_get0_notAfter(certificate), end) > 0 && X509_set1_notAfter(certificate, end) != 1) {
    return OpenSslError("setting the validity");
  }
  return absl::OkStatus();
}

absl::Status AddExtension(X509* certificate, const X509* authority, const Extension& extension) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, const_cast<X509*>(authority ? authority : certificate), certificate, nullptr, nullptr, 0);
  const ExtensionPtr made(X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value));
  if (!made || X509_add_ext(certificate, made.get(), -1) != 1) {
    return OpenSslError(fmt::format("adding the extension {}", OBJ_nid2sn(extension.nid)));
  }
  return absl::OkStatus();
}

// "*.example.org" stands for every name with one more label.
bool IsDnsName(const std::string& given) {
  const bool wildcard = given.starts_with("*.");
  const std::string name = wildcard ? given.substr(2) : given;
  if (wildcard && name.find('.') == std::string::npos) return false;
  if (name.empty() || name.size() > 253) return false;
  // Labels of RFC 1123; the last one is not all digits, or the name would be read as an address.
  std::string_view rest = name;
  for (;;) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '-'; };
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, allowed)) return false;
    if (label.size() == rest.size())
      return !std::ranges::all_of(label, [](unsigned char c) { return std::isdigit(c); });
    rest.remove_prefix(label.size() + 1);
  }
}

absl::Status AddAlternativeName(GENERAL_NAMES* names, const std::string& hostname) {
  GENERAL_NAME* entry = GENERAL_NAME_new();
  if (!entry || sk_GENERAL_NAME_push(names, entry) <= 0) {  // the list owns the entry from here on
    GENERAL_NAME_free(entry);
    return OpenSslError("adding an alternative name");
  }
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(hostname.c_str())) {
    GENERAL_NAME_set0_value(entry, GEN_IPADD, address);
    return absl::OkStatus();
  }
  ERR_clear_error();
  if (!IsDnsName(hostname)) return InvalidArgument("host name '{}': not a DNS name or an IP address", hostname);
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (!text || ASN1_STRING_set(text, hostname.data(), static_cast<int>(hostname.size())) != 1) {
    ASN1_IA5STRING_free(text);
    return OpenSslError("adding an alternative name");
  }
  GENERAL_NAME_set0_value(entry, GEN_DNS, text);
  return absl::OkStatus();
}

absl::Status AddAlternativeNames(X509* certificate, const std::vector<std::string>& hostnames) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (!names) return OpenSslError("adding alternative names");
  for (const auto& hostname : hostnames) PRIVDNN_RETURN_IF_ERROR(AddAlternativeName(names.get(), hostname));
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1) {
    return OpenSslError("adding alternative names");
  }
  return absl::OkStatus();
}

absl::StatusOr<CertificatePtr> MakeCertificate(const Profile& profile, EVP_PKEY* key, const Issuer* issuer) {
  CertificatePtr certificate(X509_new());
  const X509* authority = issuer ? issuer->certificate.get() : nullptr;
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return OpenSslError("making a certificate");
  }
  PRIVDNN_RETURN_IF_ERROR(SetRandomSerial(certificate.get()));
  PRIVDNN_RETURN_IF_ERROR(SetName(certificate.get(), profile.common_name));
  const X509_NAME* issuer_name = X509_get_subject_name(authority ? authority : certificate.get());
  if (X509_set_issuer_name(certificate.get(), issuer_name) != 1) return OpenSslError("setting the issuer");
  PRIVDNN_RETURN_IF_ERROR(SetValidity(certificate.get(), profile.days, authority));
  for (const auto& extension : profile.extensions) {
    PRIVDNN_RETURN_IF_ERROR(AddExtension(certificate.get(), authority, extension));
  }
  if (!profile.hostnames.empty()) {
    PRIVDNN_RETURN_IF_ERROR(AddAlternativeNames(certificate.get(), profile.hostnames));
  }
  if (X509_sign(certificate.get(), issuer ? issuer->key.get() : key, EVP_sha256()) == 0) {
    return OpenSslError("signing a certificate");
  }
  return certificate;
}

absl::Status RefuseToOverwrite(const std::filesystem::path& path) {
  std::error_code ignored;  // a path that cannot be looked at cannot be written either, and that says why
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) return absl::OkStatus();
  return absl::AlreadyExistsError(fmt::format("{}: exists already and is not overwritten", path.string()));
}

// Makes the key pair and certificate of `profile` and writes FILE.key, then FILE.crt.
absl::Status Issue(const std::filesystem::path& dir, const Profile& profile, const Issuer* issuer) {
  if (profile.days < 1 || profile.days > kMaxDays) {
    return InvalidArgument("validity is {} days, must be 1 to {}", profile.days, kMaxDays);
  }
  const auto certificate_path = dir / (profile.file + ".crt");
  const auto key_path = dir / (profile.file + ".key");
  PRIVDNN_RETURN_IF_ERROR(RefuseToOverwrite(key_path));
  PRIVDNN_RETURN_IF_ERROR(RefuseToOverwrite(certificate_path));
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return OpenSslError("making a P-256 key");
  PRIVDNN_ASSIGN_OR_RETURN(const CertificatePtr certificate, MakeCertificate(profile, key.get(), issuer));
  PRIVDNN_ASSIGN_OR_RETURN(std::string key_pem, PrivateKeyToPem(key.get()));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string certificate_pem, CertificateToPem(certificate.get()));
  const absl::Status written = WriteTextFile(key_path, key_pem, 0600);
  OPENSSL_cleanse(key_pem.data(), key_pem.size());
  PRIVDNN_RETURN_IF_ERROR(written);
  return WriteTextFile(certificate_path, certificate_pem);
}

absl::StatusOr<Issuer> LoadIssuer(const std::filesystem::path& dir) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string certificate_pem, ReadTextFile(dir / "ca.crt", kMaxPemBytes));
  PRIVDNN_ASSIGN_OR_RETURN(std::string key_pem, ReadTextFile(dir / "ca.key", kMaxPemBytes));
  PRIVDNN_ASSIGN_OR_RETURN(auto certificates, ParseCertificates(certificate_pem, (dir / "ca.crt").string()));
  auto key = ParsePrivateKey(key_pem, (dir / "ca.key").string());
  OPENSSL_cleanse(key_pem.data(), key_pem.size());
  PRIVDNN_RETURN_IF_ERROR(key.status());
  Issuer issuer{std::move(certificates.front()), *std::move(key)};
  if (X509_check_private_key(issuer.certificate.get(), issuer.key.get()) != 1) {
    ERR_clear_error();
    return FailedPrecondition("{}: the key of another certificate than ca.crt", (dir / "ca.key").string());
  }
  if (X509_cmp_current_time(X509_get0_notAfter(issuer.certificate.get())) <= 0) {
    return FailedPrecondition("{}: has expired", (dir / "ca.crt").string());
  }
  return issuer;
}

Profile IdentityProfile(const std::string& name, const char* extended_key_usage, int days) {
  return {.file = name,
          .common_name = name,
          .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                         {NID_key_usage, "critical,digitalSignature"},
                         {NID_ext_key_usage, extended_key_usage},
                         {NID_subject_key_identifier, "hash"},
                         {NID_authority_key_identifier, "keyid:always"}},
          .hostnames = {},
          .days = days};
}

}  // namespace

absl::Status CheckUserName(std::string_view name) {
  const bool allowed = std::ranges::all_of(name, [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || c == '.' || c == '_' || c == '-' || c == '@' || c == '+';
  });
  if (name.empty() || name.size() > 64 || !allowed || name.front() == '.' || name.front() == '-') {
    return InvalidArgument(
        "user name '{}': must have 1 to 64 characters of A-Z a-z 0-9 . _ - @ + and not begin with . or -",
        name.substr(0, 80));
  }
  if (name == "ca" || name == "owner") return InvalidArgument("the name '{}' is reserved", name);
  return absl::OkStatus();
}

absl::Status CreateAuthority(const std::filesystem::path& dir, int days) {
  const Profile profile = {.file = "ca",
                           .common_name = "privdnn authority",
                           .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                          {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                          {NID_subject_key_identifier, "hash"},
                                          {NID_authority_key_identifier, "keyid:always"}},
                           .hostnames = {},
                           .days = days};
  return Issue(dir, profile, nullptr);
}

absl::Status CheckHostName(const std::string& name) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
  ERR_clear_error();
  const bool good = address != nullptr || IsDnsName(name);
  ASN1_OCTET_STRING_free(address);
  return good ? absl::OkStatus() : InvalidArgument("host name '{}': not a DNS name or an IP address", name);
}

absl::Status IssueOwner(const std::filesystem::path& dir, std::span<const std::string> hostnames, int days) {
  PRIVDNN_ASSIGN_OR_RETURN(const Issuer issuer, LoadIssuer(dir));
  Profile profile = IdentityProfile("owner", "serverAuth", days);
  profile.hostnames = {"localhost", "127.0.0.1", "::1"};
  for (const auto& hostname : hostnames) {
    if (std::ranges::find(profile.hostnames, hostname) == profile.hostnames.end())
      profile.hostnames.push_back(hostname);
  }
  return Issue(dir, profile, &issuer);
}

absl::Status IssueUser(const std::filesystem::path& dir, const std::string& name, int days) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(name));
  PRIVDNN_ASSIGN_OR_RETURN(const Issuer issuer, LoadIssuer(dir));
  return Issue(dir, IdentityProfile(name, "clientAuth", days), &issuer);
}

absl::StatusOr<TlsFiles> LoadTlsFiles(const std::filesystem::path& dir, const std::string& name) {
  if (name != "owner") PRIVDNN_RETURN_IF_ERROR(CheckUserName(name));  // a name is not a path
  TlsFiles files{.name = name, .ca_pem = {}, .certificate_pem = {}, .key_pem = {}};
  PRIVDNN_ASSIGN_OR_RETURN(files.ca_pem, ReadTextFile(dir / "ca.crt", kMaxPemBytes));
  PRIVDNN_ASSIGN_OR_RETURN(files.certificate_pem, ReadTextFile(dir / (name + ".crt"), kMaxPemBytes));
  PRIVDNN_RETURN_IF_ERROR(CheckPrivate(dir / (name + ".key")));
  PRIVDNN_ASSIGN_OR_RETURN(files.key_pem, ReadTextFile(dir / (name + ".key"), kMaxPemBytes));
  return files;
}

}  // namespace privdnn
