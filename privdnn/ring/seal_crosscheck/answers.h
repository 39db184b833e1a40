// Written by crosscheck.mjs with Microsoft SEAL; do not edit.
// clang-format off
#pragma once

#include <cstddef>
#include <cstdint>

namespace privdnn::seal_crosscheck {

// The two largest primes below 2^50 that are 1 mod 2^15.
inline constexpr uint64_t kPrimes[] = {1125899904679937, 1125899903991809};

// SHA-256 of little-endian residues, prime after prime: the transform of a_1, and the product of a_2 and the small
// polynomial with coefficients (k*k + 3k) mod 21 - 10, modulo kPrimes.
struct Answer {
  size_t n;
  const char* transform;
  const char* product;
};

inline constexpr Answer kAnswers[] = {
    {2048, "dee40384a113d8e4f3fadcc82c5cd210eb5bb4ba094aef8917792c9f6b5aac26",
     "5008e7bb27e5cd364a4479de5341f7784b5325405b1d773803528025166abd01"},
    {4096, "545eb1d9cdae605b931631d3b6394b059b340112bee18ec94867965b334da7cd",
     "1a980d0d43da04b0ac1131e726cf38a657838fc6473aa313e7d454f2a11cf974"},
    {8192, "24104841758141b92a1bbd3e484074c6bb300fe50d7c76271d04673f52be0b60",
     "67ce5687a9529c164347a8a048d04d125a964d6d574f63c8b4e8023845fc91d0"},
    {16384, "f7257bae9006860cce2a1ed852112d0d122304f87f876f78cb28ec8b4c7f1359",
     "8fff4e42290d7b0688f382002226b71be3b10fda5c4949919461fe87dd8d765c"},
};

}  // namespace privdnn::seal_crosscheck
