// The program that owner and user run on shares behind the first encrypted layer, compiled once from a network
// (lifting/seal.h). It holds what both may know: shapes, widths, shifts, plaintext weights. The encrypted weights are
// segments of the package.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "privdnn/base/status.h"
#include "privdnn/segment/geometry.h"

namespace privdnn {

struct MapShape {
  uint32_t channels = 1, height = 1, width = 1;
  uint64_t size() const { return uint64_t{channels} * height * width; }
  bool operator==(const MapShape&) const = default;
};

// The result of a step, numbered as the step is: signed integers shared modulo 2^bits. Each stands for the real number
// integer * 2^-exponent.
struct SealedValue {
  MapShape shape;
  int bits = 0;  // 2 to kMaxShareBits
  int exponent = 0;
  bool operator==(const SealedValue&) const = default;
};
using ValueId = uint32_t;

struct SealedWindow {
  Size2 kernel, stride;
  Pads pads;
  bool operator==(const SealedWindow&) const = default;
};

// A value that the user computes alone, from its input and plaintext layers: output `front` of that part of the
// network, rounded to integers below 2^(range_bits - 1) in magnitude. The owner's share is 0.
struct InputStep {
  uint32_t front = 0;
  int range_bits = 8;  // at most the value's bits
  bool operator==(const InputStep&) const = default;
};

// A convolution, of which outputs with plaintext weights are computed on shares by each party alone, and encrypted
// outputs by a segment of the package, one message. The sums are modulo 2^(bits + drop); their `drop` low bits are
// dropped.
struct LinearStep {
  ValueId input = 0;
  SealedWindow window;
  uint32_t groups = 1;              // 1 if any output is encrypted
  std::vector<uint32_t> plain;      // which outputs have plaintext weights, ascending
  std::vector<int32_t> weights;     // of these: [output][channel of its group][row][column]
  std::vector<int64_t> bias;        // of these
  std::vector<uint32_t> encrypted;  // which have encrypted ones, ascending, in the segment's order
  uint32_t segment = 0;             // of the package; 0 if none is encrypted
  int drop = 0;
  bool operator==(const LinearStep&) const = default;
};

// max(x, 0); x below 2^(range_bits - 1) in magnitude.
struct ReluStep {
  ValueId input = 0;
  int range_bits = 13;
  bool operator==(const ReluStep&) const = default;
};

// The same numbers modulo more bits; below 2^(range_bits - 2) in magnitude.
struct ExtendStep {
  ValueId input = 0;
  int range_bits = 14;
  bool operator==(const ExtendStep&) const = default;
};

// The largest number of each window; what lies in the padding doesn't count. Differences of two must fit the value's
// bits.
struct MaxPoolStep {
  ValueId input = 0;
  SealedWindow window;
  bool operator==(const MaxPoolStep&) const = default;
};

// x^2, modulo 2^(bits + drop), of which the low bits are dropped.
struct SquareStep {
  ValueId input = 0;
  int drop = 0;
  bool operator==(const SquareStep&) const = default;
};

// The sum of two values, of which low bits are dropped before.
struct AddStep {
  ValueId first = 0, second = 0;
  int drop_first = 0, drop_second = 0;
  bool operator==(const AddStep&) const = default;
};

// The same numbers, as a map of another shape.
struct ReshapeStep {
  ValueId input = 0;
  bool operator==(const ReshapeStep&) const = default;
};

using SealedStep =
    std::variant<InputStep, LinearStep, ReluStep, ExtendStep, MaxPoolStep, SquareStep, AddStep, ReshapeStep>;

// What the user learns of the last value: the index of the largest, or all of them.
enum class Reveal : uint8_t { kLabel = 0, kScores = 1 };

inline constexpr uint32_t kMaxProgramSteps = 4096;

struct SealedProgram {
  std::vector<SealedStep> steps;
  std::vector<SealedValue> values;  // as many
  Reveal reveal = Reveal::kLabel;
  int answer_bits = 13;  // scores are below 2^(answer_bits - 2) in magnitude, so that differences fit
  bool operator==(const SealedProgram&) const = default;
};

// "ReLU"
std::string StepName(const SealedStep& step);

// Checks that steps read earlier values of shapes and widths that fit, that no sum, shift or index is out of range, and
// that encrypted outputs are those of `segments`, in order, each used once. Fails with InvalidArgument, naming the
// step.
absl::Status CheckProgram(const SealedProgram& program, std::span<const SegmentSpec> segments);

// The program as packages and keys hold it.
Bytes WriteProgram(const SealedProgram& program);
// Reads and checks it. Fails with InvalidArgument, naming field and byte, or as CheckProgram does; `what` names the
// bytes. Allocates no more than the bytes explain.
absl::StatusOr<SealedProgram> ReadProgram(std::span<const uint8_t> bytes, std::span<const SegmentSpec> segments,
                                          const std::string& what);

// Where the windows of a pool or a convolution lie: {height, width} of the map that they give. Windows begin in the
// padded input.
Size2 WindowedMap(const MapShape& input, const SealedWindow& window);

}  // namespace privdnn
