// Package::Parse and ReadCiphertext, with the digest as it is or made right.
#include "fuzz_support.h"
#include "package/test_package.h"

namespace privdnn {
namespace {

constexpr size_t kHeaderSizeOffset = 12, kTotalSizeOffset = 16, kPrologueSize = 56;

const Bytes& ValidPackage() {
  static const Bytes package = [] {
    TestModelBuilder builder(1);
    return EncryptTestModel(builder.Build(TinyShape()), builder, 99)->encrypted.package;
  }();
  return package;
}

uint32_t HeaderSize(const Bytes& package) {
  return static_cast<uint32_t>(package[kHeaderSizeOffset]) | static_cast<uint32_t>(package[kHeaderSizeOffset + 1]) << 8;
}

void FixTotalSize(Bytes& package) {
  if (package.size() < kPrologueSize) return;
  for (size_t i = 0; i < 8; ++i) package[kTotalSizeOffset + i] = static_cast<uint8_t>(package.size() >> (8 * i));
}

void Check(const Bytes& bytes) {
  const auto package = Package::Parse(bytes, "p");
  if (!package.ok()) {
    fuzz::Require(!package.status().message().empty(), "an error says what is wrong");
    return;
  }
  const uint32_t terms = package->parameters().terms(), outputs = package->header().segment.outputs;
  AlignedVector<uint64_t> residues(package->parameters().ring().limbs_size());
  for (const size_t output : {size_t{0}, size_t{outputs} - 1}) {
    for (const size_t term : {size_t{0}, size_t{terms}}) {
      if (!package->ReadCiphertext(output, term, residues).ok()) continue;
      for (size_t i = 0; i < residues.size(); ++i) {
        const uint64_t q = package->parameters().ring().modulus(i / package->parameters().ring().n()).value();
        fuzz::Require(residues[i] < q, "residues that are read are below their prime");
      }
    }
  }
  // There is one way to write a header.
  ByteWriter writer;
  WriteHeader(package->header(), writer);
  const auto header = std::span(bytes).subspan(kPrologueSize, writer.size());
  fuzz::Require(std::equal(header.begin(), header.end(), writer.view().begin()), "a header is written as it was read");
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  fuzz::Input input(data, size);
  const uint64_t mode = input.Integer(1);
  Bytes package;
  if ((mode & 4) != 0) {
    // Another header in the frame of a valid package.
    const Bytes& valid = ValidPackage();
    const auto header = input.Rest();
    package.assign(valid.begin(), valid.begin() + kPrologueSize);
    package.insert(package.end(), header.begin(), header.end());
    package.insert(package.end(), valid.begin() + kPrologueSize + HeaderSize(valid), valid.end());
    for (size_t i = 0; i < 4; ++i) package[kHeaderSizeOffset + i] = static_cast<uint8_t>(header.size() >> (8 * i));
  } else {
    package = fuzz::Forge(ValidPackage(), input);
  }
  if ((mode & 1) != 0) FixTotalSize(package);
  if ((mode & 2) != 0) Reseal(package);
  Check(package);
  return 0;
}
