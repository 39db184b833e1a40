// Transposes bits. Internal to ot.
#pragma once

#include <span>

#include "privdnn/ot/block.h"

namespace privdnn {

// Of 128 rows of 128 bits: bit j of row i becomes bit i of row j.
void Transpose128(std::span<Block, 128> rows);

}  // namespace privdnn
