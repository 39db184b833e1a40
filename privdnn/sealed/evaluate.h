// Runs a sealed program as one of its two parties.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"
#include "privdnn/sealed/program.h"
#include "privdnn/shares/bits.h"
#include "privdnn/shares/party.h"

namespace privdnn {

// The owner is party 0 of the shares, the user party 1.
inline constexpr int kOwnerParty = 0, kUserParty = 1;

// One party's side of encrypted layers.
class EncryptedLayers {
 public:
  virtual ~EncryptedLayers() = default;
  // Returns shares of the outputs of segment k, [image][output][position], modulo 2^(its plain bits), from those of its
  // inputs modulo 2^input_bits, [image][channel][row][column]. The owner has none of inputs that the user knows.
  virtual absl::StatusOr<ShareValues> Run(uint32_t k, std::span<const uint32_t> inputs, uint32_t images,
                                          SharesParty& party) = 0;
};

// The user multiplies its shares into the package's ciphertexts and sends them masked. Both outlive it.
class UsersLayers final : public EncryptedLayers {
 public:
  UsersLayers(const User& user, int threads) : user_(user), threads_(threads) {}
  absl::StatusOr<ShareValues> Run(uint32_t k, std::span<const uint32_t> inputs, uint32_t images,
                                  SharesParty& party) override;

 private:
  const User& user_;
  const int threads_;
  User::Workspace workspace_;
};

// The owner decrypts what comes and adds what it computes of its own shares.
class OwnersLayers final : public EncryptedLayers {
 public:
  OwnersLayers(const Owner& owner, int threads) : owner_(owner), threads_(threads) {}
  absl::StatusOr<ShareValues> Run(uint32_t k, std::span<const uint32_t> inputs, uint32_t images,
                                  SharesParty& party) override;

 private:
  const Owner& owner_;
  const int threads_;
};

// What the user's plaintext part gives: for each InputStep's front output integers [image][channel][row][column].
using FrontOutputs = std::vector<std::vector<int32_t>>;

// The answer: labels or, [image][class], scores. The owner's is empty.
struct SealedAnswer {
  std::vector<uint32_t> labels;
  std::vector<int32_t> scores;
};

// Sees a party's shares of the value of each step, [image][channel][row][column], the last value included. For tests.
using ObserveFn = std::function<void(size_t step, std::span<const uint32_t> shares)>;

// Called before the answer's first message, when nothing has been told yet; an error ends the run.
using BeforeAnswerFn = std::function<absl::Status()>;

// Evaluates `images` images, at least 1, with a program that CheckProgram accepts. `front` is the user's alone. Errors
// name step and layer.
absl::StatusOr<SealedAnswer> EvaluateSealed(const SealedProgram& program, SharesParty& party, EncryptedLayers& layers,
                                            const FrontOutputs& front, uint32_t images, const ObserveFn& observe = {},
                                            const BeforeAnswerFn& before_answer = {});

// A convolution with plaintext weights, modulo 2^32: adds outputs [plain][row][column] of one image of shares
// [channel][row][column]; without biases.
void ConvolvePlain(const LinearStep& step, const MapShape& input, Size2 map, std::span<const uint32_t> x,
                   std::span<uint32_t> y);

// For each place of a max pool's window and each output of one image, the index of the input that lies there:
// [place][output]. A place in the padding has the nearest input, which is in the window too.
std::vector<std::vector<uint32_t>> PoolIndices(const MaxPoolStep& step, const MapShape& input, Size2 map);

}  // namespace privdnn
