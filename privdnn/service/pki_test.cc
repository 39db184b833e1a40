#include "privdnn/service/pki.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "privdnn/base/file.h"
#include "privdnn/service/openssl_util.h"

namespace privdnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDay = 86'400;

class PkiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateAuthority(dir_.path()).ok());
    ASSERT_TRUE(IssueOwner(dir_.path(), std::vector<std::string>{"models.example.org", "192.0.2.7", "localhost"}).ok());
    ASSERT_TRUE(IssueUser(dir_.path(), "alice").ok());
  }
  CertificateInfo Read(const std::string& name) {
    auto info = ReadCertificate(*ReadTextFile(dir_.path() / (name + ".crt"), 1 << 16));
    EXPECT_TRUE(info.ok()) << info.status();
    return info.value_or(CertificateInfo());
  }
  CertificatePtr Parse(const std::string& name) {
    auto parsed = ParseCertificates(*ReadTextFile(dir_.path() / (name + ".crt"), 1 << 16), name);
    return std::move(parsed->front());
  }
  TemporaryDirectory dir_ = *TemporaryDirectory::Create();
};

TEST(CheckHostName, TakesNamesAndAddresses) {
  for (const char* good :
       {"localhost", "models.example.org", "*.example.org", "a-b.c1", "192.0.2.7", "::1", "3com.com"}) {
    EXPECT_TRUE(CheckHostName(good).ok()) << good;
  }
  for (const char* bad : {"", "999.1.1.1", "a..b", ".a", "a.", "-a.b", "a-.b", "*.", "*.org", "a b", "1.2.3", "a_b",
                          "x.*.y", "http://a"}) {
    EXPECT_THAT(Message(CheckHostName(bad)), HasSubstr("not a DNS name or an IP address")) << bad;
  }
}

TEST_F(PkiTest, CertificatesSayWhatTheyAreFor) {
  const auto ca = Read("ca"), owner = Read("owner"), alice = Read("alice");
  EXPECT_TRUE(ca.authority);
  EXPECT_FALSE(ca.client_auth || ca.server_auth);
  EXPECT_FALSE(owner.authority || owner.client_auth);
  EXPECT_TRUE(owner.server_auth);
  EXPECT_FALSE(alice.authority || alice.server_auth);
  EXPECT_TRUE(alice.client_auth);
  EXPECT_EQ(owner.common_name, "owner");
  EXPECT_EQ(alice.common_name, "alice");
  EXPECT_THAT(owner.alternative_names, ElementsAre("DNS:localhost", "IP:127.0.0.1", "IP:0:0:0:0:0:0:0:1",
                                                   "DNS:models.example.org", "IP:192.0.2.7"));
  EXPECT_TRUE(alice.alternative_names.empty());
}

TEST_F(PkiTest, CertificatesHaveUniqueSerialsAndTheStatedValidity) {
  const auto ca = Read("ca"), owner = Read("owner"), alice = Read("alice");
  EXPECT_NE(owner.serial, alice.serial);
  EXPECT_NE(owner.serial, ca.serial);
  EXPECT_GT(alice.serial.size(), 24u);  // 128 bits, but for leading zeros
  EXPECT_LE(alice.serial.size(), 32u);
  const int64_t now = std::time(nullptr);
  EXPECT_NEAR(static_cast<double>(alice.not_before), static_cast<double>(now - 300), 60);
  EXPECT_NEAR(static_cast<double>(alice.not_after), static_cast<double>(now + 825 * kDay), 60);
  EXPECT_NEAR(static_cast<double>(ca.not_after), static_cast<double>(now + 3650 * kDay), 60);
}

TEST_F(PkiTest, ExtensionsFollowRfc5280) {
  const auto ca = Parse("ca"), owner = Parse("owner"), alice = Parse("alice");
  EXPECT_EQ(X509_get_version(alice.get()), X509_VERSION_3);
  EXPECT_EQ(X509_get_pathlen(ca.get()), 0);
  EXPECT_EQ(X509_get_key_usage(ca.get()), uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(X509_get_key_usage(alice.get()), uint32_t{KU_DIGITAL_SIGNATURE});
  EXPECT_EQ(X509_get_extended_key_usage(owner.get()), uint32_t{XKU_SSL_SERVER});
  EXPECT_EQ(X509_get_extended_key_usage(alice.get()), uint32_t{XKU_SSL_CLIENT});
  ASSERT_NE(X509_get0_subject_key_id(alice.get()), nullptr);
  ASSERT_NE(X509_get0_authority_key_id(alice.get()), nullptr);
  EXPECT_EQ(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(alice.get()), X509_get0_subject_key_id(ca.get())), 0);
  for (const int nid : {NID_basic_constraints, NID_key_usage}) {
    const int index = X509_get_ext_by_NID(alice.get(), nid, -1);
    ASSERT_GE(index, 0);
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(alice.get(), index)), 1);
  }
  char group[32];
  size_t size = 0;
  ASSERT_EQ(EVP_PKEY_get_group_name(X509_get0_pubkey(alice.get()), group, sizeof(group), &size), 1);
  EXPECT_STREQ(group, "prime256v1");
}

TEST_F(PkiTest, KeysAreForTheirOwnerOnly) {
  for (const char* name : {"ca.key", "owner.key", "alice.key"}) {
    struct stat info {};
    ASSERT_EQ(::stat((dir_.path() / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(PkiTest, NeverOverwrites) {
  const std::string before = *ReadTextFile(dir_.path() / "ca.key", 1 << 16);
  const auto again = CreateAuthority(dir_.path());
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(again), HasSubstr("ca.key"));
  EXPECT_THAT(Message(IssueOwner(dir_.path(), {})), HasSubstr("owner.key"));
  EXPECT_THAT(Message(IssueUser(dir_.path(), "alice")), HasSubstr("alice.key"));
  std::filesystem::remove(dir_.path() / "alice.key");
  EXPECT_THAT(Message(IssueUser(dir_.path(), "alice")), HasSubstr("alice.crt"));
  EXPECT_EQ(*ReadTextFile(dir_.path() / "ca.key", 1 << 16), before);
}

TEST_F(PkiTest, ChecksNames) {
  for (const char* good : {"a", "A.b_c-9", "_x", "0", "alice+lab@example.org"})
    EXPECT_TRUE(CheckUserName(good).ok()) << good;
  for (const char* bad :
       {"", ".", "..", "-rf", ".hidden", "a b", "a/b", "../x", "a\nb", "j\xc3\xbcrg", "ca", "owner"}) {
    EXPECT_EQ(IssueUser(dir_.path(), bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(CheckUserName(std::string(64, 'a')).ok());
  EXPECT_FALSE(CheckUserName(std::string(65, 'a')).ok());
  const auto other = *TemporaryDirectory::Create();
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  for (const char* bad : {"", "a,IP:1.2.3.4", "a b", "-x", ".x", "a\nb", "*", "*.org", "a.*.org", "**.example.org"}) {
    const auto status = IssueOwner(other.path(), std::vector<std::string>{bad});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(IssueOwner(other.path(), std::vector<std::string>{"*.example.org"}).ok());
  EXPECT_EQ(IssueUser(other.path(), "bob", 0).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PkiTest, IdentitiesNeverOutliveTheAuthority) {
  const auto other = *TemporaryDirectory::Create();
  ASSERT_TRUE(CreateAuthority(other.path(), 10).ok());
  ASSERT_TRUE(IssueUser(other.path(), "bob", 100).ok());
  const auto ca = ReadCertificate(*ReadTextFile(other.path() / "ca.crt", 1 << 16));
  const auto bob = ReadCertificate(*ReadTextFile(other.path() / "bob.crt", 1 << 16));
  EXPECT_EQ(bob->not_after, ca->not_after);
}

TEST_F(PkiTest, IssuingNeedsTheAuthority) {
  const auto other = *TemporaryDirectory::Create();
  const auto missing = IssueUser(other.path(), "bob");
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing), HasSubstr("ca.crt"));
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  std::filesystem::copy_file(dir_.path() / "ca.key", other.path() / "ca.key",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Message(IssueUser(other.path(), "bob")), HasSubstr("the key of another certificate"));
}

TEST_F(PkiTest, LoadingNamesTheMissingFile) {
  EXPECT_TRUE(LoadTlsFiles(dir_.path(), "alice").ok());
  EXPECT_TRUE(LoadTlsFiles(dir_.path(), "owner").ok());
  const auto bob = LoadTlsFiles(dir_.path(), "bob");
  EXPECT_EQ(bob.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(bob.status()), HasSubstr("bob.crt"));
  std::filesystem::remove(dir_.path() / "alice.key");
  EXPECT_THAT(Message(LoadTlsFiles(dir_.path(), "alice").status()), HasSubstr("alice.key"));
  EXPECT_EQ(LoadTlsFiles(dir_.path(), "../alice").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PkiTest, CheckFindsFilesThatDoNotBelongTogether) {
  const auto alice = *LoadTlsFiles(dir_.path(), "alice");
  const auto owner = *LoadTlsFiles(dir_.path(), "owner");
  EXPECT_TRUE(CheckTlsFiles(alice, TlsRole::kUser).ok()) << CheckTlsFiles(alice, TlsRole::kUser);
  EXPECT_TRUE(CheckTlsFiles(owner, TlsRole::kOwner).ok());
  EXPECT_THAT(Message(CheckTlsFiles(alice, TlsRole::kOwner)), HasSubstr("purpose"));
  EXPECT_THAT(Message(CheckTlsFiles(owner, TlsRole::kUser)), HasSubstr("purpose"));

  auto wrong_key = alice;
  wrong_key.key_pem = owner.key_pem;
  EXPECT_THAT(Message(CheckTlsFiles(wrong_key, TlsRole::kUser)), HasSubstr("alice.key: is not the key of alice.crt"));
  auto damaged = alice;
  damaged.certificate_pem.resize(damaged.certificate_pem.size() / 2);
  EXPECT_THAT(Message(CheckTlsFiles(damaged, TlsRole::kUser)), HasSubstr("alice.crt: not a certificate"));

  const auto other = *TemporaryDirectory::Create();
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  auto wrong_ca = alice;
  wrong_ca.ca_pem = *ReadTextFile(other.path() / "ca.crt", 1 << 16);
  EXPECT_THAT(Message(CheckTlsFiles(wrong_ca, TlsRole::kUser)), HasSubstr("alice.crt: the authority in ca.crt"));
}

}  // namespace
}  // namespace privdnn
