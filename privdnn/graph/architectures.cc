#include "privdnn/graph/architectures.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

constexpr float kDropout = 0.5f;

// Uniform weights in +-gain / sqrt(fan_in) have variance gain^2 / 3 / fan_in.
constexpr float kPytorchGain = 1;          // Kaiming-uniform with a = sqrt(5), PyTorch's default
constexpr float kLinearGain = 1.7320508f;  // variance 1 / fan_in
constexpr float kRectifiedGain =
    2.4494897f;  // variance 2 / fan_in: ReLU takes half of the mean square (He et al., 2015)

struct ConvShape {
  int64_t in, out, side;
  int64_t stride = 1, pad = 0;
  bool bias = true;
};

// Builds a graph of operators that mostly follow each other: each reads what the one before wrote.
class GraphBuilder {
 public:
  GraphBuilder(const std::string& name, std::vector<int64_t> image_shape, uint64_t seed) : random_(seed) {
    graph_.name = name;
    image_shape.insert(image_shape.begin(), -1);
    graph_.inputs = {{"image", std::move(image_shape)}};
    value_ = "image";
  }

  // The value that the next operator reads.
  const std::string& value() const { return value_; }
  void ContinueFrom(const std::string& value) { value_ = value; }

  void AddConv(const std::string& name, const ConvShape& shape, float gain) {
    const Window window{
        {shape.side, shape.side}, {shape.stride, shape.stride}, {shape.pad, shape.pad, shape.pad, shape.pad}};
    const int64_t fan_in = shape.in * shape.side * shape.side;
    AddWeight(name, {shape.out, shape.in, shape.side, shape.side}, fan_in, gain);
    if (!shape.bias) return Append(name, op::Conv{window, 1}, {name + ".weight"});
    AddBias(name, shape.out, fan_in);
    Append(name, op::Conv{window, 1}, {name + ".weight", name + ".bias"});
  }
  void AddBatchNormalization(const std::string& name, int64_t channels) {
    for (const char* field : {".scale", ".shift", ".mean", ".variance"}) {
      graph_.initializers[name + field] = Tensor::Zeros({channels});
    }
    for (const char* field : {".scale", ".variance"}) {
      std::ranges::fill(graph_.initializers[name + field].values, 1.0f);
    }
    Append(name, op::BatchNormalization{}, {name + ".scale", name + ".shift", name + ".mean", name + ".variance"});
  }
  void AddAveragePool(const std::string& name, int64_t side = 2) {
    Append(name, op::AveragePool{{{side, side}, {side, side}, {}}, false});
  }
  void AddMaxPool(const std::string& name) { Append(name, op::MaxPool{{{2, 2}, {2, 2}, {}}}); }
  void AddLinear(const std::string& name, int64_t in, int64_t out, float gain) {
    AddWeight(name, {out, in}, in, gain);
    AddBias(name, out, in);
    op::Gemm gemm;
    gemm.trans_b = true;
    Append(name, gemm, {name + ".weight", name + ".bias"});
  }
  // fc1, fc2, ... of widths[0] to widths[1] and so on, with ReLU, and dropout if it is not 0, behind all but the last.
  void AddClassifier(const std::vector<int64_t>& widths, float hidden_gain, float last_gain, float dropout) {
    Append("flatten", op::Flatten{});
    for (size_t i = 1; i < widths.size(); ++i) {
      const bool last = i + 1 == widths.size();
      AddLinear(fmt::format("fc{}", i), widths[i - 1], widths[i], last ? last_gain : hidden_gain);
      if (last) break;
      Append(fmt::format("relu_fc{}", i), op::Relu{});
      if (dropout > 0) Append(fmt::format("dropout{}", i), op::Dropout{dropout});
    }
  }
  void Append(const std::string& name, Op op, std::vector<std::string> further_inputs = {}) {
    further_inputs.insert(further_inputs.begin(), value_);
    graph_.nodes.push_back({name, std::move(op), std::move(further_inputs), name + ".out"});
    value_ = name + ".out";
  }
  Graph Finish(int64_t classes) && {
    graph_.outputs = {{"logits", {-1, classes}}};
    graph_.nodes.back().output = "logits";
    return std::move(graph_);
  }

 private:
  void AddWeight(const std::string& name, std::vector<int64_t> shape, int64_t fan_in, float gain) {
    graph_.initializers[name + ".weight"] = Uniform(std::move(shape), gain / std::sqrt(static_cast<float>(fan_in)));
  }
  // As PyTorch's default.
  void AddBias(const std::string& name, int64_t count, int64_t fan_in) {
    graph_.initializers[name + ".bias"] = Uniform({count}, kPytorchGain / std::sqrt(static_cast<float>(fan_in)));
  }
  Tensor Uniform(std::vector<int64_t> shape, float bound) {
    Tensor tensor = Tensor::Zeros(std::move(shape));
    tensor.values = SymmetricUniforms<float>(tensor.values.size(), random_);
    for (float& v : tensor.values) v *= bound;
    return tensor;
  }

  Graph graph_;
  std::string value_;
  DeterministicRandom random_;
};

Graph BuildLenet5(const std::string& name, int64_t filters1, int64_t filters2, int64_t classes, uint64_t seed) {
  GraphBuilder builder(name, {1, 28, 28}, seed);
  builder.AddConv("conv1", {1, filters1, 5}, kPytorchGain);
  builder.AddAveragePool("pool1");
  builder.Append("square1", op::Square{});
  builder.AddConv("conv2", {filters1, filters2, 5}, kPytorchGain);
  builder.AddAveragePool("pool2");
  builder.Append("square2", op::Square{});
  builder.Append("flatten", op::Flatten{});
  builder.AddLinear("fc1", filters2 * 16, 120, kPytorchGain);
  builder.Append("relu1", op::Relu{});
  builder.AddLinear("fc2", 120, 84, kPytorchGain);
  builder.Append("relu2", op::Relu{});
  builder.AddLinear("fc3", 84, classes, kPytorchGain);
  return std::move(builder).Finish(classes);
}

Graph BuildAlexnetGtsrb(int64_t classes, uint64_t seed) {
  GraphBuilder builder("alexnet-gtsrb", {3, 32, 32}, seed);
  builder.AddConv("conv1", {3, 96, 5, 1, 1}, kLinearGain);
  builder.AddAveragePool("pool1");
  builder.Append("square1", op::Square{});
  builder.AddConv("conv2", {96, 256, 3, 1, 1}, kRectifiedGain);
  builder.AddBatchNormalization("bn2", 256);
  builder.Append("relu2", op::Relu{});
  builder.AddMaxPool("pool2");
  builder.AddConv("conv3", {256, 384, 3, 1, 1}, kRectifiedGain);
  builder.Append("relu3", op::Relu{});
  builder.AddConv("conv4", {384, 384, 3, 1, 1}, kRectifiedGain);
  builder.Append("relu4", op::Relu{});
  builder.AddConv("conv5", {384, 256, 3, 1, 1}, kRectifiedGain);
  builder.Append("relu5", op::Relu{});
  builder.AddMaxPool("pool5");
  builder.AddClassifier({2304, 512, 128, classes}, kRectifiedGain, kLinearGain, kDropout);
  return std::move(builder).Finish(classes);
}

Graph BuildVgg16Cifar10(int64_t classes, uint64_t seed) {
  GraphBuilder builder("vgg16-cifar10", {3, 32, 32}, seed);
  constexpr std::array<int64_t, 13> kWidths = {64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512};
  int64_t in = 3;
  for (size_t i = 1; i <= kWidths.size(); ++i) {
    const int64_t out = kWidths[i - 1];
    const bool first = i == 1;
    builder.AddConv(fmt::format("conv{}", i), {in, out, 3, 1, 1}, first ? kLinearGain : kRectifiedGain);
    if (first) {
      builder.Append("square1", op::Square{});
    } else {
      builder.AddBatchNormalization(fmt::format("bn{}", i), out);
      builder.Append(fmt::format("relu{}", i), op::Relu{});
    }
    if (i == 2 || i == 4 || i == 7 || i == 10 || i == 13) builder.AddMaxPool(fmt::format("pool{}", i));
    in = out;
  }
  builder.AddClassifier({512, 512, 512, classes}, kRectifiedGain, kLinearGain, kDropout);
  return std::move(builder).Finish(classes);
}

// conv 3x3, BN, ReLU, conv 3x3, BN, plus the shortcut, ReLU. `project`: the shortcut is a 1x1 convolution and BN rather
// than the identity. Variances add, so that the branches' last convolutions are not followed by half a ReLU each.
void AddBasicBlock(GraphBuilder& builder, const std::string& name, int64_t in, int64_t out, int64_t stride,
                   bool project) {
  const std::string input = builder.value();
  builder.AddConv(name + ".conv1", {in, out, 3, stride, 1, false}, kRectifiedGain);
  builder.AddBatchNormalization(name + ".bn1", out);
  builder.Append(name + ".relu1", op::Relu{});
  builder.AddConv(name + ".conv2", {out, out, 3, 1, 1, false}, kLinearGain);
  builder.AddBatchNormalization(name + ".bn2", out);
  const std::string branch = builder.value();
  builder.ContinueFrom(input);
  if (project) {
    builder.AddConv(name + ".shortcut", {in, out, 1, stride, 0, false}, kLinearGain);
    builder.AddBatchNormalization(name + ".shortcut_bn", out);
  }
  const std::string shortcut = builder.value();
  builder.ContinueFrom(branch);
  builder.Append(name + ".add", op::Add{}, {shortcut});
  builder.Append(name + ".relu2", op::Relu{});
}

Graph BuildResnet18TinyImagenet(int64_t classes, uint64_t seed) {
  GraphBuilder builder("resnet18-tinyimagenet", {3, 64, 64}, seed);
  builder.AddConv("conv1", {3, 64, 3, 1, 1, false}, kLinearGain);
  builder.AddBatchNormalization("bn1", 64);
  builder.Append("square1", op::Square{});
  int64_t in = 64;
  for (int64_t stage = 1; stage <= 4; ++stage) {
    const int64_t out = int64_t{32} << stage;
    AddBasicBlock(builder, fmt::format("block{}a", stage), in, out, stage == 1 ? 1 : 2, true);
    AddBasicBlock(builder, fmt::format("block{}b", stage), out, out, 1, false);
    in = out;
  }
  builder.AddAveragePool("pool", 4);
  builder.AddClassifier({2048, classes}, kRectifiedGain, kLinearGain, 0);
  return std::move(builder).Finish(classes);
}

struct Architecture {
  const char* name;
  int64_t classes;
  Graph (*build)(int64_t classes, uint64_t seed);
};

constexpr std::array kArchitectures = {
    Architecture{"lenet5-mnist", 10,
                 [](int64_t classes, uint64_t seed) { return BuildLenet5("lenet5-mnist", 6, 16, classes, seed); }},
    Architecture{"lenet5-emnist", 26,
                 [](int64_t classes, uint64_t seed) { return BuildLenet5("lenet5-emnist", 10, 20, classes, seed); }},
    Architecture{"alexnet-gtsrb", 43, BuildAlexnetGtsrb},
    Architecture{"vgg16-cifar10", 10, BuildVgg16Cifar10},
    Architecture{"resnet18-tinyimagenet", 200, BuildResnet18TinyImagenet},
};

}  // namespace

std::vector<std::string> ArchitectureNames() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.emplace_back(architecture.name);
  return names;
}

absl::StatusOr<Graph> BuildArchitecture(const std::string& name, uint64_t seed, std::optional<int64_t> classes) {
  const auto* found = std::ranges::find(kArchitectures, name, &Architecture::name);
  if (found == kArchitectures.end()) {
    return NotFound("architecture '{}' is unknown (known: {})", name, fmt::join(ArchitectureNames(), ", "));
  }
  constexpr int64_t kMaxClasses = 100'000;
  const int64_t count = classes.value_or(found->classes);
  if (count < 2 || count > kMaxClasses) {
    return InvalidArgument("architecture '{}': {} classes, needs 2 to {}", name, count, kMaxClasses);
  }
  return found->build(count, seed);
}

}  // namespace privdnn
