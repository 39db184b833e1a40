// Writes arrays of numbers to files that others read.
#pragma once

#include <string>

#include "privdnn/base/bytes.h"
#include "privdnn/graph/graph.h"

namespace privdnn {

// Returns NumPy's .npy format, version 1, of 32-bit floats.
Bytes WriteNumpy(const Tensor& tensor);
// Returns the rows of a matrix as lines of numbers with commas between them (CSV); "nan" where there is no number.
std::string WriteTable(const Tensor& matrix);

}  // namespace privdnn
