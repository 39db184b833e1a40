// Normal deviates without secret-dependent branches or tables.
#pragma once

#include <span>

#include "privdnn/base/random.h"

namespace privdnn {

// Largest size of a deviate.
inline constexpr double kNormalBound = 9.35;

// Independent standard normal deviates by the Box-Muller transform, |x| < kNormalBound (a true normal exceeds that with
// probability 2^-66). Logarithm, sine and cosine are polynomials in straight-line code with a relative error under
// 2^-48; libm's look up tables at secret indices. out.size() must be even.
void SampleNormal(RandomSource& random, std::span<double> out);

}  // namespace privdnn
