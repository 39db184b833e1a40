// PPM images, and scaling.
#include <algorithm>
#include <cmath>

#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

constexpr uint64_t kMaxSide = 4096;

bool IsSpace(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The header of a PPM: numbers separated by white space and comments, which go from '#' to the end of the line.
class PpmHeader {
 public:
  PpmHeader(std::span<const uint8_t> file, const std::string& name) : file_(file), name_(name) {}

  absl::Status Magic() {
    if (file_.size() < 2 || file_[0] != 'P' || file_[1] != '6') return Error("doesn't begin with P6");
    at_ = 2;
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Number(std::string_view what, uint64_t max) {
    PRIVDNN_RETURN_IF_ERROR(SkipSpace());
    number_begin_ = at_;
    uint64_t value = 0;
    for (; at_ < file_.size() && file_[at_] >= '0' && file_[at_] <= '9'; ++at_) {
      value = value * 10 + (file_[at_] - '0');
      if (value > max) return ErrorAt(number_begin_, fmt::format("{} is more than {}", what, max));
    }
    if (at_ == number_begin_) return ErrorAt(number_begin_, fmt::format("{} is missing", what));
    if (value == 0) return ErrorAt(number_begin_, fmt::format("{} is 0", what));
    return value;
  }
  // Where the last number begins.
  size_t number_begin() const { return number_begin_; }
  // What follows the one white-space byte behind the header.
  absl::StatusOr<std::span<const uint8_t>> Rest() {
    if (at_ >= file_.size() || !IsSpace(file_[at_])) return Error("no white space behind the header");
    return file_.subspan(++at_);
  }
  // Returns an InvalidArgument error that gives the byte where the reader stands, or where the wrong field begins.
  absl::Status Error(std::string_view problem) const { return ErrorAt(at_, problem); }
  absl::Status ErrorAt(size_t byte, std::string_view problem) const {
    return InvalidArgument("{}: PPM at byte {}: {}", name_, byte, problem);
  }

 private:
  absl::Status SkipSpace() {
    const size_t begin = at_;
    while (at_ < file_.size() && (IsSpace(file_[at_]) || file_[at_] == '#')) {
      if (file_[at_] == '#') {
        while (at_ < file_.size() && file_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    return at_ > begin ? absl::OkStatus() : Error("no white space in the header");
  }

  std::span<const uint8_t> file_;
  const std::string& name_;
  size_t at_ = 0, number_begin_ = 0;
};

// Pillow's fixed-point weights: for an output pixel, the first input pixel and the weights of it and those behind it.
constexpr int kWeightBits = 32 - 8 - 2;
struct Taps {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> TriangleTaps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> all_taps(static_cast<size_t>(out));
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(center - support + 0.5)));
    const int64_t last = std::min<int64_t>(in, static_cast<int64_t>(std::floor(center + support + 0.5)));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t j = first; j < last; ++j) {
      const double distance = std::abs((static_cast<double>(j) - center + 0.5) * (1.0 / support));
      weights.push_back(distance < 1 ? 1 - distance : 0);
      sum += weights.back();
    }
    Taps& taps = all_taps[static_cast<size_t>(i)];
    taps.first = first;
    for (const double w : weights) {
      taps.weights.push_back(static_cast<int32_t>(std::floor(w / sum * (1 << kWeightBits) + 0.5)));
    }
  }
  return all_taps;
}

uint8_t Weighted(const uint8_t* pixels, int64_t stride, const Taps& taps) {
  int64_t sum = 1 << (kWeightBits - 1);
  pixels += taps.first * stride;
  for (const int32_t weight : taps.weights) {
    sum += int64_t{weight} * *pixels;
    pixels += stride;
  }
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kWeightBits, 0, 255));
}

}  // namespace

absl::StatusOr<Image> ParsePpm(std::span<const uint8_t> file, const std::string& name) {
  PpmHeader header(file, name);
  PRIVDNN_RETURN_IF_ERROR(header.Magic());
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t width, header.Number("width", kMaxSide));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t height, header.Number("height", kMaxSide));
  PRIVDNN_ASSIGN_OR_RETURN(const uint64_t largest, header.Number("largest value", 255));
  if (largest != 255) {
    return header.ErrorAt(header.number_begin(), fmt::format("largest value is {}, must be 255", largest));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto pixels, header.Rest());
  if (pixels.size() != width * height * 3) {
    return header.Error(
        fmt::format("{} bytes of pixels, {} x {} x 3 need {}", pixels.size(), width, height, width * height * 3));
  }
  Image image{3, static_cast<int64_t>(height), static_cast<int64_t>(width), std::vector<uint8_t>(pixels.size())};
  const size_t plane = width * height;
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) image.pixels[c * plane + i] = pixels[3 * i + c];
  }
  return image;
}

Image ResizeBilinear(const Image& image, int64_t height, int64_t width) {
  const std::vector<Taps> across = TriangleTaps(image.width, width), down = TriangleTaps(image.height, height);
  const int64_t rows = image.channels * image.height;
  std::vector<uint8_t> narrow(static_cast<size_t>(rows * width));
  auto out = narrow.begin();
  for (int64_t row = 0; row < rows; ++row) {
    for (const Taps& taps : across) *out++ = Weighted(image.pixels.data() + row * image.width, 1, taps);
  }
  Image scaled{image.channels, height, width,
               std::vector<uint8_t>(static_cast<size_t>(image.channels * height * width))};
  out = scaled.pixels.begin();
  for (int64_t c = 0; c < image.channels; ++c) {
    for (const Taps& taps : down) {
      for (int64_t x = 0; x < width; ++x) *out++ = Weighted(narrow.data() + c * image.height * width + x, width, taps);
    }
  }
  return scaled;
}

}  // namespace privdnn
