// A served package from the side of a user who keeps what it learns.
#pragma once

#include <memory>
#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/party/user.h"
#include "privdnn/pipeline/rest_network.h"
#include "privdnn/service/client.h"

namespace privdnn {

// How a user reaches an owner's server.
struct OwnerAddress {
  std::string package, address, tls, user = "user";
};

class AttackTarget {
 public:
  static absl::StatusOr<AttackTarget> Connect(const OwnerAddress& owner, int threads);

  const User& user() const { return *user_; }
  const RestNetwork& rest() const { return rest_; }
  // Deviation of the errors in replies, as the owner says; 0: replies are exact.
  double output_noise() const { return output_noise_; }
  // Decrypted outputs [image][output][position] of segment k for inputs that the user chooses, input_size(k) values
  // each. Charged to the budget. Cancelled when interrupted.
  absl::StatusOr<std::vector<int64_t>> Ask(size_t k, std::span<const float> inputs);

 private:
  AttackTarget(std::unique_ptr<User> user, RestNetwork rest, Client client, int64_t batch, double output_noise,
               int threads)
      : user_(std::move(user)),
        rest_(std::move(rest)),
        client_(std::move(client)),
        batch_(static_cast<size_t>(batch)),
        output_noise_(output_noise),
        threads_(threads) {}
  std::unique_ptr<User> user_;
  RestNetwork rest_;
  Client client_;
  size_t batch_;
  double output_noise_;
  int threads_;
  User::Workspace workspace_;
};

}  // namespace privdnn
