// Builds reports from the results of a session.
#pragma once

#include <vector>

#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/inference_session.h"

namespace privdnn {

// Reports a run without the owner. `labels` belong to the images; nullptr if there are none.
InferenceReport ReportOffline(const InferenceSession& session, std::vector<int32_t> predictions,
                              const std::vector<int32_t>* labels);
// Reports a run with the owner. The run's peak memory is this process's. `shares` holds one entry per rank and is empty
// for a single process.
InferenceReport ReportOnline(const InferenceSession& session, const InferenceOptions& options,
                             const InferenceResult& result, std::vector<RankShare> shares,
                             const std::vector<int32_t>* labels);

}  // namespace privdnn
