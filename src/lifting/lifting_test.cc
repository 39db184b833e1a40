#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "lifting/packing.h"
#include "lifting/planner.h"
#include "lifting/reference.h"
#include "lifting/test_models.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

// ---- A float evaluation of one layer by definition, independent of the code under test. Maps are [channel][h][w].
struct Map {
  int64_t c, h, w;
  std::vector<double> v;
  double at(int64_t k, int64_t i, int64_t j) const {
    return i < 0 || j < 0 || i >= h || j >= w ? 0 : v[static_cast<size_t>((k * h + i) * w + j)];
  }
};

template <typename Value>
Map Slide(const Map& in, int64_t channels, const nn::Window& win, const Value& value) {
  Map out{channels,
          (in.h + win.pads[0] + win.pads[2] - win.kernel[0]) / win.strides[0] + 1,
          (in.w + win.pads[1] + win.pads[3] - win.kernel[1]) / win.strides[1] + 1,
          {}};
  for (int64_t o = 0; o < channels; ++o) {
    for (int64_t i = 0; i < out.h; ++i) {
      for (int64_t j = 0; j < out.w; ++j)
        out.v.push_back(value(o, i * win.strides[0] - win.pads[0], j * win.strides[1] - win.pads[1]));
    }
  }
  return out;
}

Map FloatLayer(const nn::Graph& g, const std::string& n, const Map& in, const TestModelShape& s, const nn::Window& conv,
               const nn::Window& pool, bool bn) {
  const auto& w = g.initializers.at("w" + n);
  Map u = Slide(in, w.dim(0), conv, [&](int64_t o, int64_t i, int64_t j) {
    double sum = s.bias ? g.initializers.at("b" + n).values[static_cast<size_t>(o)] : 0;
    for (int64_t c = 0; c < in.c; ++c) {
      for (int64_t a = 0; a < conv.kernel[0]; ++a) {
        for (int64_t b = 0; b < conv.kernel[1]; ++b) {
          sum += in.at(c, i + a, j + b) *
                 w.values[static_cast<size_t>(((o * in.c + c) * conv.kernel[0] + a) * conv.kernel[1] + b)];
        }
      }
    }
    if (!bn) return sum;
    const auto p = [&](const char* name) { return double{g.initializers.at(name + n).values[static_cast<size_t>(o)]}; };
    return p("gamma") * (sum - p("mean")) / std::sqrt(p("var") + 1e-5) + p("beta");
  });
  return Slide(u, u.c, pool, [&](int64_t o, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t a = 0; a < pool.kernel[0]; ++a) {
      for (int64_t b = 0; b < pool.kernel[1]; ++b) sum += u.at(o, i + a, j + b);
    }
    return sum / static_cast<double>(pool.kernel[0] * pool.kernel[1]);
  });
}

// Coefficient p of the negacyclic product, by definition.
int64_t ProductAt(std::span<const int32_t> a, std::span<const int32_t> b, size_t p) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const int64_t term = int64_t{a[i]} * b[(p + a.size() - i) % a.size()];
    sum += i <= p ? term : -term;
  }
  return sum;
}

// For random models of every shape: the quantised model is close to the float one, and the packed polynomial products
// hold exactly the reference's integers.
TEST(Lifting, RandomModelsAgreeWithFloatAndPolynomials) {
  int lifted = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    TestModelBuilder builder(seed);
    const TestModelShape shape = builder.RandomShape();
    const nn::Graph graph = builder.Build(shape);
    const auto segment = nn::FindQuadraticSegment(graph);
    if (!segment.ok()) continue;  // windows that don't fit the map
    const nn::Selection selection = RandomSelection(builder, *segment);
    LiftOptions options;
    options.input_bits = 12;
    options.kernel_bits = 16;
    options.input_min = seed % 3 == 0 ? -1 : 0;
    const auto q = LiftSegment(graph, *segment, selection, options);
    ASSERT_TRUE(q.ok()) << q.status();
    const auto g = Geometry::Create(q->spec, 2048);
    ASSERT_TRUE(g.ok()) << g.status();
    ++lifted;

    Map image{shape.channels, shape.height, shape.width, {}};
    std::vector<float> pixels;
    for (int64_t i = 0; i < shape.channels * shape.height * shape.width; ++i) {
      pixels.push_back(builder.Real(static_cast<float>(options.input_min), 1));
      image.v.push_back(pixels.back());
    }
    const auto z = QuantizeInput(*g, pixels);
    const auto y = ReferenceOutputs(*g, *q, z);

    Map u = FloatLayer(graph, "1", image, shape, shape.conv1, shape.pool1, shape.bn1);
    for (double& v : u.v) v *= v;
    const Map expected = FloatLayer(graph, "2", u, shape, shape.conv2, shape.pool2, shape.bn2);
    ASSERT_EQ(expected.h, g->output().h) << seed;
    ASSERT_EQ(expected.w, g->output().w) << seed;
    double largest = 1;
    for (const double v : expected.v) largest = std::max(largest, std::fabs(v));
    const FeaturePlanes planes(*g, z);
    for (size_t f = 0; f < selection.layer2.size(); ++f) {
      for (int64_t p = 0; p < g->positions_per_output(); ++p) {
        const int64_t value = y[f * g->positions_per_output() + static_cast<size_t>(p)];
        ASSERT_LE(std::abs(value), q->worst_case);
        ASSERT_NEAR(static_cast<double>(value) * q->output_scale[f],
                    expected.v[static_cast<size_t>(selection.layer2[f] * expected.h * expected.w + p)], 0.01 * largest)
            << "seed " << seed << " output " << f << " position " << p;
      }
      std::vector<int64_t> sums(g->positions_per_output(), q->bias[f]);
      for (uint32_t j = 0; j < g->terms(); ++j) {
        std::vector<int32_t> phi(g->n());
        planes.Fill(*g, j, phi);
        for (const int32_t v : phi) ASSERT_LE(std::abs(v), g->max_feature());
        const auto a = PackKernel(*g, q->kernels[f], j);
        for (size_t p = 0; p < sums.size(); ++p) sums[p] += ProductAt(phi, a, g->positions()[p]);
      }
      for (size_t p = 0; p < sums.size(); ++p) ASSERT_EQ(sums[p], y[f * sums.size() + p]) << "seed " << seed;
    }
  }
  EXPECT_GT(lifted, 40);
}

// LeNet-5's segment, as in the design document.
SegmentSpec LeNetSpec() {
  SegmentSpec s;
  s.input = {28, 28};
  s.kernel1 = {5, 5};
  s.pool1 = s.pool1_stride = {2, 2};
  s.kernel2 = {5, 5};
  s.pool2 = s.pool2_stride = {2, 2};
  s.input_scale = 1.0 / 254;
  s.zero_point = -127;
  return s;
}

TEST(Geometry, LeNet) {
  const auto g = *Geometry::Create(LeNetSpec(), 4096);
  EXPECT_EQ(g.window(), 25u);
  EXPECT_EQ(g.features(), 351u);
  EXPECT_EQ(g.grid(), (Size2{12, 12}));
  EXPECT_EQ(g.channels_per_poly(), 28u);
  EXPECT_EQ(g.terms(), 13u);
  EXPECT_EQ(g.kernel(), (Size2{6, 6}));
  EXPECT_EQ(g.stride(), (Size2{2, 2}));
  EXPECT_EQ(g.output(), (Size2{4, 4}));
  EXPECT_EQ(g.z_map(), (Size2{27, 27}));
}

TEST(Geometry, Vgg16AndAlexNet) {
  SegmentSpec vgg;
  vgg.channels = 3;
  vgg.input = {32, 32};
  vgg.kernel1 = vgg.kernel2 = {3, 3};
  vgg.pads1 = vgg.pads2 = {1, 1, 1, 1};
  auto g = *Geometry::Create(vgg, 4096);
  EXPECT_EQ(g.features(), 406u);
  EXPECT_EQ(g.grid(), (Size2{34, 34}));
  EXPECT_EQ(g.terms(), 136u);
  SegmentSpec alex = vgg;
  alex.kernel1 = {5, 5};
  alex.pool1 = alex.pool1_stride = {2, 2};
  g = *Geometry::Create(alex, 4096);
  EXPECT_EQ(g.features(), 2926u);
  EXPECT_EQ(g.grid(), (Size2{17, 17}));
  EXPECT_EQ(g.terms(), 209u);
}

TEST(Geometry, RefusesWhatDoesNotFitWithTheNumbers) {
  const auto message = [](auto change, size_t n = 4096) {
    SegmentSpec s = LeNetSpec();
    change(s);
    return Message(Geometry::Create(s, n).status());
  };
  EXPECT_THAT(message([](auto& s) { s.input = {4, 28}; }), HasSubstr("conv1 of 5x5 does not fit its 4x28 input"));
  EXPECT_THAT(message([](auto& s) { s.pool2 = {9, 9}; }), HasSubstr("pool2 of 9x9"));
  EXPECT_THAT(message([](auto& s) { s.input = {300, 300}; }), HasSubstr("more than N = 4096"));
  EXPECT_THAT(message([](auto& s) { s.input_bits = 16; }), HasSubstr("input_bits is 16, must be 2 to 15"));
  EXPECT_THAT(message([](auto& s) { s.channels = 0; }), HasSubstr("channels is 0"));
  EXPECT_THAT(message([](auto& s) { s.channels = 100; }), HasSubstr("reads 2500 values"));
  for (const double scale : {0.0, -1.0, 1e-310, 1e31, std::nan("")}) {
    EXPECT_THAT(message([&](auto& s) { s.input_scale = scale; }), HasSubstr("input_scale is"));
  }
  EXPECT_THAT(message([](auto& s) { s.zero_point = 128; }), HasSubstr("zero_point is 128"));
  // Padding and pools that fit, but only just: a package must not make its user fill in gigabytes.
  EXPECT_THAT(message([](auto& s) {
                s.input = {1, 1};
                s.pads1 = {16000, 16000, 16000, 16000};
                s.stride1 = {600, 600};
                s.pool1 = s.pool1_stride = {1, 1};
              }),
              HasSubstr("padded input of"));
  EXPECT_THAT(message([](auto& s) {
                s.input = {4096, 4096};
                s.pool1 = {4000, 4000};
              }),
              HasSubstr("averaging"));
}

TEST(Geometry, SpecRoundTripsAndEveryTruncationIsAnError) {
  ByteWriter w;
  WriteSpec(LeNetSpec(), w);
  ByteReader r(w.view(), "t");
  EXPECT_EQ(*ReadSpec(r), LeNetSpec());
  EXPECT_TRUE(r.Finish().ok());
  for (size_t size = 0; size < w.size(); ++size) {
    ByteReader cut(w.view().first(size), "t");
    EXPECT_FALSE(ReadSpec(cut).ok()) << size;
  }
}

TEST(QuantizeInput, ZeroIsExactAndTheRangeIsFilled) {
  SegmentSpec s = LeNetSpec();
  s.pads1 = {2, 2, 2, 2};
  const auto g = *Geometry::Create(s, 4096);
  auto z = QuantizeInput(g, std::vector<float>(784, 0.0f));
  EXPECT_THAT(z, ::testing::Each(-127));
  z = QuantizeInput(g, std::vector<float>(784, 1.0f));
  EXPECT_EQ(z.front(), -127);                                            // padding
  EXPECT_EQ(z[10 * g.z_map().w + 10], 127);                              // inside
  EXPECT_EQ(QuantizeInput(g, std::vector<float>(784, 9.0f))[400], 127);  // clamped
  // What is not a number counts as the least, wherever it comes from.
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(QuantizeInput(g, std::vector<float>(784, std::nanf(""))), ::testing::Each(-127));
  EXPECT_EQ(QuantizeInput(g, std::vector<float>(784, infinity))[400], 127);
  EXPECT_THAT(QuantizeInput(g, std::vector<float>(784, -infinity)), ::testing::Each(-127));
}

TEST(Planner, LeNetCostsWhatTheDesignSays) {
  const auto plan = PlanSegment(LeNetSpec(), 36, 1 << 20);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->parameters.n, 4096u);
  EXPECT_EQ(plan->parameters.primes.size(), 2u);
  EXPECT_EQ(plan->ciphertext_bytes, 14u * 51200);
  EXPECT_EQ(plan->query_bytes_per_image, 51200u + 200);
  EXPECT_EQ(plan->reply_bytes_per_image, 78u);  // 16 values of 39 bits
  EXPECT_GT(plan->statistical_security, 40);
  EXPECT_EQ(plan->images_to_reconstruct, 366u);
  EXPECT_EQ(plan->images_to_recover_keys, 12u);  // 22 coefficients a value, 16 values an image
}

TEST(Planner, CountsUnknownsLikeADirectEnumeration) {
  // No overlap between windows: every coefficient is told apart.
  SegmentSpec s;
  s.input = {4, 4};
  s.kernel1 = s.stride1 = {2, 2};
  s.kernel2 = {2, 2};
  const auto g = *Geometry::Create(s, 2048);
  // 4 windows of 4 places: 4 * 10 products, 16 linear, 1 constant.
  EXPECT_EQ(UnknownsPerOutput(g), 57u);
  // Two 3x3 layers on three channels without padding see a 5x5 patch. Ordered pairs of places at most 2 rows and
  // columns apart: (5 + 2*4 + 2*3)^2 = 361 a pair of channels; unordered (9*361 + 75)/2, then 75 linear and 1 constant.
  SegmentSpec vgg;
  vgg.channels = 3;
  vgg.input = {32, 32};
  vgg.kernel1 = vgg.kernel2 = {3, 3};
  const auto plan = PlanSegment(vgg, 34, 1000);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->unknowns_per_output, 1662u + 75 + 1);
  EXPECT_EQ(plan->images_to_reconstruct, 3u);  // 28*28 equations each
}

TEST(Planner, RefusesWithTheReason) {
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, 0).status()), HasSubstr("at least 1"));
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, uint64_t{1} << 60).status()), HasSubstr("does not fit 64 bits"));
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, uint64_t{1} << 58).status()), HasSubstr("released values"));
  SegmentSpec big = LeNetSpec();
  big.input = {300, 300};
  EXPECT_THAT(Message(PlanSegment(big, 36, 1000).status()), HasSubstr("more than N = 16384"));
}

TEST(LiftSegment, RefusesBadOptions) {
  TestModelBuilder builder(1);
  TestModelShape shape;
  shape.conv1.kernel = shape.conv2.kernel = {2, 2};
  const nn::Graph graph = builder.Build(shape);
  const auto segment = *nn::FindQuadraticSegment(graph);
  const nn::Selection selection{{0}, {1}};
  const auto message = [&](auto change) {
    LiftOptions options;
    change(options);
    return Message(LiftSegment(graph, segment, selection, options).status());
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_THAT(message([](auto& o) { o.input_bits = 1; }), HasSubstr("input bits are 1"));
  EXPECT_THAT(message([](auto& o) { o.kernel_bits = 25; }), HasSubstr("kernel bits are 25"));
  EXPECT_THAT(message([](auto& o) { o.input_max = o.input_min; }), HasSubstr("ascending"));
  EXPECT_FALSE(LiftSegment(graph, segment, {{0}, {}}, {}).ok());
}

// Small files that describe kernels of any size.
TEST(LiftSegment, RefusesWhatNoRingHolds) {
  const auto message = [](int64_t side, int64_t kernel1) {
    TestModelBuilder builder(1);
    TestModelShape shape;
    shape.neurons1 = shape.neurons2 = 1;
    shape.height = shape.width = side + kernel1 - 1;
    shape.conv1.kernel = {kernel1, kernel1};
    shape.pool2.kernel = {side, side};
    const nn::Graph graph = builder.Build(shape);
    return Message(LiftSegment(graph, *nn::FindQuadraticSegment(graph), {{0}, {0}}, {}).status());
  };
  EXPECT_THAT(message(4096, 1), HasSubstr("more than N = 16384"));
  EXPECT_THAT(message(64, 45), HasSubstr("2053351 features take 513338 polynomials a kernel"));
}

TEST(LiftSegment, RefusesCoefficientsThatVanish) {
  TestModelBuilder builder(1);
  TestModelShape shape;
  shape.bn1 = shape.bn2 = true;
  shape.bias = false;
  nn::Graph graph = builder.Build(shape);
  // Coefficients near 2^-1046, of which doubles hold a few bits.
  for (auto& [name, tensor] : graph.initializers) {
    const float value = name == "var1" || name == "var2" ? 0x1p127f : name[0] == 'w' || name[0] == 'g' ? 0x1p-140f : 0;
    std::fill(tensor.values.begin(), tensor.values.end(), value);
  }
  const auto status = LiftSegment(graph, *nn::FindQuadraticSegment(graph), {{0}, {0}}, {}).status();
  EXPECT_THAT(Message(status), HasSubstr("can't be scaled to 12 bits"));
}

}  // namespace
}  // namespace privdnn
