// Builds the document of a privacy report.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// Returns the verdict and the figures of the steps that have results; for the other steps, the reason. Throws
// Json::exception if a result doesn't have the fields that its command prints.
Document Describe(const Results& results);

}  // namespace privdnn
