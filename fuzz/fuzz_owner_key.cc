// OwnerKey::Parse, with the digest as it is or made right.
#include "fuzz_support.h"
#include "privdnn/package/test_package.h"
#include "privdnn/party/owner.h"

namespace privdnn {
namespace {

const Bytes& ValidKey() {
  static const Bytes key = [] {
    TestModelBuilder builder(1);
    const auto written = EncryptTestModel(builder.Build(TinyShape()), builder, 99)->encrypted.owner_key.Write();
    return Bytes(written.begin(), written.end());
  }();
  return key;
}

// A key file ends with the SHA-256 of all before it.
void ResealKey(Bytes& key) {
  if (key.size() < 32) return;
  const auto digest = Sha256(std::span(key).first(key.size() - 32));
  std::copy(digest.begin(), digest.end(), key.end() - 32);
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const Bytes bytes = fuzz::Forge(ValidKey(), {data, size}, ResealKey);
  auto key = OwnerKey::Parse(bytes, "k");
  if (!key.ok()) {
    fuzz::Require(!key.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  const auto written = key->Write();
  fuzz::Require(std::equal(written.begin(), written.end(), bytes.begin(), bytes.end()),
                "a key is written as it was read");
  fuzz::Require(Owner::Create(*std::move(key)).ok(), "a key that was read makes an owner");
  return 0;
}
