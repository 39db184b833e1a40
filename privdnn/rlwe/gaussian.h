// Normal deviates without secret-dependent branches or tables.
#pragma once

#include <span>

#include "privdnn/base/random.h"

namespace privdnn {

// Largest size of a deviate.
inline constexpr double kNormalBound = 9.35;
// The probability that a normal deviate exceeds it: the statistical distance of one of ours from a normal.
inline constexpr double kNormalTail = 0x1p-66;
// The relative error of a deviate.
inline constexpr double kNormalError = 0x1p-48;

// Independent standard normal deviates by the Box-Muller transform, |x| < kNormalBound, which a true normal exceeds
// with probability kNormalTail. Logarithm, sine and cosine are polynomials in straight-line code with a relative error
// under kNormalError; libm's look up tables at secret indices. out.size() must be even.
void SampleNormal(RandomSource& random, std::span<double> out);

}  // namespace privdnn
