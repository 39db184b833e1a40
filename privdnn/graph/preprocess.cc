#include "privdnn/graph/preprocess.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "privdnn/graph/edit.h"
#include "privdnn/graph/normalization.h"

namespace privdnn {
namespace {

constexpr int64_t kColours = 3;
constexpr const char* kScale = "privdnn.scale";
constexpr const char* kMean = "privdnn.mean";
constexpr const char* kDeviation = "privdnn.std";
constexpr const char* kChannels = "privdnn.channels";
constexpr const char* kLayout = "privdnn.layout";

absl::Status CheckNumbers(const Preprocessing& p) {
  if (!std::isfinite(p.scale) || p.scale <= 0) {
    return InvalidArgument("preprocessing: scale {} is not a positive number", p.scale);
  }
  for (const double m : p.mean) {
    if (!std::isfinite(m)) return InvalidArgument("preprocessing: mean {} is not a finite number", m);
  }
  for (const double d : p.deviation) {
    if (!std::isfinite(d) || d <= 0) return InvalidArgument("preprocessing: deviation {} is not a positive number", d);
  }
  return absl::OkStatus();
}

// One number a channel.
absl::StatusOr<std::vector<double>> PerChannel(const std::vector<double>& given, const char* what, double fallback,
                                               int64_t channels) {
  if (given.size() <= 1) {
    return std::vector<double>(static_cast<size_t>(channels), given.empty() ? fallback : given[0]);
  }
  if (static_cast<int64_t>(given.size()) == channels) return given;
  return InvalidArgument("preprocessing: {} numbers for the {}, the network reads {} channels", given.size(), what,
                         channels);
}

// A number for each channel, in the shape that broadcasting wants behind the batch: (C, 1, 1) for maps, (C) for rows.
Tensor Constant(std::vector<double> values, size_t axes_behind) {
  Tensor tensor{{static_cast<int64_t>(values.size())}, {values.begin(), values.end()}};
  tensor.shape.resize(1 + axes_behind, 1);
  return tensor;
}

// x = (pixel / 255 - mean) / deviation.
absl::StatusOr<Normalization> OfUnitPixels(const Preprocessing& p, int64_t channels) {
  Normalization n;
  PRIVDNN_ASSIGN_OR_RETURN(n.mean, PerChannel(p.mean, "mean", 0, channels));
  PRIVDNN_ASSIGN_OR_RETURN(n.deviation, PerChannel(p.deviation, "deviation", 1, channels));
  const double unit = 255 * p.scale;
  for (double& m : n.mean) m /= unit;
  for (double& d : n.deviation) d /= unit;
  return n;
}

void Normalize(const Normalization& n, GraphEditor& editor) {
  const bool moves = std::ranges::any_of(n.mean, [](double m) { return m != 0; });
  const bool scales = std::ranges::any_of(n.deviation, [](double d) { return d != 1; });
  if (!moves && !scales) return;
  if (absl::StatusOr<Graph> folded = FoldNormalization(editor.graph(), n); folded.ok()) {
    return editor.Replace(*std::move(folded));
  }
  const std::vector<int64_t> shape = editor.input_shape();
  if (scales) editor.AddInFront("deviation", op::Div{}, shape, Constant(n.deviation, shape.size() - 2));
  if (moves) editor.AddInFront("mean", op::Sub{}, shape, Constant(n.mean, shape.size() - 2));
}

// Sets `flag` to whether the entry is `yes` and not `no`, if it is there.
absl::Status ReadChoice(const Graph& graph, const char* key, const std::string& no, const std::string& yes,
                        bool& flag) {
  const auto entry = graph.metadata.find(key);
  if (entry == graph.metadata.end()) return absl::OkStatus();
  if (entry->second != no && entry->second != yes) {
    return InvalidArgument("metadata {} is '{}', needs {} or {}", key, entry->second, no, yes);
  }
  flag = entry->second == yes;
  return absl::OkStatus();
}

absl::Status ReadNumbers(const Graph& graph, const char* key, std::vector<double>& numbers) {
  const auto entry = graph.metadata.find(key);
  if (entry == graph.metadata.end()) return absl::OkStatus();
  auto parsed = ParseNumbers(entry->second);
  if (!parsed.ok()) return Annotate(parsed.status(), fmt::format("metadata {}", key));
  numbers = *std::move(parsed);
  return absl::OkStatus();
}

std::optional<double> Number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<double> ParseFraction(const std::string& text) {
  const std::string_view all(text);
  const size_t slash = all.find('/');
  const auto above = Number(all.substr(0, slash));
  const auto below = slash == std::string_view::npos ? std::optional(1.0) : Number(all.substr(slash + 1));
  if (!above || !below || *below == 0) return InvalidArgument("'{}' is not a number or a fraction such as 1/255", text);
  return *above / *below;
}

absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& text) {
  std::vector<double> numbers;
  for (std::string_view rest = text;;) {
    const size_t comma = rest.find(',');
    PRIVDNN_ASSIGN_OR_RETURN(const double number, ParseFraction(std::string(rest.substr(0, comma))));
    numbers.push_back(number);
    if (comma == std::string_view::npos) return numbers;
    rest = rest.substr(comma + 1);
  }
}

absl::StatusOr<Preprocessing> FindPreprocessing(const Graph& graph) {
  Preprocessing p;
  std::vector<double> scale;
  PRIVDNN_RETURN_IF_ERROR(ReadNumbers(graph, kScale, scale));
  if (scale.size() > 1) return InvalidArgument("metadata {} holds {} numbers, needs 1", kScale, scale.size());
  if (!scale.empty()) p.scale = scale[0];
  PRIVDNN_RETURN_IF_ERROR(ReadNumbers(graph, kMean, p.mean));
  PRIVDNN_RETURN_IF_ERROR(ReadNumbers(graph, kDeviation, p.deviation));
  PRIVDNN_RETURN_IF_ERROR(ReadChoice(graph, kChannels, "rgb", "bgr", p.bgr));
  PRIVDNN_RETURN_IF_ERROR(ReadChoice(graph, kLayout, "nchw", "nhwc", p.nhwc));
  return p;
}

std::map<std::string, std::string> PreprocessingMetadata(const Preprocessing& p) {
  const bool unit = p.scale == Preprocessing{}.scale;
  std::map<std::string, std::string> metadata = {{kScale, unit ? "1/255" : fmt::to_string(p.scale)},
                                                 {kChannels, p.bgr ? "bgr" : "rgb"},
                                                 {kLayout, p.nhwc ? "nhwc" : "nchw"}};
  if (!p.mean.empty()) metadata[kMean] = fmt::format("{}", fmt::join(p.mean, ","));
  if (!p.deviation.empty()) metadata[kDeviation] = fmt::format("{}", fmt::join(p.deviation, ","));
  return metadata;
}

absl::StatusOr<Graph> WithPreprocessing(const Graph& graph, const Preprocessing& p) {
  PRIVDNN_RETURN_IF_ERROR(CheckNumbers(p));
  Graph plain = graph;
  for (const char* key : {kScale, kMean, kDeviation, kChannels, kLayout}) plain.metadata.erase(key);
  if (p == Preprocessing{}) return plain;
  PRIVDNN_RETURN_IF_ERROR(InferShapes(graph).status());
  if (graph.inputs.size() != 1)
    return InvalidArgument("preprocessing: the graph has {} inputs, needs 1", graph.inputs.size());
  const std::vector<int64_t>& shape = graph.inputs[0].shape;
  if (shape.size() < 2 || (p.nhwc && shape.size() != 4)) {
    return InvalidArgument("preprocessing: the network's input '{}' has shape ({}), needs {}", graph.inputs[0].name,
                           fmt::join(shape, ", "), p.nhwc ? "(N, H, W, C)" : "(N, C, ...)");
  }
  GraphEditor editor(std::move(plain));
  if (p.nhwc) {
    const std::vector<int64_t> nchw = {-1, shape[3], shape[1], shape[2]};
    if (editor.DropTransposes({0, 3, 1, 2})) {
      editor.SetInputShape(nchw);
    } else {
      editor.AddInFront("nchw_to_nhwc", op::Transpose{{0, 2, 3, 1}}, nchw);
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Normalization n, OfUnitPixels(p, editor.input_shape()[1]));
  Normalize(n, editor);
  if (p.bgr) {
    if (editor.input_shape()[1] != kColours) {
      return InvalidArgument("preprocessing: blue, green, red need {} channels, the network reads {}", kColours,
                             editor.input_shape()[1]);
    }
    editor.AddInFront("rgb_to_bgr", op::Gather{1, {2, 1, 0}}, editor.input_shape());
  }
  return std::move(editor).Take();
}

}  // namespace privdnn
