#include "privdnn/sealed/program.h"

#include <algorithm>

#include "privdnn/rlwe/parameters.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxMap = uint64_t{1} << 26;  // values
constexpr uint32_t kMaxSide = 1 << 14;

template <typename... Parts>
struct Overloaded : Parts... {
  using Parts::operator()...;
};

class Checker {
 public:
  Checker(const SealedProgram& program, std::span<const SegmentSpec> segments)
      : program_(program), segments_(segments) {}

  absl::Status Check() {
    if (program_.steps.empty() || program_.steps.size() > kMaxProgramSteps) {
      return InvalidArgument("program: {} steps, must be 1 to {}", program_.steps.size(), kMaxProgramSteps);
    }
    if (program_.values.size() != program_.steps.size()) {
      return InvalidArgument("program: {} values of {} steps", program_.values.size(), program_.steps.size());
    }
    for (; at_ < program_.steps.size(); ++at_) {
      absl::Status checked = CheckValue();
      if (checked.ok()) checked = std::visit(*this, program_.steps[at_]);
      if (!checked.ok()) {
        return Annotate(checked, fmt::format("program: step {} ({})", at_, StepName(program_.steps[at_])));
      }
    }
    if (segments_used_ != segments_.size()) {
      return InvalidArgument("program: uses {} encrypted segments, the package has {}", segments_used_,
                             segments_.size());
    }
    if (program_.answer_bits < 3 || program_.answer_bits > program_.values.back().bits) {
      return InvalidArgument("program: an answer of {} bits, the last value has {}", program_.answer_bits,
                             program_.values.back().bits);
    }
    if (program_.values.back().shape.size() < 2) return InvalidArgument("program: the answer is one number");
    return absl::OkStatus();
  }

  absl::Status operator()(const InputStep& step) const {
    if (step.front > at_) return InvalidArgument("is output {} of the user's part", step.front);
    return InRange("range bits", step.range_bits, 2, own().bits);
  }

  absl::Status operator()(const LinearStep& step) {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    PRIVDNN_RETURN_IF_ERROR(CheckDrop(step.drop));
    PRIVDNN_RETURN_IF_ERROR(CheckWindow(input.shape, step.window));
    const int sum_bits = own().bits + step.drop;
    if (input.bits < sum_bits) {
      return InvalidArgument("sums modulo 2^{} of a value modulo 2^{}", sum_bits, input.bits);
    }
    if (step.groups < 1 || input.shape.channels % step.groups != 0 || own().shape.channels % step.groups != 0) {
      return InvalidArgument("{} groups of {} channels and {} outputs", step.groups, input.shape.channels,
                             own().shape.channels);
    }
    std::vector<uint32_t> outputs = step.plain;
    outputs.insert(outputs.end(), step.encrypted.begin(), step.encrypted.end());
    const auto ascends = [](const std::vector<uint32_t>& list) {
      return std::ranges::adjacent_find(list, std::greater_equal<>()) == list.end();
    };
    const bool ascending = ascends(step.plain) && ascends(step.encrypted);
    std::ranges::sort(outputs);
    bool all = outputs.size() == own().shape.channels;
    for (uint32_t c = 0; all && c < outputs.size(); ++c) all = outputs[c] == c;
    if (!ascending || !all) return InvalidArgument("its outputs are not each plaintext or encrypted");
    const uint64_t fan_in = input.shape.channels / step.groups * step.window.kernel.area();
    if (step.weights.size() != step.plain.size() * fan_in || step.bias.size() != step.plain.size()) {
      return InvalidArgument("{} weights and {} biases of {} plaintext outputs with {} inputs each",
                             step.weights.size(), step.bias.size(), step.plain.size(), fan_in);
    }
    return step.encrypted.empty() ? absl::OkStatus() : CheckSegment(step, input, sum_bits);
  }

  absl::Status operator()(const ReluStep& step) const {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    PRIVDNN_RETURN_IF_ERROR(InRange("range bits", step.range_bits, 2, std::min(input.bits, own().bits)));
    return SameShape(input);
  }

  absl::Status operator()(const ExtendStep& step) const {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    PRIVDNN_RETURN_IF_ERROR(InRange("range bits", step.range_bits, 3, std::min(input.bits, own().bits - 1)));
    return SameShape(input);
  }

  absl::Status operator()(const MaxPoolStep& step) const {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    PRIVDNN_RETURN_IF_ERROR(CheckWindow(input.shape, step.window));
    if (own().bits > input.bits) return InvalidArgument("gives {} bits of {}", own().bits, input.bits);
    const Pads& p = step.window.pads;
    const Size2 k = step.window.kernel;
    if (p.top >= k.h || p.bottom >= k.h || p.left >= k.w || p.right >= k.w) {
      return InvalidArgument("a window may lie in the padding alone");
    }
    if (own().shape.channels != input.shape.channels) return InvalidArgument("changes the number of channels");
    return absl::OkStatus();
  }

  absl::Status operator()(const SquareStep& step) const {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    PRIVDNN_RETURN_IF_ERROR(CheckDrop(step.drop));
    if (input.bits < own().bits + step.drop) {
      return InvalidArgument("squares modulo 2^{} of a value modulo 2^{}", own().bits + step.drop, input.bits);
    }
    return SameShape(input);
  }

  absl::Status operator()(const AddStep& step) const {
    for (const auto& [id, drop] : {std::pair(step.first, step.drop_first), {step.second, step.drop_second}}) {
      PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(id));
      PRIVDNN_RETURN_IF_ERROR(CheckDrop(drop));
      if (input.bits < own().bits + drop) {
        return InvalidArgument("gives {} bits of {} without {}", own().bits, input.bits, drop);
      }
      PRIVDNN_RETURN_IF_ERROR(SameShape(input));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const ReshapeStep& step) const {
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue input, Read(step.input));
    if (input.shape.size() != own().shape.size() || own().bits > input.bits) {
      return InvalidArgument("{} values of {} bits from {} of {}", own().shape.size(), own().bits, input.shape.size(),
                             input.bits);
    }
    return absl::OkStatus();
  }

 private:
  const SealedValue& own() const { return program_.values[at_]; }

  static absl::Status InRange(const char* what, int64_t value, int64_t least, int64_t most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return InvalidArgument("{}: {}, must be {} to {}", what, value, least, most);
  }

  absl::Status CheckValue() const {
    const SealedValue& v = own();
    PRIVDNN_RETURN_IF_ERROR(InRange("bits", v.bits, 2, kMaxShareBits));
    PRIVDNN_RETURN_IF_ERROR(InRange("exponent", v.exponent, -64, 64));
    for (const uint32_t side : {v.shape.height, v.shape.width}) {
      PRIVDNN_RETURN_IF_ERROR(InRange("side", side, 1, kMaxSide));
    }
    PRIVDNN_RETURN_IF_ERROR(InRange("channels", v.shape.channels, 1, 1 << 16));
    return InRange("values", static_cast<int64_t>(v.shape.size()), 1, kMaxMap);
  }

  absl::Status CheckDrop(int drop) const { return InRange("dropped bits", drop, 0, kMaxShareBits - own().bits); }

  absl::StatusOr<SealedValue> Read(ValueId id) const {
    if (id >= at_) return InvalidArgument("reads value {}", id);
    return program_.values[id];
  }

  absl::Status SameShape(const SealedValue& input) const {
    return input.shape == own().shape ? absl::OkStatus() : InvalidArgument("changes the shape");
  }

  absl::Status CheckWindow(const MapShape& input, const SealedWindow& w) const {
    for (const uint32_t v : {w.kernel.h, w.kernel.w, w.stride.h, w.stride.w}) {
      PRIVDNN_RETURN_IF_ERROR(InRange("window", v, 1, kMaxSide));
    }
    for (const uint32_t v : {w.pads.top, w.pads.left, w.pads.bottom, w.pads.right}) {
      PRIVDNN_RETURN_IF_ERROR(InRange("pad", v, 0, kMaxSide));
    }
    if (input.height + w.pads.top + w.pads.bottom < w.kernel.h ||
        input.width + w.pads.left + w.pads.right < w.kernel.w) {
      return InvalidArgument("a window of {}x{} is larger than its input", w.kernel.h, w.kernel.w);
    }
    const Size2 map = WindowedMap(input, w);
    if (map == Size2{own().shape.height, own().shape.width}) return absl::OkStatus();
    return InvalidArgument("windows give {}x{}, its value has {}x{}", map.h, map.w, own().shape.height,
                           own().shape.width);
  }

  // The segment computes just this convolution.
  absl::Status CheckSegment(const LinearStep& step, const SealedValue& input, int sum_bits) {
    if (step.groups != 1) return InvalidArgument("encrypted outputs of a layer in groups");
    if (step.segment != segments_used_ || step.segment >= segments_.size()) {
      return InvalidArgument("segment {}, the next is {} of {}", step.segment, segments_used_, segments_.size());
    }
    const SegmentSpec& s = segments_[segments_used_++];
    const SealedWindow& w = step.window;
    const bool fits =
        s.kind == SegmentKind::kLinear && s.channels == input.shape.channels &&
        s.input == Size2{input.shape.height, input.shape.width} && s.pads1 == w.pads && s.groups.size() == 1 &&
        s.groups[0].outputs == step.encrypted.size() && s.groups[0].kernel == w.kernel &&
        s.groups[0].stride == w.stride && s.groups[0].origin == Size2{0, 0} &&
        s.groups[0].map == Size2{own().shape.height, own().shape.width} && static_cast<int>(s.input_bits) == sum_bits;
    return fits ? absl::OkStatus() : InvalidArgument("segment {} computes something else", step.segment);
  }

  const SealedProgram& program_;
  const std::span<const SegmentSpec> segments_;
  size_t at_ = 0, segments_used_ = 0;
};

}  // namespace

std::string StepName(const SealedStep& step) {
  return std::visit(
      Overloaded{[](const InputStep&) { return "input"; }, [](const LinearStep&) { return "linear"; },
                 [](const ReluStep&) { return "ReLU"; }, [](const ExtendStep&) { return "extension"; },
                 [](const MaxPoolStep&) { return "max pool"; }, [](const SquareStep&) { return "square"; },
                 [](const AddStep&) { return "add"; }, [](const ReshapeStep&) { return "reshape"; }},
      step);
}

absl::Status CheckProgram(const SealedProgram& program, std::span<const SegmentSpec> segments) {
  return Checker(program, segments).Check();
}

Size2 WindowedMap(const MapShape& input, const SealedWindow& w) {
  return {(input.height + w.pads.top + w.pads.bottom - w.kernel.h) / w.stride.h + 1,
          (input.width + w.pads.left + w.pads.right - w.kernel.w) / w.stride.w + 1};
}

}  // namespace privdnn
