// From what a session did to the report of it.
#pragma once

#include <vector>

#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/inference_session.h"

namespace privdnn {

// `labels`: of the images, or nullptr if there are none.
InferenceReport ReportOffline(const InferenceSession& session, std::vector<int32_t> predictions,
                              const std::vector<int32_t>* labels);
// Takes this process's peak memory as that of the run. `shares`: of the ranks, empty for one process.
InferenceReport ReportOnline(const InferenceSession& session, const InferenceOptions& options,
                             const InferenceResult& result, std::vector<RankShare> shares,
                             const std::vector<int32_t>* labels);

}  // namespace privdnn
