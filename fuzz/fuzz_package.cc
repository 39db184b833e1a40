// Package::Parse and ReadCiphertext, with the digest as it is or made right, and what a user does with a package.
#include "fuzz_support.h"
#include "privdnn/package/test_package.h"
#include "privdnn/party/user.h"

namespace privdnn {
namespace {

constexpr size_t kHeaderSizeOffset = 12, kTotalSizeOffset = 16, kPrologueSize = 24;

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

// Queries for a black image. Expensive images are left out: their cost is bounded, but not by a fuzzer's patience.
void Use(Package package) {
  for (const PreparedSegment& segment : package.segments()) {
    const SegmentSpec& s = segment.header.spec;
    const uint64_t z_values = s.channels * segment.geometry.z_map().area();
    if (z_values * s.pool1.area() > 1 << 16 || s.channels * s.input.area() > 1 << 16) return;
  }
  const auto user = User::Create(std::move(package));
  if (!user.ok()) return;
  User::Workspace workspace;
  for (size_t k = 0; k < user->num_segments(); ++k) {
    DeterministicRandom random(1);
    const auto query = user->Prepare(k, std::vector<float>(user->input_size(k)), random, workspace);
    fuzz::Require(query.ok(), "a package that was read makes queries");
    fuzz::Require(query->message.size() == user->layout(k).query(1), "a query has the size that the plan gives");
  }
}

void Check(const Bytes& bytes, bool use) {
  auto package = Package::Parse(bytes, "p");
  if (!package.ok()) {
    fuzz::Require(!package.status().message().empty(), "an error says what is wrong");
    return;
  }
  PackageHeader header{package->image_budget(), {}};
  for (size_t k = 0; k < package->segments().size(); ++k) {
    const auto& [segment_header, parameters, geometry] = package->segments()[k];
    header.segments.push_back(segment_header);
    AlignedVector<uint64_t> residues(parameters.ring().limbs_size());
    for (const size_t output : {size_t{0}, size_t{segment_header.spec.outputs()} - 1}) {
      for (const size_t term : {size_t{0}, size_t{parameters.terms()}}) {
        if (!package->ReadCiphertext(k, output, term, residues).ok()) continue;
        for (size_t i = 0; i < residues.size(); ++i) {
          const uint64_t q = parameters.ring().modulus(i / parameters.ring().n()).value();
          fuzz::Require(residues[i] < q, "residues that are read are below their prime");
        }
      }
    }
  }
  // There is one way to write a header.
  ByteWriter writer;
  WriteHeader(header, writer);
  const auto written = std::span(bytes).subspan(kPrologueSize, writer.size());
  fuzz::Require(std::equal(written.begin(), written.end(), writer.view().begin()),
                "a header is written as it was read");
  if (use) Use(*std::move(package));
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
  Check(package, (mode & 8) != 0);
  return 0;
}
