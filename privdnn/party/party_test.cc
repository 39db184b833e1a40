#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/package/test_package.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"
#include "privdnn/ring/residues.h"
#include "privdnn/segment/packing.h"
#include "privdnn/segment/reference.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

std::vector<float> RandomImages(TestModelBuilder& builder, size_t size) {
  std::vector<float> pixels(size);
  for (float& v : pixels) v = builder.Real(0, 1);
  return pixels;
}

// Reference outputs of every image, by naive loops.
std::vector<int64_t> Expected(const QuantizedSegment& quantized, const Geometry& g, std::span<const float> images,
                              size_t image_size) {
  std::vector<int64_t> y;
  for (size_t at = 0; at < images.size(); at += image_size) {
    const auto one = ReferenceOutputs(g, quantized, QuantizeInput(g, images.subspan(at, image_size)));
    y.insert(y.end(), one.begin(), one.end());
  }
  return y;
}

// The parts of a message lie one behind the other, in the order that docs/protocol.md gives, and fill it.
void ExpectPartsAdjoin(const MessageLayout& layout, uint32_t outputs, uint64_t images) {
  uint64_t query = 0, reply = 0;
  const auto next = [&](const MessageLayout::Part& part, uint64_t& end) {
    EXPECT_EQ(part.offset, end);
    end += part.size;
  };
  for (uint64_t unit = 0; unit < layout.units(images); ++unit) {
    next(layout.MaskedPoly(unit, images), query);
    for (uint32_t f = 0; f < outputs; ++f) {
      next(layout.MaskedOutput(unit, images, f), query);
      next(layout.ReplyOutput(unit, images, f), reply);
      const uint64_t values = layout.values(unit, images, f);
      EXPECT_EQ(layout.MaskedOutput(unit, images, f).size, PackedResidueBytes(layout.primes(), values));
      EXPECT_EQ(layout.ReplyOutput(unit, images, f).size, PackedBytes(values, layout.reply_bits()));
    }
  }
  EXPECT_EQ(query + MessageLayout::overhead(), layout.query(images));
  EXPECT_EQ(reply + MessageLayout::overhead(), layout.reply(images));
}

// Every segment of a model, for several numbers of images: what comes back is the reference's.
void ExpectExact(const TestModel& model, TestModelBuilder& builder, int threads) {
  const auto user = User::Create(*Package::Parse(model.encrypted.package, "p"), threads);
  ASSERT_TRUE(user.ok()) << user.status();
  const auto owner = Owner::Create(*OwnerKey::Parse(model.encrypted.owner_key.Write(), "k"));
  ASSERT_TRUE(owner.ok()) << owner.status();
  User::Workspace workspace;
  SystemRandom random;
  for (size_t k = 0; k < user->num_segments(); ++k) {
    for (const uint32_t count : {1, 2, 9}) {
      const auto images = RandomImages(builder, count * user->input_size(k));
      const auto query = user->Prepare(k, images, random, workspace, threads);
      ASSERT_TRUE(query.ok()) << query.status();
      EXPECT_EQ(query->message.size(), user->layout(k).query(count));
      EXPECT_EQ(owner->Peek(query->message)->segment, k);
      EXPECT_EQ(owner->Peek(query->message)->images, count);
      const auto reply = owner->Answer(query->message, random, threads);
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(reply->size(), user->layout(k).reply(count));
      const auto y = user->Unmask(*query, *reply);
      ASSERT_TRUE(y.ok()) << y.status();
      ASSERT_EQ(*y, Expected(model.quantized[k], user->segment(k).geometry, images, user->input_size(k)))
          << "segment " << k;
    }
    const SegmentPlan& plan = model.plans[k];
    const uint64_t full = plan.geometry().images_per_ciphertext();
    for (const uint64_t images : {uint64_t{1}, full, full + 1, 3 * full, uint64_t{64}}) {
      const MessageBytes bytes = BodyBytes(plan.geometry(), plan.parameters, images);
      EXPECT_EQ(bytes.query + MessageLayout::overhead(), user->layout(k).query(images)) << images << " images";
      EXPECT_EQ(bytes.reply + MessageLayout::overhead(), user->layout(k).reply(images)) << images << " images";
      ExpectPartsAdjoin(user->layout(k), user->segment(k).header.spec.outputs(), images);
    }
    EXPECT_EQ(plan.cost.query_bytes_per_image,
              (user->layout(k).query(full) - MessageLayout::overhead() + full - 1) / full);
    EXPECT_EQ(plan.cost.reply_bytes_per_image,
              (user->layout(k).reply(full) - MessageLayout::overhead() + full - 1) / full);
  }
}

TEST(Parties, EncryptedEqualsReferenceForRandomNetworks) {
  int tried = 0, segments = 0;
  for (uint64_t seed = 100; seed < 150; ++seed) {
    const Graph graph = RandomNetwork(seed);
    const auto model = EncryptTestModel(graph, RandomSelection(graph, seed), seed);
    if (!model.ok()) continue;  // selections that leave nothing to read, layers that can't be lifted
    if (model->encrypted.package.size() > 4 << 20) continue;  // to be quick
    ++tried;
    segments += static_cast<int>(model->segments.size());
    SCOPED_TRACE(seed);
    TestModelBuilder builder(seed);
    ExpectExact(*model, builder, 1 + static_cast<int>(seed % 2));
  }
  EXPECT_GT(tried, 15);
  EXPECT_GT(segments, tried + 5);
}

// Packings that the planner would not choose for maps as small as these.
TEST(Parties, EncryptedEqualsReferenceInTilesAndWithSeveralImagesACiphertext) {
  TestModelBuilder builder(3);
  TestModelShape shape;
  shape.height = shape.width = 12;
  shape.conv1.kernel = shape.conv2.kernel = {3, 3};
  shape.conv2.pads = {1, 1, 1, 1};
  const Graph graph = builder.Build(shape);
  const Selection selection = RandomSelection(builder, graph);
  for (const uint32_t images : {2, 5}) {
    const auto model =
        EncryptTestModel(graph, selection, images, [&](SegmentSpec& spec) { spec.images_per_ciphertext = images; });
    ASSERT_TRUE(model.ok()) << model.status();
    ExpectExact(*model, builder, 2);
  }
  auto tiled = *EncryptTestModel(graph, selection, 7);
  SegmentSpec spec = tiled.quantized[0].spec;
  spec.tiles = {3, 2};
  tiled.plans[0].encryption.geometry = *Geometry::Create(spec, tiled.plans[0].parameters.n);
  const EncryptionTask task{&tiled.quantized[0], &tiled.plans[0].encryption};
  DeterministicRandom random(7);
  tiled.encrypted = *EncryptToMemory({&task, 1}, Bytes{1}, "user", random, 2);
  const auto user = *User::Create(*Package::Parse(tiled.encrypted.package, "p"));
  const auto owner = *Owner::Create(*OwnerKey::Parse(tiled.encrypted.owner_key.Write(), "k"));
  EXPECT_EQ(user.segment(0).geometry.num_tiles(), 6u);
  for (const uint64_t images : {1, 3}) {
    ExpectPartsAdjoin(user.layout(0), user.segment(0).header.spec.outputs(), images);
  }
  User::Workspace workspace;
  const auto images = RandomImages(builder, 3 * user.input_size(0));
  const auto query = *user.Prepare(0, images, random, workspace, 2);
  EXPECT_EQ(*user.Unmask(query, *owner.Answer(query.message, random)),
            Expected(tiled.quantized[0], user.segment(0).geometry, images, user.input_size(0)));
}

// A square that is read by a 3x3 layer without padding and by a shortcut: two shapes of output in one segment.
TEST(Parties, EncryptedEqualsReferenceWithAShortcutPastALayerWithoutPadding) {
  NetworkBuilder b({2, 8, 8}, 1);
  b.Conv(3, {{3, 3}, {1, 1}, {1, 1, 1, 1}});
  b.Append(op::Square{});
  const std::string squares = b.at;
  b.Conv(2, {{3, 3}, {1, 1}, {}});
  b.Append(op::Flatten{1});
  const std::string left = b.at;
  b.at = squares;
  b.Append(op::Flatten{1});
  b.Append(op::Concat{1}, {}, {left});
  b.Gemm(3);
  const Graph graph = b.Finish();
  const auto model = EncryptTestModel(graph, Selection{{{1, {0, 2}}, {2, {1}}}}, 5);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->segments[0].shortcut.size(), 2u);
  TestModelBuilder builder(5);
  ExpectExact(*model, builder, 2);
}

class WireTest : public ::testing::Test {
 protected:
  WireTest()
      : builder_(7),
        model_(*EncryptTestModel(builder_.Build(TinyShape()), builder_, 5)),
        user_(*User::Create(*Package::Parse(model_.encrypted.package, "p"))),
        owner_(*Owner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"))),
        images_(RandomImages(builder_, 2 * user_.input_size(0))),
        query_(Query(1)),
        reply_(Reply(owner_, 2)) {}

  // Of images_, from the first bytes of a source.
  PreparedQuery Query(uint64_t seed) {
    DeterministicRandom random(seed);
    return *user_.Prepare(0, images_, random, workspace_);
  }
  Bytes Reply(const Owner& owner, uint64_t seed) const {
    DeterministicRandom random(seed);
    return *owner.Answer(query_.message, random);
  }
  std::string QueryError(const Bytes& q) const {
    DeterministicRandom random(3);
    return Message(owner_.Answer(q, random).status());
  }
  std::string ReplyError(const Bytes& r) const { return Message(user_.Unmask(query_, r).status()); }

  TestModelBuilder builder_;
  TestModel model_;
  User user_;
  Owner owner_;
  User::Workspace workspace_;
  std::vector<float> images_;
  PreparedQuery query_;
  Bytes reply_;
};

// Images counts and lengths in the header, then what the body must be.
TEST_F(WireTest, MalformedQueriesAreRefusedWithTheReason) {
  Bytes q = query_.message;
  q[0] = 'X';
  EXPECT_THAT(QueryError(q), HasSubstr("query: field 'magic'"));
  q = query_.message;
  q[8] = 9;
  EXPECT_THAT(QueryError(q), HasSubstr("'version' at byte 8: is 9"));
  q = query_.message;
  q[12] ^= 1;
  EXPECT_THAT(QueryError(q), HasSubstr("is for package"));
  q = query_.message;
  q[44] = 1;
  EXPECT_THAT(QueryError(q), HasSubstr("'segment' at byte 44: is 1, must be 0 to 0"));
  for (const uint8_t images : {0, 1, 3}) {
    q = query_.message;
    q[48] = images;
    EXPECT_FALSE(QueryError(q).empty()) << int{images};
  }
  q = query_.message;
  std::fill_n(q.begin() + 48, 4, 0xff);
  EXPECT_THAT(QueryError(q), HasSubstr("'images' at byte 48: is 4294967295, must be 1 to 1024"));
  q = query_.message;
  q.push_back(0);
  EXPECT_THAT(QueryError(q), HasSubstr("1 trailing bytes"));
  q = query_.message;
  std::fill_n(q.begin() + 52, 16, 0xff);
  FinishMessage(q);
  EXPECT_THAT(QueryError(q), HasSubstr("unit 0: a residue of a' is not below its prime"));
  q = query_.message;
  std::fill(q.end() - 24, q.end() - 8, 0xff);
  FinishMessage(q);
  EXPECT_THAT(QueryError(q), HasSubstr("unit 1: a residue of b' for output"));
}

// Noise on outputs, in the units of the layer: an integer times its output's scale.
TEST_F(WireTest, OutputNoiseHasItsDeviationInTheLayersUnits) {
  const SegmentHeader& header = user_.segment(0).header;
  const double noise = 40 * std::ranges::max(header.output_scale);
  const auto owner = *Owner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"), noise);
  const auto exact = *user_.Unmask(query_, reply_);
  const uint64_t values = user_.segment(0).geometry.spec().values_per_image();
  const uint64_t positions = header.spec.groups[0].positions();
  double squares = 0, count = 0;
  std::vector<int64_t> sum(exact.size());
  for (uint64_t seed = 0; count < 20'000; ++seed) {
    const auto y = *user_.Unmask(query_, Reply(owner, seed));
    for (size_t i = 0; i < y.size(); ++i) {
      const double scale = header.output_scale[i % values / positions];
      squares += std::pow(scale * static_cast<double>(y[i] - exact[i]) / noise, 2);
      count += 1;
      sum[i] += y[i] - exact[i];
    }
  }
  // Rounding to integers adds 1/12 of a variance of at least 1,600.
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2 / count));
  // Errors of a value are drawn anew every time: their mean falls with the root of their number.
  const double repeats = count / static_cast<double>(exact.size());
  double means = 0;
  for (size_t i = 0; i < sum.size(); ++i) {
    const double scale = header.output_scale[i % values / positions];
    means += std::pow(scale * static_cast<double>(sum[i]) / repeats / noise, 2) / static_cast<double>(sum.size());
  }
  EXPECT_NEAR(means * repeats, 1, 5 * std::sqrt(2 / static_cast<double>(sum.size())));
}

TEST_F(WireTest, NoOutputNoiseChangesNoByte) {
  const auto owner = *Owner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"), 0.0);
  EXPECT_EQ(Reply(owner, 2), reply_);
}

TEST_F(WireTest, RefusesOutputNoiseThatIsNoneOrCouldWrapAround) {
  const auto error = [&](double noise) {
    return Message(Owner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"), noise).status());
  };
  EXPECT_THAT(error(-0.1), HasSubstr("deviation of -0.1"));
  EXPECT_THAT(error(NAN), HasSubstr("deviation of nan"));
  EXPECT_THAT(error(INFINITY), HasSubstr("deviation of inf"));
  const double most =
      MaxOutputNoise(user_.segment(0).parameters.plain_bits()) * std::ranges::min(user_.segment(0).header.output_scale);
  EXPECT_THAT(error(1.001 * most), HasSubstr("a quarter of the plaintext modulus 2^"));
  EXPECT_EQ(error(0.999 * most), "");
  const double step = std::ranges::max(user_.segment(0).header.output_scale);
  EXPECT_THAT(error(0.999 * step), HasSubstr("would be lost in rounding"));
  EXPECT_EQ(error(1.001 * step), "");
}

TEST_F(WireTest, MalformedRepliesAreRefusedWithTheReason) {
  Bytes r = reply_;
  r[0] = 'X';
  EXPECT_THAT(ReplyError(r), HasSubstr("reply: field 'magic'"));
  r = query_.message;
  EXPECT_THAT(ReplyError(r), HasSubstr("reply: field 'magic'"));
  r = reply_;
  r.push_back(1);
  EXPECT_THAT(ReplyError(r), HasSubstr("trailing"));
  DeterministicRandom random(4);
  const auto one = user_.Prepare(0, std::span(images_).first(user_.input_size(0)), random, workspace_);
  EXPECT_THAT(Message(user_.Unmask(*one, reply_).status()), HasSubstr("has 2 images of segment 0, the query had 1"));
  // Another package of the same model: its masks are not this user's.
  const auto other = *EncryptTestModel(model_.graph, model_.selection, 6);
  const User stranger = *User::Create(*Package::Parse(other.encrypted.package, "p"));
  EXPECT_THAT(Message(stranger.Unmask(query_, reply_).status()), HasSubstr("reply: answers a query for package"));
}

TEST_F(WireTest, EveryTruncationAndBitFlipIsAnError) {
  const auto check = [](const Bytes& good, const auto& error) {
    for (size_t size = 0; size < good.size(); size += size < 100 ? 1 : 809) {
      ASSERT_FALSE(error(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))).empty()) << size;
    }
    Bytes damaged = good;
    for (size_t byte = 0; byte < good.size(); byte += byte < 100 ? 1 : 403) {
      for (int bit = 0; bit < 8; ++bit) {
        damaged[byte] ^= static_cast<uint8_t>(1 << bit);
        ASSERT_FALSE(error(damaged).empty()) << "byte " << byte << " bit " << bit;
        damaged[byte] ^= static_cast<uint8_t>(1 << bit);
      }
    }
  };
  check(query_.message, [&](const Bytes& q) { return QueryError(q); });
  check(reply_, [&](const Bytes& r) { return ReplyError(r); });
}

// What a share is off by: each party rounds its part.
int64_t Centred(uint32_t value, int bits) { return static_cast<int32_t>(value << (32 - bits)) >> (32 - bits); }

uint64_t RandomWord(RandomSource& random) {
  uint64_t word;
  random.Fill(std::span(&word, 1));
  return word;
}

// Kernels times shares modulo 2^l, which wrap around it: both parties' shares add up to the product, but for a unit.
TEST(SharedOutputs, AddUpToTheProductModuloT) {
  for (const int bits : {16, 26, 31}) {
    SCOPED_TRACE(bits);
    SegmentSpec spec;
    spec.kind = SegmentKind::kLinear;
    spec.channels = 3;
    spec.input = {9, 8};
    spec.pads1 = {1, 1, 1, 1};
    spec.input_bits = static_cast<uint32_t>(bits);
    spec.groups = {{4, {3, 3}, {2, 1}, {0, 0}, {5, 8}}};
    const Geometry geometry = *Geometry::Create(spec, 4096);
    DeterministicRandom random(11);
    QuantizedSegment quantized;
    quantized.spec = spec;
    for (uint32_t f = 0; f < 4; ++f) {
      Secret<int32_t> kernel(27);
      for (int32_t& w : kernel.RevealMutable()) w = static_cast<int32_t>(RandomWord(random)) >> 20;  // 12 bits
      quantized.kernels.push_back(std::move(kernel));
    }
    quantized.bias = Secret<int64_t>(4);
    for (int64_t f = 0; f < 4; ++f) quantized.bias.RevealMutable()[static_cast<size_t>(f)] = 100 * f - 200;
    quantized.output_scale.assign(4, 1);
    const EncryptionPlan plan{.parameters = {.n = 4096, .primes = NttPrimes(2), .plain_bits = bits, .shares = true},
                              .geometry = geometry,
                              .image_budget = 1000};
    const EncryptionTask task{&quantized, &plan};
    const EncryptedModel model = *EncryptToMemory({&task, 1}, {}, "user", random, 2);
    const User user = *User::Create(*Package::Parse(model.package, "p"));
    const Owner owner = *Owner::Create(*OwnerKey::Parse(model.owner_key.Write(), "k"));

    constexpr size_t kImages = 3, kSize = 3 * 9 * 8;
    std::vector<uint32_t> x(kImages * kSize);
    for (uint32_t& share : x) share = static_cast<uint32_t>(RandomWord(random)) & ((uint32_t{1} << bits) - 1);
    std::vector<uint32_t> users(x.size()), owners(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      owners[i] = static_cast<uint32_t>(RandomWord(random)) & ((uint32_t{1} << bits) - 1);
      users[i] = (x[i] - owners[i]) & ((uint32_t{1} << bits) - 1);
    }
    User::Workspace workspace;
    const auto query = user.PrepareShares(0, users, random, workspace, 2);
    ASSERT_TRUE(query.ok()) << query.status();
    const auto other = owner.TakeShares(query->message, owners, 2);
    ASSERT_TRUE(other.ok()) << other.status();
    size_t off = 0, values = 0;
    for (size_t image = 0; image < kImages; ++image) {
      const auto z = ShareMap(geometry, std::span(x).subspan(image * kSize, kSize));
      for (uint32_t f = 0; f < 4; ++f) {
        const auto kernel = quantized.kernels[f].Reveal();
        for (uint32_t p = 0; p < 40; ++p, ++values) {
          auto y = static_cast<uint64_t>(quantized.bias.Reveal()[f]);
          for (uint32_t k = 0; k < 27; ++k) {
            const size_t at = (k / 9 * 11 + 2 * (p / 8) + k / 3 % 3) * 10 + p % 8 + k % 3;
            y += static_cast<uint64_t>(int64_t{kernel[k]} * z[at]);
          }
          const size_t at = image * 160 + f * 40 + p;
          const int64_t error = Centred(query->shares[at] + (*other)[at] - static_cast<uint32_t>(y), bits);
          EXPECT_LE(std::abs(error), 1);
          off += error != 0;
        }
      }
    }
    EXPECT_EQ(values, 480u);
    EXPECT_LT(off, values / 2);
    // Neither kind of segment is taken for the other.
    EXPECT_THAT(Message(owner.Answer(query->message, random).status()), HasSubstr("stay shared"));
  }
}

TEST_F(WireTest, KnownAnswers) {
  EXPECT_EQ(*user_.Unmask(query_, reply_),
            Expected(model_.quantized[0], user_.segment(0).geometry, images_, user_.input_size(0)));
  // The protocol is its bytes: these change only with a version number.
  EXPECT_EQ(HexEncode(Sha256(query_.message)), "bcc15d860bf21ffef16d3d4fdb517714d55f63a24b9e706ce43ee17aa01198a7");
  EXPECT_EQ(HexEncode(Sha256(reply_)), "f1998f967eb4634b8e9664154d308dc30b92463787b285166aebf899512db441");
}

TEST_F(WireTest, WrongCountsOfPixelsAreRefused) {
  SystemRandom random;
  EXPECT_THAT(Message(user_.Prepare(0, std::span(images_).first(5), random, workspace_).status()),
              HasSubstr("5 values are not 1 to 1024 images of 64"));
  EXPECT_FALSE(user_.Prepare(0, {}, random, workspace_).ok());
  const std::vector<float> many(1025 * user_.input_size(0));
  EXPECT_FALSE(user_.Prepare(0, many, random, workspace_).ok());
}

TEST_F(WireTest, EveryKernelGivesTheSameBytes) {
  for (const Kernels* k : AllKernels()) {
    if (!k->supported()) continue;
    const auto user = *User::Create(*Package::Parse(model_.encrypted.package, "p", k));
    DeterministicRandom random(1);
    EXPECT_EQ(user.Prepare(0, images_, random, workspace_)->message, query_.message) << k->name;
  }
}

// Who uses one source twice, a deterministic one too, gets other masks and other noise; a const one cannot be passed.
template <typename Source>
concept MakesMessages = requires(const User& user, const Owner& owner, Source& source, User::Workspace& workspace) {
  user.Prepare(0, {}, source, workspace);
  owner.Answer({}, source);
};
static_assert(MakesMessages<RandomSource> && !MakesMessages<const RandomSource>);

TEST_F(WireTest, OneSourceNeverGivesTheSameMasksOrNoiseTwice) {
  DeterministicRandom random(1);
  const auto a = *user_.Prepare(0, images_, random, workspace_);
  const auto b = *user_.Prepare(0, images_, random, workspace_);
  for (size_t u = 0; u < a.masks.size(); ++u) {
    for (size_t i = 0; i < a.masks[u].size(); ++i) EXPECT_TRUE(a.masks[u].Reveal()[i] != b.masks[u].Reveal()[i]);
  }
  EXPECT_NE(*owner_.Answer(query_.message, random), *owner_.Answer(query_.message, random));
}

// What threads do depends on forks that were made before them, in order.
TEST_F(WireTest, ThreadsDoNotShowInMessages) {
  const auto images = RandomImages(builder_, 40 * user_.input_size(0));  // several passes and groups of units
  DeterministicRandom one(1);
  const auto query = *user_.Prepare(0, images, one, workspace_, 1);
  const auto reply = *owner_.Answer(query.message, one, 1);
  for (const int threads : {2, 5}) {
    DeterministicRandom again(1);
    EXPECT_EQ(user_.Prepare(0, images, again, workspace_, threads)->message, query.message) << threads << " threads";
    EXPECT_EQ(*owner_.Answer(query.message, again, threads), reply) << threads << " threads";
  }
}

// The same image twice: nothing in the two queries is equal, and both decrypt to the same integers.
TEST_F(WireTest, QueriesAreFresh) {
  SystemRandom random;
  const auto a = *user_.Prepare(0, images_, random, workspace_);
  const auto b = *user_.Prepare(0, images_, random, workspace_);
  size_t equal = 0;
  for (size_t i = 52; i < a.message.size() - 8; ++i) equal += a.message[i] == b.message[i];
  EXPECT_NEAR(static_cast<double>(equal), static_cast<double>(a.message.size()) / 256,
              5 * std::sqrt(a.message.size() / 256.0));
  EXPECT_EQ(*user_.Unmask(a, *owner_.Answer(a.message, random)), *user_.Unmask(b, *owner_.Answer(b.message, random)));
}

}  // namespace
}  // namespace privdnn
