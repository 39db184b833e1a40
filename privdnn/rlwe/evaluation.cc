#include "privdnn/rlwe/evaluation.h"

#include <algorithm>
#include <atomic>
#include <cassert>

#include "privdnn/base/parallel.h"

namespace privdnn {

EncryptedKernels::EncryptedKernels(const Parameters& params, size_t outputs, const Seed& seed)
    : outputs_(outputs),
      tile_size_(kTile * rows() * (params.terms() + 1)),
      prime_size_(params.ring().n() / kTile * tile_size_),
      weights_(params.ring().num_primes() * prime_size_) {
  for (uint32_t j = 0; j <= params.terms(); ++j) {
    Set(params, outputs, j, ExpandUniform(params.ring(), seed, j).all());
  }
}

void EncryptedKernels::Set(const Parameters& params, size_t output, size_t term, std::span<const uint64_t> residues) {
  const Ring& ring = params.ring();
  const size_t terms = params.terms() + 1;
  assert(residues.size() == ring.limbs_size() && output <= outputs_ && term < terms);
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    // A tile's rows lie side by side as if they were one of rows() * terms terms.
    ring.kernels().scatter_tiles(ring.n(), rows() * terms, output * terms + term, residues.data() + i * ring.n(),
                                 weights_.data() + i * prime_size_);
  }
}

namespace {

// Grows `v` to `size`, to exactly that where it must allocate; the contents are unspecified.
template <typename Vector>
void Fit(Vector& v, size_t size) {
  if (v.capacity() < size) v = Vector(size);
  v.resize(size);
}

void Prepare(const Parameters& params, size_t outputs, size_t units, size_t workers, EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const auto at_least = [](auto& v, size_t size) { v.resize(std::max(v.size(), size)); };
  at_least(scratch.features, units);
  at_least(scratch.products, units);
  at_least(scratch.blinding, units);
  at_least(scratch.workers, workers);
  for (size_t k = 0; k < units; ++k) {
    Fit(scratch.features[k], ring.limbs_size() * (params.terms() + 1));
    Fit(scratch.products[k], (outputs + 1) * ring.n());
    Fit(scratch.blinding[k], ring.n());
  }
  for (size_t w = 0; w < workers; ++w) {
    Fit(scratch.workers[w].small, ring.n());
    Fit(scratch.workers[w].limb, ring.n());
  }
}

// Calls body(task, worker) for every task below `tasks`, each on whichever of the workers is free: no two calls with
// the same worker at a time.
void ForEachTask(size_t tasks, size_t workers, const std::function<void(size_t task, size_t worker)>& body) {
  std::atomic<size_t> next = 0;
  ParallelFor(workers, static_cast<int>(workers), [&](size_t worker) {
    for (size_t task = next++; task < tasks; task = next++) body(task, worker);
  });
}

// Small coefficients -> NTT form in worker.limb, prime by prime; use(prime, residues).
template <typename Use>
void TransformSmall(const Parameters& params, std::span<const int32_t> small, EvaluationScratch::Worker& worker,
                    const Use& use) {
  const Ring& ring = params.ring();
  for (size_t i = 0; i < ring.num_primes(); ++i) {
    ring.kernels().lift_signed(ring.modulus(i), ring.n(), small.data(), worker.limb.data());
    ring.kernels().ntt_forward(ring.tables(i), worker.limb.data());
    use(i, worker.limb.data());
  }
}

// phi_0 ... phi_{J-1} and v of every unit into its tile-major array.
void TransformFeatures(const Parameters& params, size_t units, const FeatureFn& features, size_t workers,
                       EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const size_t terms = params.terms() + 1;
  ForEachTask(units * terms, workers, [&](size_t task, size_t w) {
    const size_t unit = task / terms, j = task % terms;
    EvaluationScratch::Worker& worker = scratch.workers[w];
    std::span<const int32_t> small = scratch.blinding[unit];
    if (j < params.terms()) {
      std::fill(worker.small.begin(), worker.small.end(), 0);
      features(unit, j, worker.small);
      small = worker.small;
    }
    TransformSmall(params, small, worker, [&](size_t i, const uint64_t* residues) {
      ring.kernels().scatter_tiles(ring.n(), terms, j, residues, scratch.features[unit].data() + i * ring.n() * terms);
    });
  });
}

// Every row modulo prime i for every unit, into scratch.products[unit]: [row][n].
void Products(const Parameters& params, const EncryptedKernels& kernels, size_t i, size_t units, size_t workers,
              EvaluationScratch& scratch) {
  const Ring& ring = params.ring();
  const size_t n = ring.n(), terms = params.terms() + 1, tiles = n / kTile;
  // Tiles are what threads share: a few at a time, so that all end together.
  const size_t chunk = workers == 1 ? tiles : std::max<size_t>(1, tiles / (16 * workers));
  ForEachTask((tiles + chunk - 1) / chunk, workers, [&](size_t task, size_t) {
    const size_t tile = task * chunk, lane = tile * kTile;
    const uint64_t* x[kMaxUnitsPerPass];
    uint64_t* out[kMaxUnitsPerPass];
    for (size_t k = 0; k < units; ++k) {
      x[k] = scratch.features[k].data() + (i * n + lane) * terms;
      out[k] = scratch.products[k].data() + lane;
    }
    ring.kernels().inner_products(ring.modulus(i), {.tiles = std::min(chunk, tiles - tile),
                                                    .rows = kernels.rows(),
                                                    .terms = terms,
                                                    .units = units,
                                                    .weights = kernels.tile(i, tile),
                                                    .features = x,
                                                    .out = out,
                                                    .row_stride = n});
  });
}

// Where b'_f begins in MaskedUnit::b, counted in positions of one prime, for each unit and output; then all.
using Starts = std::vector<std::vector<size_t>>;

Starts CountPositions(size_t units, size_t outputs, const PositionsFn& positions) {
  Starts starts(units, std::vector<size_t>(outputs + 1));
  for (size_t k = 0; k < units; ++k) {
    for (size_t f = 0; f < outputs; ++f) starts[k][f + 1] = starts[k][f] + positions(k, f).size();
  }
  return starts;
}

// From the products modulo prime i: b' at the positions, without its mask, and a' without its error.
void Gather(const Parameters& params, const EncryptedKernels& kernels, size_t i, const PositionsFn& positions,
            const Starts& starts, size_t workers, EvaluationScratch& scratch, std::vector<MaskedUnit>& result) {
  const Ring& ring = params.ring();
  const size_t rows = kernels.rows(), outputs = kernels.outputs();
  ForEachTask(result.size() * rows, workers, [&](size_t task, size_t) {
    const size_t k = task / rows, row = task % rows;
    uint64_t* product = scratch.products[k].data() + row * ring.n();
    if (row == outputs) {
      std::copy_n(product, ring.n(), result[k].a.limb(i).data());
      return;
    }
    ring.kernels().ntt_inverse(ring.tables(i), product);
    const auto wanted = positions(k, row);
    uint64_t* to = result[k].b.data() + starts[k][row] * ring.num_primes() + i * wanted.size();
    for (size_t p = 0; p < wanted.size(); ++p) to[p] = product[wanted[p]];
  });
}

// Adds g to a'.
void AddError(const Parameters& params, RandomSource& random, EvaluationScratch& scratch, NttPoly& a) {
  const Ring& ring = params.ring();
  EvaluationScratch::Worker& worker = scratch.workers[0];
  SampleCenteredBinomial(random, worker.small);
  TransformSmall(params, worker.small, worker, [&](size_t i, const uint64_t* g) {
    ring.kernels().add(ring.modulus(i), ring.n(), a.limb(i).data(), g, a.limb(i).data());
  });
}

// Fresh rho for each [output][prime][position]: adds it to b' and remembers rho/Q. `starts`: of the outputs.
void Mask(const Parameters& params, const TorusMap& torus, const std::vector<size_t>& starts, RandomSource& random,
          std::vector<uint64_t>& b, Masks& masks) {
  const Ring& ring = params.ring();
  const size_t primes = ring.num_primes();
  masks = Masks(starts.back());
  Secret<uint64_t> rho(b.size());
  Secret<uint64_t> residues(primes);
  for (size_t f = 0; f + 1 < starts.size(); ++f) {
    const size_t positions = starts[f + 1] - starts[f];
    const auto output = rho.RevealMutable().subspan(starts[f] * primes, positions * primes);
    for (size_t i = 0; i < primes; ++i) {
      const auto limb = output.subspan(i * positions, positions);
      SampleUniform(random, ring.modulus(i), limb);
      uint64_t* to = b.data() + starts[f] * primes + i * positions;
      for (size_t p = 0; p < positions; ++p) to[p] = ring.modulus(i).Add(to[p], limb[p]);
    }
    for (size_t p = 0; p < positions; ++p) {
      for (size_t i = 0; i < primes; ++i) residues.RevealMutable()[i] = output[i * positions + p];
      masks.RevealMutable()[starts[f] + p] = torus(residues.Reveal());
    }
  }
}

}  // namespace

uint64_t EvaluationScratchBytes(const ParameterSpec& spec, size_t outputs, size_t units, int threads) {
  const uint64_t n = spec.n, limbs = n * spec.primes.size(), terms = spec.terms + 1;
  const uint64_t unit = (limbs * terms + n * (outputs + 1)) * sizeof(uint64_t) + n * sizeof(int32_t);
  const uint64_t worker = n * (sizeof(int32_t) + sizeof(uint64_t));
  return units * unit + static_cast<uint64_t>(std::max(threads, 1)) * worker;
}

std::vector<MaskedUnit> Evaluate(const Parameters& params, const TorusMap& torus, const EncryptedKernels& kernels,
                                 const FeatureFn& features, const PositionsFn& positions, RandomSource& random,
                                 EvaluationScratch& scratch, std::span<Masks> masks, int threads) {
  const Ring& ring = params.ring();
  const size_t units = masks.size(), outputs = kernels.outputs(), primes = ring.num_primes();
  assert(units >= 1 && units <= kMaxUnitsPerPass);
  const auto workers = static_cast<size_t>(std::max(threads, 1));
  Prepare(params, outputs, units, workers, scratch);
  for (size_t k = 0; k < units; ++k) SampleTernary(random, scratch.blinding[k]);
  TransformFeatures(params, units, features, workers, scratch);

  const Starts starts = CountPositions(units, outputs, positions);
  std::vector<MaskedUnit> result;
  for (size_t k = 0; k < units; ++k) {
    result.push_back({NttPoly(ring), std::vector<uint64_t>(starts[k].back() * primes)});
  }
  for (size_t i = 0; i < primes; ++i) {
    Products(params, kernels, i, units, workers, scratch);
    Gather(params, kernels, i, positions, starts, workers, scratch, result);
  }
  for (size_t k = 0; k < units; ++k) {
    AddError(params, random, scratch, result[k].a);
    Mask(params, torus, starts[k], random, result[k].b, masks[k]);
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
