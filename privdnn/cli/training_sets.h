// The images that a command trains, chooses the epoch and reports with.
#pragma once

#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/data/dataset.h"

namespace privdnn {

struct TrainingSets {
  ImageSet train, validation, test;
};

// --hold-out of a command that trains: 0 if it is not given.
void AddHoldOut(CLI::App* command, int64_t& hold_out);

// Of the data set `name` under --data: its training images, one half of the test images to choose the epoch with and
// the other to report. With `hold_out` above 0 the last so many training images choose, and all test images report.
absl::StatusOr<TrainingSets> LoadTrainingSets(const std::string& name, const std::string& data, int64_t hold_out,
                                              int threads);

}  // namespace privdnn
