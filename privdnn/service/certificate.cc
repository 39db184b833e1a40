// Reading and checking of certificates; pki.cc makes them.
#include <openssl/asn1.h>

#include <ctime>

#include "privdnn/base/bytes.h"
#include "privdnn/service/openssl_util.h"
#include "privdnn/service/pki.h"

namespace privdnn {
namespace {

int64_t UnixSeconds(const ASN1_TIME* time) {
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1) return 0;
  return timegm(&broken_down);
}

// "192.0.2.1" or eight groups of hexadecimal digits.
std::string AddressText(const ASN1_OCTET_STRING* address) {
  const unsigned char* b = ASN1_STRING_get0_data(address);
  if (ASN1_STRING_length(address) == 4) return fmt::format("{}.{}.{}.{}", b[0], b[1], b[2], b[3]);
  if (ASN1_STRING_length(address) != 16) return "?";
  std::string text;
  for (int i = 0; i < 16; i += 2) text += fmt::format("{}{:x}", i ? ":" : "", b[i] << 8 | b[i + 1]);
  return text;
}

std::vector<std::string> AlternativeNames(const X509* certificate) {
  std::vector<std::string> result;
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
      result.push_back("DNS:" + std::string(text, static_cast<size_t>(ASN1_STRING_length(name->d.dNSName))));
    } else if (name->type == GEN_IPADD) {
      result.push_back("IP:" + AddressText(name->d.iPAddress));
    }
  }
  return result;
}

// Two common names could be read differently here and by gRPC, so that they count as none.
std::string CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return "";
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return name;
}

std::string SerialText(const X509* certificate) {
  const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return "";
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return HexEncode(bytes);
}

// OpenSSL's words for why `leaf` is not acceptable, or nullptr.
absl::StatusOr<const char*> FindFault(X509* leaf, const std::vector<CertificatePtr>& authorities, TlsRole role) {
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  bool ready = store && context;
  for (const auto& authority : authorities) ready = ready && X509_STORE_add_cert(store.get(), authority.get()) == 1;
  if (!ready || X509_STORE_CTX_init(context.get(), store.get(), leaf, nullptr) != 1) {
    return OpenSslError("checking a certificate");
  }
  const int purpose = role == TlsRole::kOwner ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
  if (X509_STORE_CTX_set_purpose(context.get(), purpose) != 1) return OpenSslError("checking a certificate");
  const char* fault = nullptr;
  if (X509_verify_cert(context.get()) != 1) {
    fault = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }
  ERR_clear_error();
  return fault;
}

}  // namespace

absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& pem) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto certificates, ParseCertificates(pem, "certificate"));
  X509* certificate = certificates.front().get();
  CertificateInfo info;
  info.common_name = CommonName(certificate);
  info.authority = X509_check_ca(certificate) != 0;
  if (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) {
    const uint32_t usage = X509_get_extended_key_usage(certificate);
    info.server_auth = (usage & XKU_SSL_SERVER) != 0;
    info.client_auth = (usage & XKU_SSL_CLIENT) != 0;
  }
  info.alternative_names = AlternativeNames(certificate);
  info.serial = SerialText(certificate);
  info.not_before = UnixSeconds(X509_get0_notBefore(certificate));
  info.not_after = UnixSeconds(X509_get0_notAfter(certificate));
  return info;
}

absl::Status CheckTlsFiles(const TlsFiles& files, TlsRole role) {
  const std::string certificate_name = files.name + ".crt";
  const std::string key_name = files.name + ".key";
  const auto authorities = ParseCertificates(files.ca_pem, "ca.crt");
  const auto certificates = ParseCertificates(files.certificate_pem, certificate_name);
  const auto key = ParsePrivateKey(files.key_pem, key_name);
  for (const absl::Status& status : {authorities.status(), certificates.status(), key.status()}) {
    if (!status.ok()) return absl::FailedPreconditionError(Message(status));
  }
  X509* leaf = certificates->front().get();
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return FailedPrecondition("{}: is not the key of {}", key_name, certificate_name);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const char* fault, FindFault(leaf, *authorities, role));
  if (fault) {
    return FailedPrecondition("{}: the authority in ca.crt does not vouch for it as a{}: {}", certificate_name,
                              role == TlsRole::kOwner ? "n owner" : " user", fault);
  }
  return absl::OkStatus();
}

}  // namespace privdnn
