// The same input through every kernel implementation that this processor can run; any difference ends the process.
#include <map>
#include <vector>

#include "fuzz_support.h"
#include "privdnn/base/random.h"
#include "privdnn/ring/aligned.h"
#include "privdnn/ring/kernels/kernels.h"
#include "privdnn/ring/sampling.h"

namespace privdnn {
namespace {

using Words = AlignedVector<uint64_t>;
using Outputs = std::vector<Words>;

// Residues modulo q: edge values and the input's own words (reduced) by turns, then pseudo-random ones.
Words Residues(fuzz::Input& input, const Modulus& q, size_t count) {
  const uint64_t edges[] = {0, 1, q.value() - 1, q.value() / 2, q.value() / 2 + 1, (uint64_t{1} << 32) % q.value()};
  Words values(count);
  switch (input.Integer(1) % 4) {
    case 0:  // one value everywhere
      std::fill(values.begin(), values.end(), edges[input.Integer(1) % std::size(edges)]);
      break;
    case 1: {  // a pattern of values
      const size_t period = input.InRange(1, 32, 1);
      for (size_t k = 0; k < count; ++k) values[k] = k < period ? q.ReduceWord(input.Integer(8)) : values[k - period];
      break;
    }
    default: {
      DeterministicRandom random(input.Integer(8));
      SampleUniform(random, q, values);
      for (uint64_t i = input.InRange(0, 8, 1); i > 0; --i) {
        values[input.Integer(3) % count] = edges[input.Integer(1) % std::size(edges)];
      }
    }
  }
  return values;
}

// A prime q = 1 mod 2n with `bits` bits or fewer, at or below the `index`-th candidate; tables are kept.
const NttTables& Tables(size_t n, int bits, uint64_t index) {
  static std::map<std::pair<size_t, uint64_t>, NttTables> known;
  const uint64_t step = 2 * n;
  uint64_t q = ((uint64_t{1} << bits) - 1) / step * step + 1 - index % 64 * step;
  for (;; q -= step) {
    if (q <= uint64_t{1} << kMinModulusBits) q = ((uint64_t{1} << kMaxModulusBits) - 1) / step * step + 1;
    if (const auto it = known.find({n, q}); it != known.end()) return it->second;
    const auto modulus = Modulus::Create(q);
    if (modulus.ok()) return known.emplace(std::pair{n, q}, NttTables::Create(n, *modulus).value()).first->second;
  }
}

// Runs `use` with every implementation; it returns what that one computed.
template <typename Use>
void Compare(const char* what, const Use& use) {
  const Outputs expected = use(ScalarKernels());
  for (const Kernels* kernels : AllKernels()) {
    if (kernels->supported()) fuzz::Require(use(*kernels) == expected, what);
  }
}

void Transforms(fuzz::Input& input, const NttTables& tables) {
  const Words a = Residues(input, tables.modulus, tables.n);
  Compare("transforms agree and are inverse to each other", [&](const Kernels& kernels) {
    Words forward = a, inverse = a;
    kernels.ntt_forward(tables, forward.data());
    kernels.ntt_inverse(tables, inverse.data());
    Words back = forward;
    kernels.ntt_inverse(tables, back.data());
    fuzz::Require(back == a, "the inverse transform undoes the transform");
    return Outputs{forward, inverse};
  });
}

void Pointwise(fuzz::Input& input, const Modulus& q, size_t n) {
  const Words a = Residues(input, q, n), b = Residues(input, q, n);
  Compare("products and sums agree", [&](const Kernels& kernels) {
    Words product(n), sum(n), in_place = a;
    kernels.multiply(q, n, a.data(), b.data(), product.data());
    kernels.add(q, n, a.data(), b.data(), sum.data());
    kernels.multiply(q, n, b.data(), in_place.data(), in_place.data());
    fuzz::Require(in_place == product, "a product may overwrite its factor");
    return Outputs{product, sum};
  });
}

void InnerProducts(fuzz::Input& input, const Modulus& q) {
  const size_t tiles = input.InRange(1, 4, 1), rows = input.InRange(1, 9, 1);
  const size_t units = input.InRange(1, kMaxUnitsPerPass, 1), gap = kTile * input.InRange(0, 2, 1);
  const size_t terms = input.Integer(1) % 16 == 0 ? kMaxTerms : input.InRange(1, 160, 1);
  const size_t row_stride = tiles * kTile + gap;
  const Words weights = Residues(input, q, tiles * rows * terms * kTile);
  Outputs features;
  for (size_t i = 0; i < units; ++i) features.push_back(Residues(input, q, tiles * terms * kTile));
  Compare("inner products agree", [&](const Kernels& kernels) {
    // What lies between rows stays as it is.
    Outputs out(units, Words(rows * row_stride, ~uint64_t{0}));
    const uint64_t* x[kMaxUnitsPerPass];
    uint64_t* y[kMaxUnitsPerPass];
    for (size_t i = 0; i < units; ++i) {
      x[i] = features[i].data();
      y[i] = out[i].data();
    }
    kernels.inner_products(q, {.tiles = tiles,
                               .rows = rows,
                               .terms = terms,
                               .units = units,
                               .weights = weights.data(),
                               .features = x,
                               .out = y,
                               .row_stride = row_stride});
    return out;
  });
}

void SmallAndTiles(fuzz::Input& input, const Modulus& q, size_t n) {
  AlignedVector<int32_t> small(n);
  for (int32_t& v : small) {
    v = static_cast<int32_t>(input.empty() ? q.value() & 0x7fffffff : input.Integer(4));
    if (v == INT32_MIN) v = 0;
  }
  const size_t terms = input.InRange(1, 8, 1), term = input.Integer(1) % terms;
  Compare("lifted integers and tiles agree", [&](const Kernels& kernels) {
    Words lifted(n), tiles(n * terms);
    kernels.lift_signed(q, n, small.data(), lifted.data());
    kernels.scatter_tiles(n, terms, term, lifted.data(), tiles.data());
    return Outputs{lifted, tiles};
  });
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  fuzz::Input input(data, size);
  const uint64_t what = input.Integer(1) % 4;
  const size_t n = size_t{16} << input.InRange(0, 8, 1);
  const auto bits = static_cast<int>(input.InRange(kMinModulusBits + 1, kMaxModulusBits, 1));
  const NttTables& tables = Tables(n, bits, input.Integer(1));
  switch (what) {
    case 0:
      Transforms(input, tables);
      break;
    case 1:
      Pointwise(input, tables.modulus, n);
      break;
    case 2:
      InnerProducts(input, tables.modulus);
      break;
    default:
      SmallAndTiles(input, tables.modulus, n);
  }
  return 0;
}
