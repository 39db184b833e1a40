// The linear function that IKNP's consistency check hashes rows with. Internal to ot, and to the test that cheats.
#pragma once

#include <span>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/base/random.h"
#include "privdnn/ot/prg.h"

namespace privdnn {

// R: the inner product with random coefficients in GF(2^128), and the last block as it is: the mask.
class RowHash {
 public:
  // The coefficients depend on all that the receiver has sent for this chunk of transfers.
  RowHash(const OtKernels& kernels, std::span<const uint8_t> context, uint64_t chunk, std::span<const uint8_t> sent,
          size_t row_blocks)
      : kernels_(kernels), coefficients_(row_blocks) {
    ByteWriter w;
    w.U64(context.size());
    w.Raw(context);
    w.U64(chunk);
    const auto digest = Sha256(sent);
    const std::span<const uint8_t> parts[] = {AsBytes("privdnn/v1/iknp-check"), w.view(), digest};
    Block seed;
    Shake128(parts, {reinterpret_cast<uint8_t*>(&seed), sizeof seed});
    Prg(kernels, seed).Fill(coefficients_);
    coefficients_.back() = {1, 0};
  }
  Block operator()(std::span<const Block> row) const {
    return kernels_.gf128_inner_product(row.data(), coefficients_.data(), row.size());
  }

 private:
  const OtKernels& kernels_;
  std::vector<Block> coefficients_;
};

}  // namespace privdnn
