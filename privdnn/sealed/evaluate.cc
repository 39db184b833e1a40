#include "privdnn/sealed/evaluate.h"

#include <algorithm>
#include <optional>

#include "privdnn/shares/extension.h"
#include "privdnn/shares/local.h"
#include "privdnn/shares/maximum.h"
#include "privdnn/shares/relu.h"
#include "privdnn/shares/square.h"

namespace privdnn {
namespace {

ShareValues Masked(std::span<const uint32_t> x, int bits) {
  ShareValues result(x.begin(), x.end());
  Narrow(result, bits);
  return result;
}

// Masked and padded to a batch.
ShareValues Batch(std::span<const uint32_t> x, int bits) {
  ShareValues result = Masked(x, bits);
  result.resize(PaddedCount(x.size()));
  return result;
}

class Run {
 public:
  Run(const SealedProgram& program, SharesParty& party, EncryptedLayers& layers, const FrontOutputs& front,
      uint32_t images)
      : program_(program), party_(party), layers_(layers), front_(front), images_(images) {}

  // The shares of a step's value.
  absl::StatusOr<ShareValues> Step(size_t at) {
    at_ = at;
    return std::visit(*this, program_.steps[at]);
  }
  void Keep(ShareValues value) { values_.push_back(std::move(value)); }
  void Drop(ValueId id) { values_[id] = ShareValues(); }

  absl::StatusOr<ShareValues> operator()(const InputStep& step) {
    ShareValues value(Count());
    if (party_.id() == kOwnerParty) return value;
    const std::vector<int32_t>& front = front_[step.front];
    if (front.size() != value.size()) {
      return InvalidArgument("{} numbers of the plaintext part, needs {}", front.size(), value.size());
    }
    for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<uint32_t>(front[i]) & LowMask(own().bits);
    return value;
  }

  absl::StatusOr<ShareValues> operator()(const LinearStep& step) {
    const int sum_bits = own().bits + step.drop;
    const SealedValue& input = program_.values[step.input];
    const bool known = std::holds_alternative<InputStep>(program_.steps[step.input]);
    const ShareValues x = Masked(values_[step.input], sum_bits);
    const Size2 map{own().shape.height, own().shape.width};
    const size_t in = input.shape.size(), out = own().shape.size(), plain = step.plain.size() * map.area();
    ShareValues sums(Count()), one(plain);
    for (uint32_t image = 0; image < images_; ++image) {
      std::ranges::fill(one, 0);
      const bool zero = known && party_.id() == kOwnerParty;
      if (!zero) ConvolvePlain(step, input.shape, map, std::span<const uint32_t>(x).subspan(image * in, in), one);
      for (size_t f = 0; f < step.plain.size(); ++f) {
        const uint32_t bias = static_cast<uint32_t>(step.bias[f]) & static_cast<uint32_t>(party_.first_mask());
        uint32_t* to = sums.data() + image * out + step.plain[f] * map.area();
        for (size_t p = 0; p < map.area(); ++p) to[p] = one[f * map.area() + p] + bias;
      }
    }
    if (!step.encrypted.empty()) PRIVDNN_RETURN_IF_ERROR(AddEncrypted(step, x, known, map, sums));
    Narrow(sums, sum_bits);
    DropLowBits(sums, step.drop);
    return sums;
  }

  absl::StatusOr<ShareValues> operator()(const ReluStep& step) { return Widen<Relu>(step.input, step.range_bits); }
  absl::StatusOr<ShareValues> operator()(const ExtendStep& step) {
    return Widen<Extension>(step.input, step.range_bits);
  }

  absl::StatusOr<ShareValues> operator()(const MaxPoolStep& step) {
    const SealedValue& input = program_.values[step.input];
    const auto places = PoolIndices(step, input.shape, {own().shape.height, own().shape.width});
    const size_t in = input.shape.size(), out = own().shape.size(), count = PaddedCount(Count());
    std::vector<ShareValues> rivals;
    for (const auto& place : places) {
      ShareValues x(count);
      for (uint32_t image = 0; image < images_; ++image) {
        for (size_t i = 0; i < out; ++i) {
          x[image * out + i] = values_[step.input][image * in + place[i]] & LowMask(own().bits);
        }
      }
      rivals.push_back(std::move(x));
    }
    // All pairs of a round in one batch.
    while (rivals.size() > 1) {
      const size_t pairs = rivals.size() / 2;
      ShareValues a, b;
      for (size_t i = 0; i < pairs; ++i) {
        a.insert(a.end(), rivals[i].begin(), rivals[i].end());
        b.insert(b.end(), rivals[rivals.size() - 1 - i].begin(), rivals[rivals.size() - 1 - i].end());
      }
      PRIVDNN_ASSIGN_OR_RETURN(Maximum maximum, Maximum::Prepare(party_, a.size(), own().bits));
      PRIVDNN_ASSIGN_OR_RETURN(const ShareValues larger, maximum.Run(party_, a, b));
      rivals.resize(rivals.size() - pairs);
      for (size_t i = 0; i < pairs; ++i) {
        const auto from = larger.begin() + static_cast<std::ptrdiff_t>(i * count);
        rivals[i].assign(from, from + static_cast<std::ptrdiff_t>(count));
      }
    }
    rivals[0].resize(Count());
    return std::move(rivals[0]);
  }

  absl::StatusOr<ShareValues> operator()(const SquareStep& step) {
    const int bits = own().bits + step.drop;
    const ShareValues x = Batch(values_[step.input], bits);
    PRIVDNN_ASSIGN_OR_RETURN(Square square, Square::Prepare(party_, x.size(), bits));
    PRIVDNN_ASSIGN_OR_RETURN(ShareValues y, square.Run(party_, x));
    y.resize(Count());
    DropLowBits(y, step.drop);
    return y;
  }

  absl::StatusOr<ShareValues> operator()(const AddStep& step) {
    ShareValues sum(Count());
    for (const auto& [id, drop] : {std::pair(step.first, step.drop_first), {step.second, step.drop_second}}) {
      ShareValues x = Masked(values_[id], own().bits + drop);
      DropLowBits(x, drop);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += x[i];
    }
    Narrow(sum, own().bits);
    return sum;
  }

  absl::StatusOr<ShareValues> operator()(const ReshapeStep& step) { return Masked(values_[step.input], own().bits); }

  absl::StatusOr<SealedAnswer> Reveal() {
    const size_t classes = program_.values.back().shape.size();
    const ShareValues scores = Masked(values_.back(), program_.answer_bits);
    SealedAnswer answer;
    if (program_.reveal == Reveal::kLabel) {
      PRIVDNN_ASSIGN_OR_RETURN(ArgMax arg_max, ArgMax::Prepare(party_, images_, classes, program_.answer_bits));
      PRIVDNN_ASSIGN_OR_RETURN(answer.labels, arg_max.Run(party_, scores));
      return answer;
    }
    Bytes message;
    const uint64_t size = (uint64_t{scores.size()} * static_cast<uint64_t>(program_.answer_bits) + 7) / 8;
    if (party_.id() == kOwnerParty) AppendValues(scores, program_.answer_bits, message);
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes other,
                             party_.Exchange("scores", message, party_.id() == kOwnerParty ? 0 : size));
    if (party_.id() == kOwnerParty) return answer;
    const ShareValues owners = ShareReader(other).Values(scores.size(), program_.answer_bits);
    const int unused = 32 - program_.answer_bits;
    for (size_t i = 0; i < scores.size(); ++i) {
      answer.scores.push_back(static_cast<int32_t>((scores[i] + owners[i]) << unused) >> unused);
    }
    return answer;
  }

 private:
  // A protocol from range_bits to the value's bits.
  template <typename Protocol>
  absl::StatusOr<ShareValues> Widen(ValueId input, int range_bits) {
    const ShareValues x = Batch(values_[input], range_bits);
    PRIVDNN_ASSIGN_OR_RETURN(Protocol protocol, Protocol::Prepare(party_, x.size(), range_bits, own().bits));
    PRIVDNN_ASSIGN_OR_RETURN(ShareValues y, protocol.Run(party_, x));
    y.resize(Count());
    return y;
  }

  const SealedValue& own() const { return program_.values[at_]; }
  size_t Count() const { return images_ * own().shape.size(); }

  absl::Status AddEncrypted(const LinearStep& step, const ShareValues& x, bool known, Size2 map, ShareValues& sums) {
    const bool nothing = known && party_.id() == kOwnerParty;
    PRIVDNN_ASSIGN_OR_RETURN(
        const ShareValues y,
        layers_.Run(step.segment, nothing ? std::span<const uint32_t>() : std::span<const uint32_t>(x), images_,
                    party_));
    const size_t area = map.area(), out = own().shape.size();
    for (uint32_t image = 0; image < images_; ++image) {
      for (size_t f = 0; f < step.encrypted.size(); ++f) {
        std::copy_n(y.begin() + static_cast<std::ptrdiff_t>((image * step.encrypted.size() + f) * area), area,
                    sums.begin() + static_cast<std::ptrdiff_t>(image * out + step.encrypted[f] * area));
      }
    }
    return absl::OkStatus();
  }

  const SealedProgram& program_;
  SharesParty& party_;
  EncryptedLayers& layers_;
  const FrontOutputs& front_;
  const uint32_t images_;
  size_t at_ = 0;
  std::vector<ShareValues> values_;
};

// The last step that reads each value; the last value is read by the answer.
std::vector<size_t> LastReaders(const SealedProgram& program) {
  std::vector<size_t> last(program.steps.size());
  for (size_t at = 0; at < program.steps.size(); ++at) {
    last[at] = at;
    const auto read = [&](ValueId id) { last[id] = at; };
    std::visit(
        [&](const auto& step) {
          if constexpr (requires { step.first; }) {
            read(step.first);
            read(step.second);
          } else if constexpr (requires { step.input; }) {
            read(step.input);
          }
        },
        program.steps[at]);
  }
  return last;
}

}  // namespace

absl::StatusOr<ShareValues> UsersLayers::Run(uint32_t k, std::span<const uint32_t> inputs, uint32_t,
                                             SharesParty& party) {
  PRIVDNN_ASSIGN_OR_RETURN(User::SharesQuery query,
                           user_.PrepareShares(k, inputs, party.random(), workspace_, threads_));
  PRIVDNN_RETURN_IF_ERROR(party.Exchange("encrypted layer", query.message, 0).status());
  return std::move(query.shares);
}

absl::StatusOr<ShareValues> OwnersLayers::Run(uint32_t k, std::span<const uint32_t> inputs, uint32_t images,
                                              SharesParty& party) {
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes query, party.Exchange("encrypted layer", {}, owner_.layout(k).query(images)));
  PRIVDNN_ASSIGN_OR_RETURN(const MessageHeader header, owner_.Peek(query));
  if (header.segment != k || header.images != images) {
    return InvalidArgument("a query of {} images of segment {}, expected {} of segment {}", header.images,
                           header.segment, images, k);
  }
  return owner_.TakeShares(query, inputs, threads_);
}

absl::StatusOr<SealedAnswer> EvaluateSealed(const SealedProgram& program, SharesParty& party, EncryptedLayers& layers,
                                            const FrontOutputs& front, uint32_t images, const ObserveFn& observe,
                                            const BeforeAnswerFn& before_answer) {
  if (images < 1 || images > kMaxImagesPerMessage) {
    return InvalidArgument("sealed: {} images, must be 1 to {}", images, kMaxImagesPerMessage);
  }
  for (const SealedStep& step : program.steps) {
    const auto* input = std::get_if<InputStep>(&step);
    if (input && party.id() == kUserParty && input->front >= front.size()) {
      return InvalidArgument("sealed: no output {} of the plaintext part", input->front);
    }
  }
  const std::vector<size_t> last = LastReaders(program);
  Run run(program, party, layers, front, images);
  for (size_t at = 0; at < program.steps.size(); ++at) {
    auto value = run.Step(at);
    if (!value.ok()) return Annotate(value.status(), fmt::format("step {} ({})", at, StepName(program.steps[at])));
    if (observe) observe(at, *value);
    run.Keep(*std::move(value));
    for (ValueId id = 0; id < at; ++id) {
      if (last[id] == at) run.Drop(id);
    }
  }
  if (before_answer) PRIVDNN_RETURN_IF_ERROR(before_answer());
  auto answer = run.Reveal();
  if (!answer.ok()) return Annotate(answer.status(), "answer");
  return answer;
}

void ConvolvePlain(const LinearStep& step, const MapShape& input, Size2 map, std::span<const uint32_t> x,
                   std::span<uint32_t> y) {
  if (step.plain.empty()) return;
  const SealedWindow& w = step.window;
  const uint32_t channels = input.channels / step.groups;
  const uint64_t outputs = step.plain.size() + step.encrypted.size(), per_group = outputs / step.groups;
  const size_t fan_in = channels * w.kernel.area();
  // Where a row or a column of a window lies in the input, the part of a map is known in which it does.
  const auto inside = [](uint32_t tap, uint32_t pad, uint32_t stride, uint32_t extent, uint32_t places) {
    const int64_t shift = int64_t{tap} - pad;
    const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t last = std::min<int64_t>((int64_t{extent} - 1 - shift + stride) / stride, places);
    return std::pair(static_cast<uint32_t>(first), static_cast<uint32_t>(std::max(last, first)));
  };
  for (size_t f = 0; f < step.plain.size(); ++f) {
    const int32_t* weight = step.weights.data() + f * fan_in;
    const auto first_channel = static_cast<uint32_t>(step.plain[f] / per_group * channels);
    uint32_t* to = y.data() + f * map.area();
    for (uint32_t c = 0; c < channels; ++c) {
      const uint32_t* plane = x.data() + size_t{first_channel + c} * input.height * input.width;
      for (uint32_t a = 0; a < w.kernel.h; ++a) {
        const auto [top, bottom] = inside(a, w.pads.top, w.stride.h, input.height, map.h);
        for (uint32_t b = 0; b < w.kernel.w; ++b) {
          const auto factor = static_cast<uint32_t>(*weight++);
          const auto [left, right] = inside(b, w.pads.left, w.stride.w, input.width, map.w);
          for (uint32_t i = top; i < bottom; ++i) {
            const uint32_t* row = plane + size_t{i * w.stride.h + a - w.pads.top} * input.width;
            uint32_t* out = to + size_t{i} * map.w;
            for (uint32_t j = left; j < right; ++j) out[j] += factor * row[j * w.stride.w + b - w.pads.left];
          }
        }
      }
    }
  }
}

std::vector<std::vector<uint32_t>> PoolIndices(const MaxPoolStep& step, const MapShape& input, Size2 map) {
  const SealedWindow& w = step.window;
  std::vector<std::vector<uint32_t>> places(w.kernel.area());
  // The nearest that is inside: within the window, too, since no window lies in the padding alone.
  const auto clamp = [](uint32_t place, uint32_t pad, uint32_t extent) {
    return static_cast<uint32_t>(std::clamp<int64_t>(int64_t{place} - pad, 0, int64_t{extent} - 1));
  };
  for (uint32_t c = 0; c < input.channels; ++c) {
    for (uint32_t i = 0; i < map.h; ++i) {
      for (uint32_t j = 0; j < map.w; ++j) {
        for (uint32_t a = 0; a < w.kernel.h; ++a) {
          for (uint32_t b = 0; b < w.kernel.w; ++b) {
            const uint32_t row = clamp(i * w.stride.h + a, w.pads.top, input.height);
            const uint32_t column = clamp(j * w.stride.w + b, w.pads.left, input.width);
            places[size_t{a} * w.kernel.w + b].push_back((c * input.height + row) * input.width + column);
          }
        }
      }
    }
  }
  return places;
}

}  // namespace privdnn
