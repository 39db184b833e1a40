// The state of training between two steps, as a file. Internal to torch.
//
// Format, little-endian: "PDNNTRN1"; fingerprint of graph, data and options (32 bytes); step (u64); loss sum (f64);
// best accuracy (f64); number of epoch reports (u32) and each as epoch (u32), loss (f64), accuracy (f64); then for each
// parameter its value, first moment, second moment, average and best value as 32-bit floats; SHA-256 of everything
// before it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "privdnn/base/bytes.h"
#include "privdnn/torch/train.h"

namespace privdnn {

using Fingerprint = std::array<uint8_t, 32>;

struct TrainState {
  // The state of one parameter; all vectors have its size. The moments are Adam's.
  struct Parameter {
    std::vector<float> value, first_moment, second_moment, average, best;
    bool operator==(const Parameter&) const = default;
  };
  uint64_t step = 0;          // steps done
  double loss_sum = 0;        // of the steps done in the current epoch
  double best_accuracy = -1;  // percent, of the epochs done
  std::vector<EpochReport> epochs;
  std::vector<Parameter> parameters;
  bool operator==(const TrainState&) const = default;
};

Bytes WriteTrainState(const TrainState& state, const Fingerprint& fingerprint);
// Parses the state. `sizes` gives the number of elements of each parameter; `what` names the state in errors. Fails
// with FailedPrecondition if it belongs to different training, and with InvalidArgument if it is damaged.
absl::StatusOr<TrainState> ReadTrainState(std::span<const uint8_t> bytes, const std::string& what,
                                          const Fingerprint& fingerprint, const std::vector<int64_t>& sizes);

}  // namespace privdnn
