#include "privdnn/sealed/simulate.h"

#include <algorithm>

#include "privdnn/shares/bits.h"

namespace privdnn {
namespace {

class Exactly {
 public:
  Exactly(const SealedProgram& program, size_t at, std::span<const QuantizedSegment> segments,
          const FrontOutputs& front, std::span<const ClearValues> values, uint32_t images)
      : program_(program), at_(at), segments_(segments), front_(front), values_(values), images_(images) {}

  ClearValues operator()(const InputStep& step) const { return {front_[step.front].begin(), front_[step.front].end()}; }

  ClearValues operator()(const LinearStep& step) const {
    const MapShape &in = program_.values[step.input].shape, &out = own().shape;
    const SealedWindow& w = step.window;
    const uint32_t channels = in.channels / step.groups;
    ClearValues y(images_ * out.size());
    const auto sum = [&](uint32_t image, uint32_t f, uint32_t i, uint32_t j, const int32_t* weight) {
      const int64_t* x = values_[step.input].data() + image * in.size() +
                         size_t{f / (out.channels / step.groups) * channels} * in.height * in.width;
      int64_t total = 0;
      for (uint32_t c = 0; c < channels; ++c) {
        for (uint32_t a = 0; a < w.kernel.h; ++a) {
          for (uint32_t b = 0; b < w.kernel.w; ++b, ++weight) {
            const int64_t row = int64_t{i} * w.stride.h + a - w.pads.top,
                          column = int64_t{j} * w.stride.w + b - w.pads.left;
            if (row < 0 || column < 0 || row >= in.height || column >= in.width) continue;
            total += *weight * x[(int64_t{c} * in.height + row) * in.width + column];
          }
        }
      }
      return total;
    };
    const size_t fan_in = channels * w.kernel.area();
    for (uint32_t image = 0; image < images_; ++image) {
      const auto fill = [&](uint32_t f, const int32_t* weight, int64_t bias) {
        int64_t* to = y.data() + image * out.size() + size_t{f} * out.height * out.width;
        for (uint32_t i = 0; i < out.height; ++i) {
          for (uint32_t j = 0; j < out.width; ++j) *to++ = sum(image, f, i, j, weight) + bias;
        }
      };
      for (size_t f = 0; f < step.plain.size(); ++f)
        fill(step.plain[f], step.weights.data() + f * fan_in, step.bias[f]);
      for (size_t f = 0; f < step.encrypted.size(); ++f) {
        const QuantizedSegment& s = segments_[step.segment];
        fill(step.encrypted[f], s.kernels[f].Reveal().data(), s.bias.Reveal()[f]);
      }
    }
    return y;
  }

  ClearValues operator()(const ReluStep& step) const {
    ClearValues y = values_[step.input];
    for (int64_t& v : y) v = std::max<int64_t>(Centre(v, step.range_bits), 0);
    return y;
  }

  ClearValues operator()(const ExtendStep& step) const {
    ClearValues y = values_[step.input];
    for (int64_t& v : y) v = Centre(v, step.range_bits);
    return y;
  }

  ClearValues operator()(const MaxPoolStep& step) const {
    const MapShape &in = program_.values[step.input].shape, &out = own().shape;
    const auto places = PoolIndices(step, in, {out.height, out.width});
    ClearValues y;
    for (uint32_t image = 0; image < images_; ++image) {
      for (size_t i = 0; i < out.size(); ++i) {
        int64_t largest = INT64_MIN;
        for (const auto& place : places) {
          largest = std::max(largest, Centre(values_[step.input][image * in.size() + place[i]], own().bits));
        }
        y.push_back(largest);
      }
    }
    return y;
  }

  ClearValues operator()(const SquareStep& step) const {
    ClearValues y = values_[step.input];
    for (int64_t& v : y) v *= v;
    return y;
  }

  ClearValues operator()(const AddStep& step) const {  // of what is left of both
    ClearValues y = values_[step.first];
    for (size_t i = 0; i < y.size(); ++i) {
      y[i] = (y[i] >> step.drop_first) + (values_[step.second][i] >> step.drop_second);
    }
    return y;
  }

  ClearValues operator()(const ReshapeStep& step) const { return values_[step.input]; }

 private:
  const SealedValue& own() const { return program_.values[at_]; }
  const SealedProgram& program_;
  const size_t at_;
  const std::span<const QuantizedSegment> segments_;
  const FrontOutputs& front_;
  const std::span<const ClearValues> values_;
  const uint32_t images_;
};

uint64_t Word(RandomSource& random) {
  uint64_t word;
  random.Fill(std::span(&word, 1));
  return word;
}

// x modulo 2^(bits + drop), shared at random, without the low bits of both shares.
int64_t DropShared(int64_t x, int drop, int bits, RandomSource& random) {
  const uint64_t mask = LowMask(bits + drop), own = Word(random) & mask;
  const uint64_t other = (static_cast<uint64_t>(x) - own) & mask;
  return Centre(static_cast<int64_t>((own >> drop) + (other >> drop)), bits);
}

int DropOf(const SealedStep& step) {
  if (const auto* linear = std::get_if<LinearStep>(&step)) return linear->drop;
  if (const auto* square = std::get_if<SquareStep>(&step)) return square->drop;
  return 0;
}

}  // namespace

ClearValues ExactStep(const SealedProgram& program, size_t at, std::span<const QuantizedSegment> segments,
                      const FrontOutputs& front, std::span<const ClearValues> values, uint32_t images) {
  return std::visit(Exactly(program, at, segments, front, values, images), program.steps[at]);
}

SealedSimulation SimulateSealed(const SealedProgram& program, std::span<const QuantizedSegment> segments,
                                const FrontOutputs& front, uint32_t images, RandomSource& random) {
  SealedSimulation result;
  for (size_t at = 0; at < program.steps.size(); ++at) {
    const SealedStep& step = program.steps[at];
    ClearValues y = ExactStep(program, at, segments, front, result.values, images);
    const int bits = program.values[at].bits, drop = DropOf(step);
    uint64_t overflows = 0;
    for (int64_t& v : y) {
      overflows += Centre(v, bits + drop) != v;
      v = drop > 0 ? DropShared(v, drop, bits, random) : Centre(v, bits);
    }
    if (const auto* add = std::get_if<AddStep>(&step); add && add->drop_first + add->drop_second > 0) {
      for (size_t i = 0; i < y.size(); ++i) {
        y[i] = Centre(DropShared(result.values[add->first][i], add->drop_first, bits, random) +
                          DropShared(result.values[add->second][i], add->drop_second, bits, random),
                      bits);
      }
    }
    if (const auto* extend = std::get_if<ExtendStep>(&step)) {
      for (const int64_t v : result.values[extend->input]) overflows += Centre(v, extend->range_bits - 1) != v;
    }
    // What ReLU reads must fit its range.
    if (const auto* relu = std::get_if<ReluStep>(&step)) {
      for (const int64_t v : result.values[relu->input]) overflows += Centre(v, relu->range_bits) != v;
    }
    result.values.push_back(std::move(y));
    result.overflows.push_back(overflows);
  }
  const size_t classes = program.values.back().shape.size();
  for (uint32_t image = 0; image < images; ++image) {
    std::vector<int64_t> row;
    for (size_t c = 0; c < classes; ++c) {
      row.push_back(Centre(result.values.back()[image * classes + c], program.answer_bits));
    }
    if (program.reveal == Reveal::kScores) {
      result.answer.scores.insert(result.answer.scores.end(), row.begin(), row.end());
    }
    result.answer.labels.push_back(static_cast<uint32_t>(std::ranges::max_element(row) - row.begin()));
  }
  return result;
}

}  // namespace privdnn
