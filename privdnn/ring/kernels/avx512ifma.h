// The AVX-512 IFMA loops on bare pointers. The files that implement them are compiled with AVX-512 flags, so neither
// they nor this header may include anything whose inline functions other files share: the linker could keep the copy
// that other processors cannot run. avx512ifma_table.cc makes privdnn::Kernels of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "privdnn/ring/kernels/inner_product_args.h"

namespace privdnn::avx512ifma {

// Roots and Shoup quotients floor(w * 2^52 / q) in the order of NttTables.
struct NttView {
  size_t n;
  uint64_t q;
  const uint64_t* roots;
  const uint64_t* shoup;
};

// A modulus with what reduces l + 2^52 h + 2^104 c; see Modulus::Powers52.
struct ModulusView {
  uint64_t q;
  uint64_t one_shoup;
  uint64_t pow52, pow52_shoup;
  uint64_t pow104, pow104_shoup;
};

// n >= kMinNttDegree; the rest as in privdnn::Kernels.
inline constexpr size_t kMinNttDegree = 64;
void NttForward(const NttView& tables, uint64_t* values);
void NttInverse(const NttView& tables, uint64_t* values);
void InnerProducts(const ModulusView& modulus, const InnerProductArgs& args);
void Multiply(const ModulusView& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out);
void Add(const ModulusView& modulus, size_t n, const uint64_t* a, const uint64_t* b, uint64_t* out);
void LiftSigned(const ModulusView& modulus, size_t n, const int32_t* small, uint64_t* out);
void ScatterTiles(size_t n, size_t terms, size_t term, const uint64_t* src, uint64_t* dst);

// For benchmarks: kProbeMacs multiply-accumulates of 52-bit words (a vpmadd52luq and a vpmadd52huq each, in registers)
// an iteration, and the sum of `count` words (a multiple of 64).
inline constexpr size_t kProbeMacs = 64;
uint64_t MultiplyAddProbe(uint64_t iterations);
uint64_t StreamProbe(const uint64_t* data, size_t count);

}  // namespace privdnn::avx512ifma
