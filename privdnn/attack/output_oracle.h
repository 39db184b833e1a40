// A served package as seen by a user who keeps what it learns.
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
  // Returns the deviation of the errors in replies, as announced by the owner; 0: replies are exact.
  virtual double output_noise() const = 0;
  // Returns the decrypted outputs [image][output][position] of segment k for inputs that the user chooses,
  // input_size(k) values per image. Charged to the budget. Fails with Cancelled when the user stops it.
  virtual absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs) = 0;
};

}  // namespace privdnn
