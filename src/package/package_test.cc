#include "package/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lifting/packing.h"
#include "package/test_package.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class PackageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestModelBuilder builder(1);
    const nn::Graph graph = builder.Build(TinyShape());
    model_ = new TestModel(*EncryptTestModel(graph, builder, 99));
  }
  static void TearDownTestSuite() {
    delete model_;
    model_ = nullptr;
  }
  static const Bytes& package() { return model_->encrypted.package; }
  static uint32_t header_size() { return package()[12] | package()[13] << 8; }
  static std::string Error(const Bytes& bytes) { return Message(Package::Parse(bytes, "p").status()); }

  static TestModel* model_;
};
TestModel* PackageTest::model_ = nullptr;

TEST_F(PackageTest, HoldsWhatWasPutIn) {
  const auto p = Package::Parse(package(), "p");
  ASSERT_TRUE(p.ok()) << p.status();
  EXPECT_EQ(p->header().segment, model_->quantized.spec);
  EXPECT_EQ(p->header().output_scale, model_->quantized.output_scale);
  EXPECT_EQ(p->header().image_budget, 1000u);
  EXPECT_EQ(p->id(), model_->encrypted.owner_key.package_id);
  EXPECT_EQ(p->size(), package().size());
  const auto rest = nn::ImportOnnx(p->rest_model(), "rest");
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, *nn::PlaintextRest(model_->graph, model_->segment, model_->selection));
}

TEST_F(PackageTest, DecryptsToTheKernels) {
  const auto p = *Package::Parse(package(), "p");
  const Parameters& params = p.parameters();
  const auto a = ExpandPublic(params, p.header().seed);
  NttPoly b(params.ring());
  for (size_t f = 0; f < p.header().segment.outputs; ++f) {
    for (uint32_t j = 0; j <= params.terms(); ++j) {
      ASSERT_TRUE(p.ReadCiphertext(f, j, b.all()).ok());
      // b + a s - Delta A = e: at most 21 in every coefficient, modulo every prime.
      AddInPlace(params.ring(), b, Multiply(params.ring(), a[j], model_->encrypted.owner_key.keys[f].ntt()));
      const auto phase = ToCoefficients(params.ring(), b);
      const bool zero = j == params.terms();
      const auto message =
          zero ? std::vector<int32_t>(params.ring().n()) : PackKernel(p.geometry(), model_->quantized.kernels[f], j);
      for (size_t i = 0; i < params.ring().num_primes(); ++i) {
        const Modulus& m = params.ring().modulus(i);
        for (size_t k = 0; k < message.size(); ++k) {
          const uint64_t e = m.Sub(phase.limb(i)[k], m.Mul(params.delta(i), m.FromSigned(message[k])));
          ASSERT_TRUE(e <= 21 || m.value() - e <= 21) << "output " << f << " term " << j << " coefficient " << k;
        }
      }
    }
  }
}

TEST_F(PackageTest, CoreWeightsAreAbsent) {
  const auto p = *Package::Parse(package(), "p");
  const auto rest = *nn::ImportOnnx(p.rest_model(), "rest");
  const auto& w1 = model_->graph.initializers.at("w1");
  const auto& w2 = model_->graph.initializers.at("w2");
  const auto contains = [&](float v) {
    for (const auto& [name, t] : rest.initializers) {
      if (std::find(t.values.begin(), t.values.end(), v) != t.values.end()) return true;
    }
    return false;
  };
  const int64_t taps1 = w1.size() / w1.dim(0), taps2 = w2.size() / w2.dim(0);
  for (int64_t c = 0; c < w1.dim(0); ++c) {
    const bool core = std::count(model_->selection.layer1.begin(), model_->selection.layer1.end(), c) > 0;
    for (int64_t i = 0; i < taps1; ++i) EXPECT_NE(contains(w1.values[static_cast<size_t>(c * taps1 + i)]), core) << c;
  }
  for (const int64_t f : model_->selection.layer2) {
    for (int64_t i = 0; i < taps2; ++i) EXPECT_FALSE(contains(w2.values[static_cast<size_t>(f * taps2 + i)])) << f;
  }
}

TEST_F(PackageTest, KnownAnswer) {
  // The same model, plan and randomness give the same bytes, on every machine and with every kernel.
  EXPECT_EQ(HexEncode(Sha256(package())), "012190727729131d011fe2013edfc5507aaac4c8464840ec4338f4edaea4afbe");
  EXPECT_EQ(HexEncode(Sha256(WriteOwnerKey(model_->encrypted.owner_key))),
            "8d443b471b4548d5d1c8b20343c415fe355015492deb1e25094d2a7f410ed68a");
}

TEST_F(PackageTest, EveryTruncationAndExtensionIsAnError) {
  for (size_t size = 0; size < package().size(); size += size < 1000 ? 1 : 997) {
    EXPECT_FALSE(Package::Parse(std::span(package()).first(size), "p").ok()) << size;
  }
  Bytes longer = package();
  longer.push_back(0);
  EXPECT_THAT(Error(longer), HasSubstr("the file has"));
}

TEST_F(PackageTest, EveryBitFlipIsAnError) {
  Bytes damaged = package();
  for (size_t byte = 0; byte < damaged.size(); byte += byte < 400 ? 1 : 1511) {
    for (int bit = 0; bit < 8; bit += byte < 400 ? 1 : 3) {
      damaged[byte] ^= static_cast<uint8_t>(1 << bit);
      ASSERT_FALSE(Package::Parse(damaged, "p").ok()) << "byte " << byte << " bit " << bit;
      damaged[byte] ^= static_cast<uint8_t>(1 << bit);
    }
  }
  damaged.back() ^= 1;
  EXPECT_THAT(Error(damaged), HasSubstr("damaged"));
}

// A forged header with a right digest must still be consistent, or be refused; never a crash or a huge allocation.
TEST_F(PackageTest, ForgedHeadersAreRefusedOrConsistent) {
  for (size_t byte = 8; byte < 56 + header_size(); ++byte) {
    if (byte >= 24 && byte < 56) continue;  // the digest itself
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Bytes forged = package();
      if (forged[byte] == value) continue;
      forged[byte] = static_cast<uint8_t>(value);
      Reseal(forged);
      const auto p = Package::Parse(forged, "p");
      if (!p.ok()) {
        EXPECT_THAT(Message(p.status()), ::testing::Not(::testing::IsEmpty()));
        continue;
      }
      // What passes describes the same sizes: only values such as scales, seeds or budgets differ.
      AlignedVector<uint64_t> residues(p->parameters().ring().limbs_size());
      (void)p->ReadCiphertext(0, 0, residues);
      EXPECT_EQ(p->parameters().terms(), model_->plan.parameters.terms) << byte;
    }
  }
}

TEST_F(PackageTest, ErrorsSayWhatAndWhere) {
  const auto forge = [&](size_t offset, uint64_t value, int bytes) {
    Bytes forged = package();
    for (int i = 0; i < bytes; ++i) forged[offset + static_cast<size_t>(i)] = static_cast<uint8_t>(value >> (8 * i));
    Reseal(forged);
    return Error(forged);
  };
  EXPECT_THAT(forge(0, 'X', 1), HasSubstr("field 'magic' at byte 0"));
  EXPECT_THAT(forge(8, 2, 4), HasSubstr("field 'version' at byte 8: is 2, must be 1 to 1"));
  EXPECT_THAT(forge(12, 0xffffffff, 4), HasSubstr("field 'header'"));
  EXPECT_THAT(forge(56, 1024, 4), HasSubstr("field 'ring dimension' at byte 0: is 1024"));
  EXPECT_THAT(forge(60, 9, 4), HasSubstr("number of primes"));
  EXPECT_THAT(forge(64, (uint64_t{1} << 50) + 1, 8), HasSubstr("p: "));
  EXPECT_THAT(forge(80, 59, 4), HasSubstr("parameters:"));
  EXPECT_THAT(forge(84, uint64_t{1} << 60, 8), ::testing::AnyOf(HasSubstr("released"), HasSubstr("64 bits")));
}

TEST_F(PackageTest, ResiduesMustBeBelowTheirPrimes) {
  Bytes forged = package();
  std::fill(forged.end() - 20, forged.end(), 0xff);
  Reseal(forged);
  const auto p = Package::Parse(forged, "p");
  ASSERT_TRUE(p.ok());
  AlignedVector<uint64_t> residues(p->parameters().ring().limbs_size());
  const auto status = p->ReadCiphertext(p->header().segment.outputs - 1, p->parameters().terms(), residues);
  EXPECT_THAT(Message(status), HasSubstr("a residue is not below its prime"));
}

TEST_F(PackageTest, OwnerKeyRoundTripsAndDamageIsFound) {
  const auto bytes = WriteOwnerKey(model_->encrypted.owner_key);
  const auto key = ParseOwnerKey(bytes, "k");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->package_id, model_->encrypted.owner_key.package_id);
  EXPECT_EQ(key->user, "user");
  EXPECT_EQ(key->bias, model_->quantized.bias);
  EXPECT_EQ(WriteOwnerKey(*key), bytes);
  for (size_t size = 0; size < bytes.size(); size += size < 400 ? 1 : 61) {
    EXPECT_FALSE(ParseOwnerKey(std::span(bytes).first(size), "k").ok()) << size;
  }
  auto damaged = bytes;
  for (size_t byte = 0; byte < bytes.size(); byte += byte < 400 ? 1 : 37) {
    damaged[byte] ^= 0x10;
    EXPECT_FALSE(ParseOwnerKey(damaged, "k").ok()) << byte;
    damaged[byte] ^= 0x10;
  }
  damaged.push_back(0);
  EXPECT_THAT(Message(ParseOwnerKey(damaged, "k").status()), HasSubstr("trailing"));
}

TEST_F(PackageTest, OpensFromAFile) {
  const auto dir = *TemporaryDirectory::Create();
  const auto path = dir.path() / "m.privdnn";
  ASSERT_TRUE(WriteFile(path, package()).ok());
  const auto p = Package::Open(path);
  ASSERT_TRUE(p.ok()) << p.status();
  AlignedVector<uint64_t> residues(p->parameters().ring().limbs_size());
  EXPECT_TRUE(p->ReadCiphertext(0, 0, residues).ok());
  p->DropResidentPages();
  EXPECT_TRUE(p->ReadCiphertext(0, 0, residues).ok());
  EXPECT_FALSE(Package::Open(dir.path() / "none").ok());
}

TEST_F(PackageTest, TwoEncryptionsShareNothing) {
  const auto twice = *EncryptModel(model_->quantized, model_->plan, Bytes{1}, "user", SystemRandom(), 2);
  const auto again = *EncryptModel(model_->quantized, model_->plan, Bytes{1}, "user", SystemRandom(), 2);
  EXPECT_NE(twice.owner_key.header.seed, again.owner_key.header.seed);
  EXPECT_NE(twice.package, again.package);
  const auto first = twice.owner_key.keys[0].coefficients().Reveal(),
             second = again.owner_key.keys[0].coefficients().Reveal();
  EXPECT_FALSE(std::equal(first.begin(), first.end(), second.begin()));
}

}  // namespace
}  // namespace privdnn
