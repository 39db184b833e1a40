#include "privdnn/service/openssl_util.h"

#include <climits>

namespace privdnn {
namespace {

BioPtr ReadOnlyBio(const std::string& text) {
  if (text.size() > INT_MAX) return nullptr;
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string BioContents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// OpenSSL asks for a passphrase on the terminal unless it is given a function that has none.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status OpenSslError(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return absl::InternalError(fmt::format("{}: {}", what, reason ? reason : "unknown OpenSSL error"));
}

absl::StatusOr<std::vector<CertificatePtr>> ParseCertificates(const std::string& pem, const std::string& name) {
  const BioPtr bio = ReadOnlyBio(pem);
  std::vector<CertificatePtr> certificates;
  while (bio) {
    CertificatePtr next(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (!next) break;
    certificates.push_back(std::move(next));
  }
  // The end of the text shows as "no start line"; anything else is a damaged certificate.
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !ended) return InvalidArgument("{}: not a certificate in PEM form", name);
  return certificates;
}

absl::StatusOr<KeyPtr> ParsePrivateKey(const std::string& pem, const std::string& name) {
  const BioPtr bio = ReadOnlyBio(pem);
  KeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!key) return InvalidArgument("{}: not an unencrypted private key in PEM form", name);
  return key;
}

absl::StatusOr<std::string> CertificateToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return OpenSslError("writing a certificate");
  return BioContents(bio.get());
}

absl::StatusOr<std::string> PrivateKeyToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslError("writing a private key");
  }
  return BioContents(bio.get());
}

}  // namespace privdnn
