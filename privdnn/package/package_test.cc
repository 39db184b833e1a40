#include "privdnn/package/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/package/test_package.h"
#include "privdnn/segment/packing.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class PackageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    TestModelBuilder builder(1);
    const Graph graph = builder.Build(TinyShape());
    model_ = new TestModel(*EncryptTestModel(graph, builder, 99));
  }
  static void TearDownTestSuite() {
    delete model_;
    model_ = nullptr;
  }
  static const Bytes& package() { return model_->encrypted.package; }
  static uint32_t header_size() { return package()[12] | package()[13] << 8; }
  static std::string Error(const Bytes& bytes) { return Message(Package::Parse(bytes, "p").status()); }

  static constexpr size_t kPrologue = 24;
  static TestModel* model_;
};
TestModel* PackageTest::model_ = nullptr;

TEST_F(PackageTest, HoldsWhatWasPutIn) {
  const auto p = Package::Parse(package(), "p");
  ASSERT_TRUE(p.ok()) << p.status();
  ASSERT_EQ(p->segments().size(), 1u);
  EXPECT_EQ(p->segments()[0].header.spec, model_->plans[0].geometry().spec());
  EXPECT_EQ(p->segments()[0].header.output_scale, model_->quantized[0].output_scale);
  EXPECT_EQ(p->image_budget(), 1000u);
  EXPECT_EQ(p->id(), model_->encrypted.owner_key.package_id());
  EXPECT_EQ(p->size(), package().size());
  const EncryptionTask task{&model_->quantized[0], &model_->plans[0].encryption};
  EXPECT_EQ(PackageBytes({&task, 1}, p->rest_model().size()), package().size());
  const auto rest = ImportOnnx(p->rest_model(), "rest");
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, *PlaintextRest(model_->graph, model_->segments));
}

// Whether the package of a network, if it has a plan, keeps within its allowance.
void ExpectHeadersWithinTheirAllowance(const Graph& graph, const Selection& selection, int& planned) {
  const auto segments = FindSegments(graph, selection);
  if (!segments.ok()) return;
  std::vector<QuantizedSegment> quantized;
  std::vector<PlanTask> tasks;
  for (const Segment& segment : *segments) {
    quantized.push_back(*LiftSegment(segment, {.input_min = -8, .input_max = 8}));
    tasks.push_back({quantized.back().spec, quantized.back().plain_bits()});
  }
  const auto plans = PlanSegments(tasks, {.image_budget = 1000});
  if (!plans.ok()) return;  // wide windows
  ++planned;
  std::vector<EncryptionTask> encrypted;
  uint64_t ciphertexts = 0;
  for (size_t k = 0; k < plans->size(); ++k) {
    encrypted.push_back({&quantized[k], &(*plans)[k].encryption});
    ciphertexts += (*plans)[k].cost.ciphertext_bytes;
  }
  EXPECT_LE(PackageBytes(encrypted, 100) - ciphertexts - 100, HeaderAllowance(tasks));
}

TEST(PackageBytes, HeadersStayWithinTheirAllowance) {
  int planned = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Graph graph = RandomNetwork(seed);
    ExpectHeadersWithinTheirAllowance(graph, RandomSelection(graph, seed), planned);
  }
  EXPECT_GT(planned, 5);
  // Many outputs, each with a scale of 8 bytes, and many segments.
  NetworkBuilder wide({1, 6, 6}, 1), deep({2, 6, 6}, 2);
  wide.Conv(300, {.kernel = {3, 3}});
  for (int layer = 0; layer < 12; ++layer) {
    deep.Conv(2, {});
    deep.Append(op::Relu{});
  }
  planned = 0;
  for (NetworkBuilder* network : {&wide, &deep}) {
    const Graph graph = network->Finish();
    Selection all;
    for (const Layer& layer : FindLayers(graph)) {
      for (int64_t neuron = 0; neuron < layer.neurons; ++neuron) all.layers[layer.number].push_back(neuron);
    }
    ExpectHeadersWithinTheirAllowance(graph, all, planned);
  }
  EXPECT_EQ(planned, 2);
}

TEST_F(PackageTest, DecryptsToTheKernels) {
  const auto p = *Package::Parse(package(), "p");
  const PreparedSegment& segment = p.segments()[0];
  const Parameters& params = segment.parameters;
  const auto a = ExpandPublic(params, segment.header.seed);
  NttPoly b(params.ring());
  for (size_t f = 0; f < segment.header.spec.outputs(); ++f) {
    for (uint32_t j = 0; j <= params.terms(); ++j) {
      ASSERT_TRUE(p.ReadCiphertext(0, f, j, b.all()).ok());
      // b + a s - Delta A = e: at most 21 in every coefficient, modulo every prime.
      AddInPlace(params.ring(), b,
                 Multiply(params.ring(), a[j], model_->encrypted.owner_key.secrets(0).keys[f].ntt().Reveal()));
      const auto phase = ToCoefficients(params.ring(), b);
      const bool zero = j == params.terms();
      const auto message =
          zero ? ZeroizingVector<int32_t>(params.ring().n())
               : PackKernel(segment.geometry, static_cast<uint32_t>(f), model_->quantized[0].kernels[f].Reveal(), j);
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
  const auto rest = *ImportOnnx(p.rest_model(), "rest");
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
    const bool core =
        std::count(model_->segments[0].first_neurons.begin(), model_->segments[0].first_neurons.end(), c) > 0;
    for (int64_t i = 0; i < taps1; ++i) EXPECT_NE(contains(w1.values[static_cast<size_t>(c * taps1 + i)]), core) << c;
  }
  for (const int64_t f : model_->segments[0].neurons) {
    for (int64_t i = 0; i < taps2; ++i) EXPECT_FALSE(contains(w2.values[static_cast<size_t>(f * taps2 + i)])) << f;
  }
}

TEST_F(PackageTest, KnownAnswer) {
  // The same model, plan and randomness give the same bytes, on every machine and with every kernel.
  EXPECT_EQ(HexEncode(Sha256(package())), "f708b7759976467c7a6bcfd972659019d15f44067c400f7a603d7ecd5ba9842c");
  EXPECT_EQ(HexEncode(Sha256(model_->encrypted.owner_key.Write())),
            "b28d9e1abaf7ba855dca6ea9d0168d0469a548c2c9bc12ef3ade4eee9f1ae6eb");
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
  for (size_t byte = 8; byte < kPrologue + header_size(); ++byte) {
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
      const Parameters& params = p->segments()[0].parameters;
      AlignedVector<uint64_t> residues(params.ring().limbs_size());
      (void)p->ReadCiphertext(0, 0, 0, residues);
      EXPECT_EQ(params.terms(), model_->plans[0].parameters.terms) << byte;
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
  EXPECT_THAT(forge(0, 'X', 1), HasSubstr("field 'magic' at byte 0: is not PVDNNPKG, with which package files begin"));
  EXPECT_THAT(forge(8, 1, 4), HasSubstr("field 'version' at byte 8: is 1, must be 3 to 3"));
  EXPECT_THAT(forge(12, 0xffffffff, 4), HasSubstr("field 'header'"));
  // The header: expansion version, budget, number of segments, then the first segment.
  const size_t header = kPrologue, segment = header + 16;
  EXPECT_THAT(forge(header + 4, uint64_t{1} << 60, 8), ::testing::AnyOf(HasSubstr("released"), HasSubstr("64 bits")));
  EXPECT_THAT(forge(header + 12, 0, 4), HasSubstr("number of segments"));
  EXPECT_THAT(forge(header + 12, 65, 4), HasSubstr("'number of segments' at byte 12: is 65, must be 1 to 64"));
  EXPECT_THAT(forge(segment, 1024, 4), HasSubstr("field 'ring dimension' at byte 16: is 1024"));
  EXPECT_THAT(forge(segment + 4, 9, 4), HasSubstr("number of primes"));
  EXPECT_THAT(forge(segment + 8, (uint64_t{1} << 50) + 1, 8), HasSubstr("p: segment 0: "));
  EXPECT_THAT(forge(segment + 24, 59, 4), HasSubstr("p: segment 0: parameters:"));
}

TEST_F(PackageTest, ResiduesMustBeBelowTheirPrimes) {
  Bytes forged = package();
  std::fill(forged.end() - 52, forged.end() - 32, 0xff);
  Reseal(forged);
  const auto p = Package::Parse(forged, "p");
  ASSERT_TRUE(p.ok());
  const PreparedSegment& segment = p->segments()[0];
  AlignedVector<uint64_t> residues(segment.parameters.ring().limbs_size());
  const auto status = p->ReadCiphertext(0, segment.header.spec.outputs() - 1, segment.parameters.terms(), residues);
  EXPECT_THAT(Message(status), HasSubstr("a residue is not below its prime"));
}

TEST_F(PackageTest, OwnerKeyRoundTripsAndDamageIsFound) {
  const auto bytes = model_->encrypted.owner_key.Write();
  const auto key = OwnerKey::Parse(bytes, "k");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->package_id(), model_->encrypted.owner_key.package_id());
  EXPECT_EQ(key->user(), "user");
  EXPECT_TRUE(std::ranges::equal(key->secrets(0).bias.Reveal(), model_->quantized[0].bias.Reveal()));
  EXPECT_EQ(key->Write(), bytes);
  for (size_t size = 0; size < bytes.size(); size += size < 400 ? 1 : 61) {
    EXPECT_FALSE(OwnerKey::Parse(std::span(bytes).first(size), "k").ok()) << size;
  }
  auto damaged = bytes;
  for (size_t byte = 0; byte < bytes.size(); byte += byte < 400 ? 1 : 37) {
    damaged[byte] ^= 0x10;
    EXPECT_FALSE(OwnerKey::Parse(damaged, "k").ok()) << byte;
    damaged[byte] ^= 0x10;
  }
  damaged.push_back(0);
  EXPECT_THAT(Message(OwnerKey::Parse(damaged, "k").status()), HasSubstr("trailing"));
}

TEST(OwnerKeyTest, SecretsMoveAndAreNeverCopied) {
  const auto moves_only = []<typename T>(std::type_identity<T>) {
    return std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
  };
  EXPECT_TRUE(moves_only(std::type_identity<Secret<int64_t>>()));
  EXPECT_TRUE(moves_only(std::type_identity<SecretPoly>()));
  EXPECT_TRUE(moves_only(std::type_identity<OutputKey>()));
  EXPECT_TRUE(moves_only(std::type_identity<SegmentKey>()));
  EXPECT_TRUE(moves_only(std::type_identity<OwnerKey>()));
}

// Biases fill the plaintext modulus and no more, whatever the digest says.
TEST_F(PackageTest, OwnerKeysWithBiasesBeyondThePlaintextModulusAreRefused) {
  const auto with_bias = [](int64_t bias) {
    auto written = model_->encrypted.owner_key.Write();
    // The secrets are the end of the file: 8 bytes an output, then N/4; and the digest.
    const PreparedSegment& segment = model_->encrypted.owner_key.segments()[0];
    const size_t at = written.size() - 32 - segment.header.spec.outputs() * (8 + segment.geometry.n() / 4);
    PackBits(std::array{static_cast<uint64_t>(bias)}, 64, std::span(written).subspan(at, 8));
    const auto digest = Sha256(std::span(written).first(written.size() - 32));
    std::copy(digest.begin(), digest.end(), written.end() - 32);
    return Message(OwnerKey::Parse(written, "k").status());
  };
  const int64_t half = int64_t{1} << (model_->plans[0].parameters.plain_bits - 1);
  EXPECT_EQ(with_bias(half - 1), "");
  EXPECT_EQ(with_bias(-half), "");
  for (const int64_t bias : {half, -half - 1, INT64_MAX, INT64_MIN}) {
    EXPECT_THAT(with_bias(bias), HasSubstr("output 0 is beyond +-2^")) << bias;
  }
}

TEST_F(PackageTest, OpensFromAFile) {
  const auto dir = *TemporaryDirectory::Create();
  const auto path = dir.path() / "m.privdnn";
  ASSERT_TRUE(WriteFile(path, package()).ok());
  const auto p = Package::Open(path);
  ASSERT_TRUE(p.ok()) << p.status();
  AlignedVector<uint64_t> residues(p->segments()[0].parameters.ring().limbs_size());
  EXPECT_TRUE(p->ReadCiphertext(0, 0, 0, residues).ok());
  p->DropResidentPages();
  EXPECT_TRUE(p->ReadCiphertext(0, 0, 0, residues).ok());
  EXPECT_FALSE(Package::Open(dir.path() / "none").ok());
}

TEST_F(PackageTest, TwoEncryptionsShareNothing) {
  const EncryptionTask task{&model_->quantized[0], &model_->plans[0].encryption};
  SystemRandom random;
  const auto twice = *EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 2);
  const auto again = *EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 2);
  EXPECT_NE(twice.owner_key.segments()[0].header.seed, again.owner_key.segments()[0].header.seed);
  EXPECT_NE(twice.package, again.package);
  const auto first = twice.owner_key.secrets(0).keys[0].coefficients().Reveal(),
             second = again.owner_key.secrets(0).keys[0].coefficients().Reveal();
  EXPECT_FALSE(std::equal(first.begin(), first.end(), second.begin()));
}

// One deterministic source gives another package every time; a source that starts afresh gives the same with any number
// of threads.
TEST_F(PackageTest, ASourceIsUsedUpAndThreadsDoNotShowInThePackage) {
  const EncryptionTask task{&model_->quantized[0], &model_->plans[0].encryption};
  DeterministicRandom random(1);
  const auto one = *EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 1);
  const auto next = *EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 1);
  EXPECT_NE(one.owner_key.segments()[0].header.seed, next.owner_key.segments()[0].header.seed);
  EXPECT_FALSE(std::ranges::equal(one.owner_key.secrets(0).keys[0].coefficients().Reveal(),
                                  next.owner_key.secrets(0).keys[0].coefficients().Reveal()));
  for (const int threads : {2, 5}) {
    DeterministicRandom same(1);
    const auto again = *EncryptToMemory({&task, 1}, Bytes{1}, "user", same, threads);
    EXPECT_EQ(again.package, one.package) << threads << " threads";
    EXPECT_EQ(again.owner_key.Write(), one.owner_key.Write()) << threads << " threads";
  }
}

TEST_F(PackageTest, TasksMustFitTheirPlans) {
  QuantizedSegment other = *LiftSegment(model_->segments[0], {});
  other.kernels.pop_back();
  const EncryptionTask task{&other, &model_->plans[0].encryption};
  SystemRandom random;
  EXPECT_THAT(Message(EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 1).status()),
              HasSubstr(fmt::format("segment 0: {} kernels, the plan has {} outputs", other.kernels.size(),
                                    model_->quantized[0].kernels.size())));
  QuantizedSegment biased = *LiftSegment(model_->segments[0], {});
  biased.bias.RevealMutable()[0] = int64_t{1} << (model_->plans[0].parameters.plain_bits - 1);
  const EncryptionTask beyond{&biased, &model_->plans[0].encryption};
  EXPECT_THAT(Message(EncryptToMemory({&beyond, 1}, Bytes{1}, "user", random, 1).status()),
              HasSubstr("segment 0: the bias of output 0 is beyond +-2^"));
  EncryptionPlan moved = model_->plans[0].encryption;
  moved.geometry = *Geometry::Create(moved.geometry.spec(), 2 * moved.parameters.n);
  const EncryptionTask elsewhere{&model_->quantized[0], &moved};
  EXPECT_THAT(
      Message(EncryptToMemory({&elsewhere, 1}, Bytes{1}, "user", random, 1).status()),
      HasSubstr(fmt::format("in a ring of N = {}, its plan has N = {}", 2 * moved.parameters.n, moved.parameters.n)));
}

TEST_F(PackageTest, EncryptionStopsWhenToldToAndPassesOnWhatTheSinkSays) {
  const EncryptionTask task{&model_->quantized[0], &model_->plans[0].encryption};
  const auto encrypt = [&](const ByteSink& sink, const ProgressFn& progress) {
    SystemRandom random;
    return EncryptModel({&task, 1}, Bytes{1}, "user", random, 1, sink, progress).status();
  };
  const auto take = [](std::span<const uint8_t>) { return absl::OkStatus(); };
  EXPECT_TRUE(absl::IsCancelled(encrypt(take, [](uint64_t, uint64_t, const std::string&) { return false; })));
  EXPECT_EQ(Message(encrypt([](std::span<const uint8_t>) { return absl::DataLossError("disk full"); },
                            [](uint64_t, uint64_t, const std::string&) { return true; })),
            "disk full");
}

// Two segments, which between them use up what one could have.
TEST_F(PackageTest, SegmentsShareTheStatisticalSecurity) {
  const OwnerKey& key = model_->encrypted.owner_key;
  PackageHeader header{.image_budget = key.image_budget(), .segments = {key.segments()[0].header}};
  // As many plaintext bits as leave little beyond what is needed.
  while (StatisticalSecurity(*PrepareSegments(header, "p")) > 46) {
    ++header.segments[0].parameters.plain_bits;
  }
  const auto one = *PrepareSegments(header, "p");
  const double s = one[0].parameters.statistical_security();
  header.segments.push_back(header.segments[0]);
  const auto two = PrepareSegments(header, "p");
  ASSERT_TRUE(two.ok()) << two.status();
  // Two of a kind release twice as much.
  ParameterSpec twice = one[0].parameters.spec();
  twice.released_values *= 2;
  EXPECT_NEAR(StatisticalSecurity(*two), StatisticalSecurity(twice), 1e-9);
  EXPECT_NEAR(StatisticalSecurity(*two), s - 1, 1e-7);
  // A budget that one segment just bears.
  header.image_budget = static_cast<uint64_t>(1000 * std::exp2(s - kMinStatisticalSecurity - 0.5));
  EXPECT_THAT(Message(PrepareSegments(header, "p").status()), HasSubstr("2 segments have a statistical security of"));
  header.segments.pop_back();
  EXPECT_TRUE(PrepareSegments(header, "p").ok());
}

}  // namespace
}  // namespace privdnn
