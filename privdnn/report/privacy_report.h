// The document of a privacy report.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// Verdict and figures of the steps that have results; of the others, why not. Throws Json::exception if a result hasn't
// the fields that its command prints.
Document Describe(const Results& results);

}  // namespace privdnn
