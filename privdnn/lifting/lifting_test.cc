#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "privdnn/base/random.h"
#include "privdnn/lifting/lift.h"
#include "privdnn/lifting/test_models.h"
#include "privdnn/ring/residues.h"
#include "privdnn/segment/packing.h"
#include "privdnn/segment/planner.h"
#include "privdnn/segment/reference.h"
#include "privdnn/segment/test_specs.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

// ---- A real evaluation of folded layers by definition, independent of the code under test. Maps are [channel][h][w].
struct Map {
  int64_t c, h, w;
  std::vector<double> v;
  double at(int64_t k, int64_t i, int64_t j) const {
    return i < 0 || j < 0 || i >= h || j >= w ? 0 : v[static_cast<size_t>((k * h + i) * w + j)];
  }
};

Map Apply(const FoldedLayer& layer, const Map& in) {
  Map u{layer.outputs,
        (in.h + layer.window.pads[0] + layer.window.pads[2] - layer.window.kernel[0]) / layer.window.strides[0] + 1,
        (in.w + layer.window.pads[1] + layer.window.pads[3] - layer.window.kernel[1]) / layer.window.strides[1] + 1,
        {}};
  for (int64_t o = 0; o < u.c; ++o) {
    for (int64_t i = 0; i < u.h; ++i) {
      for (int64_t j = 0; j < u.w; ++j) {
        double sum = layer.bias[static_cast<size_t>(o)];
        for (int64_t c = 0; c < in.c; ++c) {
          for (int64_t a = 0; a < layer.window.kernel[0]; ++a) {
            for (int64_t b = 0; b < layer.window.kernel[1]; ++b) {
              sum += in.at(c, i * layer.window.strides[0] - layer.window.pads[0] + a,
                           j * layer.window.strides[1] - layer.window.pads[1] + b) *
                     layer.weights[static_cast<size_t>(
                         ((o * in.c + c) * layer.window.kernel[0] + a) * layer.window.kernel[1] + b)];
            }
          }
        }
        u.v.push_back(sum);
      }
    }
  }
  Map out{u.c,
          (u.h - layer.pool.kernel[0]) / layer.pool.strides[0] + 1,
          (u.w - layer.pool.kernel[1]) / layer.pool.strides[1] + 1,
          {}};
  for (int64_t o = 0; o < out.c; ++o) {
    for (int64_t i = 0; i < out.h; ++i) {
      for (int64_t j = 0; j < out.w; ++j) {
        double sum = 0;
        for (int64_t a = 0; a < layer.pool.kernel[0]; ++a) {
          for (int64_t b = 0; b < layer.pool.kernel[1]; ++b)
            sum += u.at(o, i * layer.pool.strides[0] + a, j * layer.pool.strides[1] + b);
        }
        out.v.push_back(sum / static_cast<double>(layer.pool.kernel[0] * layer.pool.kernel[1]));
      }
    }
  }
  return out;
}

// What each encrypted output of a segment stands for, [output][position].
std::vector<std::vector<double>> RealOutputs(const Segment& segment, const Map& input) {
  Map squares = input;
  if (segment.first) {
    squares = Apply(*segment.first, input);
    for (double& v : squares.v) v *= v;
  }
  const Map last = Apply(segment.layer, squares);
  std::vector<std::vector<double>> outputs;
  const auto take = [&](const Map& map, int64_t neuron) {
    const auto begin = map.v.begin() + neuron * map.h * map.w;
    outputs.emplace_back(begin, begin + map.h * map.w);
  };
  for (const int64_t f : segment.neurons) take(last, f);
  for (const int64_t c : segment.shortcut) take(squares, c);
  return outputs;
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

std::vector<float> RandomInput(TestModelBuilder& builder, const std::vector<int64_t>& shape) {
  std::vector<float> values(static_cast<size_t>(shape[0] * shape[1] * shape[2]));
  for (float& v : values) v = builder.Real(-1, 1);
  return values;
}

LiftOptions FineOptions() {
  LiftOptions options;
  options.input_bits = 12;
  options.kernel_bits = 16;
  options.input_min = -1;
  return options;
}

// For segments of every kind in random networks, the quantised model is close to the real one.
TEST(Lifting, RandomSegmentsAgreeWithRealNumbers) {
  int linear = 0, quadratic = 0, shortcuts = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Graph graph = RandomNetwork(seed, seed % 2 == 1);
    const auto segments = FindSegments(graph, RandomSelection(graph, seed));
    if (!segments.ok()) continue;  // selections that leave nothing to read, layers that can't be lifted
    TestModelBuilder builder(seed);
    for (const Segment& segment : *segments) {
      const auto q = LiftSegment(segment, FineOptions());
      ASSERT_TRUE(q.ok()) << q.status();
      const auto g = Geometry::Create(q->spec, 4096);
      if (!g.ok()) continue;  // wide windows
      (segment.first ? quadratic : linear) += 1;
      shortcuts += !segment.shortcut.empty();
      const auto input = RandomInput(builder, segment.input_shape);
      const auto& shape = segment.input_shape;
      const auto expected =
          RealOutputs(segment, {shape[0], shape[1], shape[2], std::vector<double>(input.begin(), input.end())});
      const auto y = ReferenceOutputs(*g, *q, QuantizeInput(*g, input));
      ASSERT_EQ(y.size(), g->spec().values_per_image());
      ASSERT_EQ(expected.size(), g->spec().outputs());
      for (uint32_t f = 0; f < expected.size(); ++f) {
        double largest = 1;
        for (const double v : expected[f]) largest = std::max(largest, std::fabs(v));
        for (size_t p = 0; p < expected[f].size(); ++p) {
          const int64_t value = y[g->first_value(f) + p];
          ASSERT_LE(std::abs(value), q->worst_case);
          ASSERT_NEAR(static_cast<double>(value) * q->output_scale[f], expected[f][p], 0.02 * largest)
              << "seed " << seed << " output " << f << " position " << p;
        }
      }
    }
  }
  EXPECT_GT(linear, 40);
  EXPECT_GT(quadratic, 20);
  EXPECT_GT(shortcuts, 3);
}

// Sums of polynomial products against the reference, for every tiling and number of images a ciphertext that fits.
void ExpectPolynomialsHoldTheReference(const Geometry& g, const QuantizedSegment& q,
                                       const std::vector<std::vector<float>>& images) {
  std::vector<FeaturePlanes> planes;
  std::vector<std::vector<int64_t>> expected, got;
  for (const auto& image : images) {
    const auto z = QuantizeInput(g, image);
    planes.emplace_back(g, z);
    expected.push_back(ReferenceOutputs(g, q, z));
    got.emplace_back(expected.back().size(), INT64_MIN);
  }
  for (uint64_t u = 0; u < g.units(images.size()); ++u) {
    const Geometry::Unit unit = g.unit(u, images.size());
    std::vector<std::vector<int32_t>> phi;
    for (uint32_t j = 0; j < g.terms(); ++j) {
      phi.emplace_back(g.n());
      for (uint32_t slot = 0; slot < unit.images; ++slot)
        planes[unit.first_image + slot].Fill(g, unit.tile, slot, j, phi.back());
      for (const int32_t v : phi.back()) ASSERT_LE(std::abs(v), g.max_feature());
    }
    for (uint32_t f = 0; f < g.spec().outputs(); ++f) {
      const auto positions = g.positions(unit, f);
      const Geometry::Patch patch = g.patch(unit.tile, g.group(f));
      const uint32_t columns = g.spec().groups[g.group(f)].map.w;
      ASSERT_EQ(positions.size(), size_t{patch.positions()} * unit.images);
      std::vector<int64_t> sums(positions.size(), q.bias.Reveal()[f]);
      for (uint32_t j = 0; j < g.terms(); ++j) {
        const auto a = PackKernel(g, f, q.kernels[f].Reveal(), j);
        for (size_t p = 0; p < sums.size(); ++p) sums[p] += ProductAt(phi[j], a, positions[p]);
      }
      for (size_t p = 0; p < sums.size(); ++p) {
        const size_t place = p % patch.positions();
        const size_t row = patch.top + place / patch.columns, column = patch.left + place % patch.columns;
        got[unit.first_image + p / patch.positions()][g.first_value(f) + row * columns + column] = sums[p];
      }
    }
  }
  EXPECT_EQ(got, expected);
}

TEST(Packing, PolynomialProductsHoldTheReferenceForEveryTilingAndNumberOfImages) {
  int tiled = 0, joined = 0, shortcuts = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Graph graph = RandomNetwork(seed);
    const auto segments = FindSegments(graph, RandomSelection(graph, seed));
    if (!segments.ok()) continue;
    TestModelBuilder builder(seed);
    for (const Segment& segment : *segments) {
      QuantizedSegment q = *LiftSegment(segment, FineOptions());
      const Size2 tilings[] = {{1, 1}, {2, 1}, {1, 3}, {2, 2}};
      q.spec.tiles = tilings[builder.Int(0, 3)];
      if (q.spec.tiles.area() == 1) q.spec.images_per_ciphertext = static_cast<uint32_t>(builder.Int(1, 3));
      auto g = Geometry::Create(q.spec, 512);
      if (!g.ok()) g = Geometry::Create(q.spec, 2048);
      if (!g.ok() || g->terms() * g->spec().values_per_image() > 3000) continue;  // schoolbook products take long
      tiled += g->num_tiles() > 1;
      joined += g->images_per_ciphertext() > 1;
      shortcuts += !segment.shortcut.empty();
      std::vector<std::vector<float>> images;
      for (int i = 0; i < (g->num_tiles() > 1 ? 1 : 4); ++i)
        images.push_back(RandomInput(builder, segment.input_shape));
      ExpectPolynomialsHoldTheReference(*g, q, images);
    }
  }
  EXPECT_GT(tiled, 5);
  EXPECT_GT(joined, 5);
  EXPECT_GT(shortcuts, 0);
}

// The first and last coefficient that is decrypted, for every segment, ring and tiling: within the polynomial.
TEST(Packing, OutputsLieWithinThePolynomial) {
  int shortcuts = 0;
  const auto check = [&](SegmentSpec spec) {
    for (const size_t n : {2048, 4096, 8192, 16384}) {
      for (const Size2 tiles : {Size2{1, 1}, {2, 2}, {3, 1}, {1, 4}}) {
        spec.tiles = tiles;
        const auto g = Geometry::Create(spec, n);
        if (!g.ok()) continue;
        shortcuts += spec.groups.size() > 1;
        for (uint64_t u = 0; u < g->units(1); ++u) {
          for (uint32_t f = 0; f < spec.outputs(); ++f) {
            const auto positions = g->positions(g->unit(u, 1), f);
            if (positions.empty()) continue;
            ASSERT_LT(positions.back(), n);
          }
        }
      }
    }
  };
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Graph graph = RandomNetwork(seed);
    const auto segments = FindSegments(graph, RandomSelection(graph, seed));
    if (!segments.ok()) continue;
    for (const Segment& segment : *segments) check(LiftSegment(segment, FineOptions())->spec);
  }
  // Shortcuts around layers that read further than one position beyond their stride.
  SegmentSpec s;
  s.kernel1 = {3, 3};
  s.pads1 = {1, 1, 1, 1};
  for (const uint32_t side : {8, 16, 28, 32}) {
    s.input = {side, side};
    s.groups = {{1, {3, 3}, {1, 1}, {0, 0}, {side - 2, side - 2}}, {1, {1, 1}, {1, 1}, {0, 0}, {side, side}}};
    check(s);
    s.pads2 = {2, 2, 2, 2};
    s.groups = {{1, {6, 6}, {2, 2}, {0, 0}, {side / 2, side / 2}}, {1, {1, 1}, {1, 1}, {2, 2}, {side, side}}};
    check(s);
    s.pads2 = {};
  }
  EXPECT_GT(shortcuts, 30);
}

TEST(QuantizeInput, ZeroIsExactAndTheRangeIsFilled) {
  SegmentSpec s = LeNetSpec();
  s.pads1 = {2, 2, 2, 2};
  s.groups[0].map = {5, 5};
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
  EXPECT_EQ(plan->cost.ciphertext_bytes, 14u * 51200);
  EXPECT_EQ(plan->cost.query_bytes_per_image, 51200u + 200);
  EXPECT_EQ(plan->cost.reply_bytes_per_image, 78u);  // 16 values of 39 bits
  EXPECT_GT(plan->statistical_security, 40);
  EXPECT_EQ(plan->extraction.images, 366u);
  EXPECT_EQ(plan->key_recovery.images_by_packing, 12u);  // 22 coefficients a value, 16 values an image
}

TEST(Planner, CutsMapsThatNoRingHoldsOrThatAreCheaperInTiles) {
  const auto plan = PlanSegment(ResNetSpec(), 34, 1000);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_GT(plan->geometry().num_tiles(), 1u);
  // Both groups: 2 * 32 outputs of 64x64, each packed to 100 bits with every tile on a byte of its own.
  const uint64_t unit = PackedResidueBytes(plan->parameters.primes, plan->parameters.n);
  const uint64_t masked = plan->cost.query_bytes_per_image - plan->geometry().num_tiles() * unit;
  EXPECT_EQ(masked, 64u * 64 * 64 * 100 / 8);
}

TEST(Planner, RefusesWithTheReason) {
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, 0).status()), HasSubstr("at least 1"));
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, uint64_t{1} << 60).status()), HasSubstr("does not fit 64 bits"));
  EXPECT_THAT(Message(PlanSegment(LeNetSpec(), 36, uint64_t{1} << 58).status()), HasSubstr("released values"));
  SegmentSpec big = LeNetSpec();  // kernels that no tile holds
  big.input = {600, 600};
  big.groups[0] = {1, {200, 200}, {2, 2}, {0, 0}, {1, 1}};
  EXPECT_THAT(Message(PlanSegment(big, 36, 1000).status()), HasSubstr("more than N = 16384"));
}

// Of the network that the builder makes: both layers of its square, and the first neuron of each.
Segment TestSegment(const Graph& graph) { return (*FindSegments(graph, Selection{{{1, {0}}, {2, {0}}}}))[0]; }

TEST(LiftSegment, RefusesBadOptions) {
  TestModelBuilder builder(1);
  TestModelShape shape;
  shape.conv1.kernel = shape.conv2.kernel = {2, 2};
  const Segment segment = TestSegment(builder.Build(shape));
  const auto message = [&](auto change) {
    LiftOptions options;
    change(options);
    return Message(LiftSegment(segment, options).status());
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_THAT(message([](auto& o) { o.input_bits = 1; }), HasSubstr("input bits are 1"));
  EXPECT_THAT(message([](auto& o) { o.kernel_bits = 25; }), HasSubstr("kernel bits are 25"));
  EXPECT_THAT(message([](auto& o) { o.input_max = o.input_min; }), HasSubstr("ascending"));
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
    return Message(LiftSegment(TestSegment(builder.Build(shape)), {}).status());
  };
  EXPECT_THAT(message(4096, 1), HasSubstr("more than N = 16384"));
  EXPECT_THAT(message(64, 45), HasSubstr("2053351 features take 513338 polynomials a kernel"));
}

// Weight decay leaves neurons whose weights are next to nothing beside their bias.
TEST(LiftSegment, ADeadNeuronKeepsItsBias) {
  NetworkBuilder b({2, 4, 4}, 3);
  b.Conv(3, {{2, 2}, {1, 1}, {}});
  Graph graph = b.Finish();
  const Node& node = graph.nodes[0];
  Tensor& weights = graph.initializers.at(node.inputs[1]);
  Tensor& bias = graph.initializers.at(node.inputs[2]);
  for (size_t i = 0; i < 8; ++i) weights.values[i] *= 1e-20f;
  bias.values = {0.75f, 0.5f, -0.25f};
  const auto segments = FindSegments(graph, *ParseSelection("1:all", graph));
  const auto lifted = LiftSegment(segments->at(0), {.input_min = -1, .input_max = 1});
  ASSERT_TRUE(lifted.ok()) << lifted.status();
  EXPECT_THAT(lifted->kernels[0].Reveal(), ::testing::Each(0));
  EXPECT_THAT(lifted->kernels[1].Reveal(), ::testing::Contains(::testing::Gt(1000)));
  // Zero points of inputs are part of the others' biases.
  EXPECT_NEAR(static_cast<double>(lifted->bias.Reveal()[0]) * lifted->output_scale[0], 0.75, 1e-7);
  EXPECT_LT(lifted->worst_case, int64_t{1} << 40);
}

TEST(LiftSegment, RefusesCoefficientsThatVanish) {
  TestModelBuilder builder(1);
  TestModelShape shape;
  shape.bn1 = shape.bn2 = true;
  shape.bias = false;
  Graph graph = builder.Build(shape);
  // Coefficients near 2^-1046, of which doubles hold a few bits.
  for (auto& [name, tensor] : graph.initializers) {
    const float value = name == "var1" || name == "var2" ? 0x1p127f : name[0] == 'w' || name[0] == 'g' ? 0x1p-140f : 0;
    std::fill(tensor.values.begin(), tensor.values.end(), value);
  }
  EXPECT_THAT(Message(LiftSegment(TestSegment(graph), {}).status()), HasSubstr("can't be scaled to 12 bits"));
}

}  // namespace
}  // namespace privdnn
