// A served package from the side of a user who keeps what it learns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/party/user.h"
#include "privdnn/pipeline/rest_network.h"

namespace privdnn {

class OutputOracle {
 public:
  virtual ~OutputOracle() = default;

  virtual const User& user() const = 0;
  virtual const RestNetwork& rest() const = 0;
  // Deviation of the errors in replies, as the owner says; 0: replies are exact.
  virtual double output_noise() const = 0;
  // Decrypted outputs [image][output][position] of segment k for inputs that the user chooses, input_size(k) values
  // each. Charged to the budget. Cancelled when the user stops it.
  virtual absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs) = 0;
};

}  // namespace privdnn
