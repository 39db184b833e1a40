// Owns OpenSSL objects, reads and writes PEM, and turns OpenSSL's errors into text.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

template <auto Free>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BignumPtr = std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslDeleter<X509_EXTENSION_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslDeleter<GENERAL_NAMES_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDeleter<EVP_PKEY_free>>;
using StorePtr = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;

// Returns an Internal error "what: <the newest reason in OpenSSL's queue>" and empties the queue.
absl::Status OpenSslError(const std::string& what);

// Returns every certificate in `pem`. Fails with InvalidArgument, starting with `name`, if there is none or one is
// damaged.
absl::StatusOr<std::vector<CertificatePtr>> ParseCertificates(const std::string& pem, const std::string& name);
// Returns an unencrypted private key. Fails with InvalidArgument, starting with `name`, if there is none.
absl::StatusOr<KeyPtr> ParsePrivateKey(const std::string& pem, const std::string& name);

absl::StatusOr<std::string> CertificateToPem(X509* certificate);
// Returns PKCS #8, not encrypted.
absl::StatusOr<std::string> PrivateKeyToPem(EVP_PKEY* key);

}  // namespace privdnn
