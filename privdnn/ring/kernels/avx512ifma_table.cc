// The AVX-512 IFMA kernels as a table; the loops are in files of their own, compiled with AVX-512 flags.
#include <cassert>

#include "privdnn/base/cpu.h"
#include "privdnn/ring/kernels/avx512ifma.h"
#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

#if defined(__x86_64__)

avx512ifma::ModulusView View(const Modulus& m) {
  const Modulus::Powers52& p = m.powers52();
  return {.q = m.value(),
          .one_shoup = p.one_shoup,
          .pow52 = p.pow52,
          .pow52_shoup = p.pow52_shoup,
          .pow104 = p.pow104,
          .pow104_shoup = p.pow104_shoup};
}

void NttForward(const NttTables& t, uint64_t* values) {
  if (t.n < avx512ifma::kMinNttDegree) return ScalarKernels().ntt_forward(t, values);
  avx512ifma::NttForward({t.n, t.modulus.value(), t.roots.data(), t.roots_shoup52.data()}, values);
}

void NttInverse(const NttTables& t, uint64_t* values) {
  if (t.n < avx512ifma::kMinNttDegree) return ScalarKernels().ntt_inverse(t, values);
  avx512ifma::NttInverse({t.n, t.modulus.value(), t.inverse_roots.data(), t.inverse_roots_shoup52.data()}, values);
}

static_assert(kTile == 8 &&
              kMaxUnitsPerPass == 8);  // what avx512ifma.cc, which may not include kernels.h, was made for
void InnerProducts(const Modulus& modulus, const InnerProductArgs& args) {
  assert(args.terms >= 1 && args.terms <= kMaxTerms && args.units >= 1 && args.units <= kMaxUnitsPerPass);
  avx512ifma::InnerProducts(View(modulus), args);
}

void Multiply(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  avx512ifma::Multiply(View(modulus), n, a, b, out);
}

void Add(const Modulus& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out) {
  avx512ifma::Add(View(modulus), n, a, b, out);
}

void LiftSigned(const Modulus& modulus, size_t n, const int32_t* small, uint64_t* out) {
  avx512ifma::LiftSigned(View(modulus), n, small, out);
}

constexpr Kernels kAvx512Ifma = {.name = "avx512ifma",
                                 .supported = CpuHasAvx512Ifma,
                                 .ntt_forward = NttForward,
                                 .ntt_inverse = NttInverse,
                                 .inner_products = InnerProducts,
                                 .multiply = Multiply,
                                 .add = Add,
                                 .lift_signed = LiftSigned,
                                 .scatter_tiles = avx512ifma::ScatterTiles};

#else

// Never called.
constexpr Kernels kAvx512Ifma = {.name = "avx512ifma",
                                 .supported = [] { return false; },
                                 .ntt_forward = nullptr,
                                 .ntt_inverse = nullptr,
                                 .inner_products = nullptr,
                                 .multiply = nullptr,
                                 .add = nullptr,
                                 .lift_signed = nullptr,
                                 .scatter_tiles = nullptr};

#endif

}  // namespace

const Kernels& Avx512IfmaKernels() { return kAvx512Ifma; }

}  // namespace privdnn
