// What `privdnn select` found, for machines and for people.
#pragma once

#include "cli/select_search.h"

namespace privdnn::cli {

CommandOutput ReportSelected(const SelectCommand& command, const Evaluator& evaluator, const Selected& selected,
                             double seconds);

}  // namespace privdnn::cli
