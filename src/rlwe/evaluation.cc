#include "rlwe/evaluation.h"

#include <algorithm>
#include <cassert>

namespace privdnn {

EncryptedKernels::EncryptedKernels(const Parameters& params, size_t outputs, const Seed& seed)
    : outputs_(outputs),
      row_size_(params.ring().n() * (params.terms() + 1)),
      weights_(params.ring().num_primes() * (outputs + 1) * row_size_) {
  for (uint32_t j = 0; j <= params.terms(); ++j) {
    Set(params, outputs, j, ExpandUniform(params.ring(), seed, j).all());
  }
}

void EncryptedKernels::Set(const Parameters& params, size_t output, size_t term, std::span<const uint64_t> residues) {
  const Ring& ring = params.ring();
  assert(residues.size() == ring.limbs_size() && output <= outputs_ && term <= params.terms());
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    uint64_t* to = weights_.data() + (i * (outputs_ + 1) + output) * row_size_;
    ring.kernels().scatter_tiles(ring.n(), params.terms() + 1, term, residues.data() + i * ring.n(), to);
  }
}

namespace {

void Prepare(const Parameters& params, size_t outputs, size_t images, EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const size_t size = ring.limbs_size() * (params.terms() + 1);
  scratch.features.resize(std::max(scratch.features.size(), images));
  scratch.products.resize(std::max(scratch.products.size(), images));
  for (size_t k = 0; k < images; ++k) {
    scratch.features[k].resize(size);
    scratch.products[k].resize((outputs + 1) * ring.n());
  }
  scratch.small.resize(ring.n());
  scratch.limb.resize(ring.n());
}

// scratch.small -> NTT form, prime by prime; use(prime, residues).
template <typename Use>
void TransformSmall(const Parameters& params, EvaluationScratch& scratch, const Use& use) {
  const Ring& ring = params.ring();
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().lift_signed(ring.modulus(i), ring.n(), scratch.small.data(), scratch.limb.data());
    ring.kernels().ntt_forward(ring.tables(i), scratch.limb.data());
    use(i, scratch.limb.data());
  }
}

// phi_0 ... phi_{J-1} and v of one image into its tile-major array.
void TransformFeatures(const Parameters& params, size_t image, const FeatureFn& features, RandomSource& random,
                       EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const size_t terms = params.terms() + 1;
  for (size_t j = 0; j < terms; ++j) {
    if (j < params.terms()) {
      std::fill(scratch.small.begin(), scratch.small.end(), 0);
      features(image, j, scratch.small);
    } else {
      SampleTernary(random, scratch.small);
    }
    TransformSmall(params, scratch, [&](size_t i, const uint64_t* residues) {
      ring.kernels().scatter_tiles(ring.n(), terms, j, residues, scratch.features[image].data() + i * ring.n() * terms);
    });
  }
}

// Lanes that one call of the inner product takes: as many as let the features of all images stay in the first-level
// cache while every row of the kernels passes over them.
size_t BlockLanes(size_t n, size_t terms, size_t images) {
  constexpr size_t kCacheBytes = 32 << 10;
  const size_t lanes = kCacheBytes / (images * terms * sizeof(uint64_t)) / kTile * kTile;
  return std::clamp(lanes, kTile, n);
}

// Every row modulo prime i for every image, into scratch.products[image]: [row][n].
void Products(const Parameters& params, const EncryptedKernels& kernels, size_t i, size_t images,
              EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const size_t n = ring.n(), terms = params.terms() + 1;
  const size_t block = BlockLanes(n, terms, images);
  const uint64_t* x[kMaxImagesPerPass];
  uint64_t* out[kMaxImagesPerPass];
  for (size_t lane = 0; lane < n; lane += block) {
    const size_t lanes = std::min(block, n - lane);
    for (size_t k = 0; k < images; ++k) x[k] = scratch.features[k].data() + (i * n + lane) * terms;
    for (size_t row = 0; row <= kernels.outputs(); ++row) {
      for (size_t k = 0; k < images; ++k) out[k] = scratch.products[k].data() + row * n + lane;
      ring.kernels().inner_product(ring.modulus(i), lanes, terms, kernels.row(i, row) + lane * terms, x, images, out);
    }
  }
}

// Adds g to a'.
void AddError(const Parameters& params, RandomSource& random, EvaluationScratch& scratch, NttPoly& a) {
  const Ring& ring = params.ring();
  SampleCenteredBinomial(random, scratch.small);
  TransformSmall(params, scratch, [&](size_t i, const uint64_t* g) {
    ring.kernels().add(ring.modulus(i), ring.n(), a.limb(i).data(), g, a.limb(i).data());
  });
}

// Fresh rho for each [output][prime][position]: adds it to b' and remembers rho/Q.
void Mask(const Parameters& params, const TorusMap& torus, size_t outputs, size_t positions, RandomSource& random,
          std::vector<uint64_t>& b, Masks& masks) {
  const Ring& ring = params.ring();
  const size_t primes = ring.num_primes();
  masks = Masks(outputs * positions);
  Secret<uint64_t> rho(primes * positions);
  Secret<uint64_t> residues(primes);
  for (size_t f = 0; f < outputs; ++f) {
    for (size_t i = 0; i < primes; ++i) {
      auto limb = rho.RevealMutable().subspan(i * positions, positions);
      SampleUniform(random, ring.modulus(i), limb);
      uint64_t* to = b.data() + (f * primes + i) * positions;
      for (size_t p = 0; p < positions; ++p) to[p] = ring.modulus(i).Add(to[p], limb[p]);
    }
    for (size_t p = 0; p < positions; ++p) {
      for (size_t i = 0; i < primes; ++i) residues.RevealMutable()[i] = rho.Reveal()[i * positions + p];
      masks.RevealMutable()[f * positions + p] = torus(residues.Reveal());
    }
  }
}

}  // namespace

std::vector<MaskedImage> Evaluate(const Parameters& params, const TorusMap& torus, const EncryptedKernels& kernels,
                                  size_t images, const FeatureFn& features, std::span<const uint32_t> positions,
                                  RandomSource& random, EvaluationScratch& scratch, std::span<Masks> masks) {
  const Ring& ring = params.ring();
  assert(images >= 1 && images <= kMaxImagesPerPass && masks.size() == images);
  const size_t outputs = kernels.outputs(), primes = ring.num_primes(), count = positions.size();
  Prepare(params, outputs, images, scratch);
  for (size_t k = 0; k < images; ++k) TransformFeatures(params, k, features, random, scratch);

  std::vector<MaskedImage> result(images, {NttPoly(ring), std::vector<uint64_t>(outputs * primes * count)});
  for (size_t i = 0; i < primes; ++i) {
    Products(params, kernels, i, images, scratch);
    for (size_t k = 0; k < images; ++k) {
      for (size_t f = 0; f < outputs; ++f) {
        uint64_t* product = scratch.products[k].data() + f * ring.n();
        ring.kernels().ntt_inverse(ring.tables(i), product);
        uint64_t* to = result[k].b.data() + (f * primes + i) * count;
        for (size_t p = 0; p < count; ++p) to[p] = product[positions[p]];
      }
      std::copy_n(scratch.products[k].data() + outputs * ring.n(), ring.n(), result[k].a.limb(i).data());
    }
  }
  for (size_t k = 0; k < images; ++k) {
    AddError(params, random, scratch, result[k].a);
    Mask(params, torus, outputs, count, random, result[k].b, masks[k]);
  }
  return result;
}

int64_t Unmask(const Parameters& params, uint64_t reply, Torus mask) {
  const int l = params.plain_bits();
  const Torus phase = (static_cast<Torus>(reply) << (128 - params.reply_bits())) - mask;
  const auto y = static_cast<uint64_t>((phase + (Torus{1} << (127 - l))) >> (128 - l));
  // Sign-extend from l bits.
  return static_cast<int64_t>(y << (64 - l)) >> (64 - l);
}

}  // namespace privdnn
