#include "privdnn/testing/training.h"

#include "privdnn/testing/graphs.h"

namespace privdnn {

ImageSet Quadrants(int64_t count, uint64_t seed) {
  ImageSet set{count, 1, 6, 6, {}, {}, 4};
  uint64_t state = seed;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>(state >> 60);  // 0..15
  };
  for (int64_t i = 0; i < count; ++i) {
    const int32_t label = next() % 4;
    set.labels.push_back(label);
    for (int32_t y = 0; y < 6; ++y) {
      for (int32_t x = 0; x < 6; ++x) {
        const bool bright = label == y / 3 * 2 + x / 3;
        set.pixels.push_back(static_cast<uint8_t>(next() * 6 + (bright ? 70 : 0)));
      }
    }
  }
  return set;
}

Graph SmallNetwork() {
  Graph g;
  g.name = "small";
  g.inputs = {{"image", {-1, 1, 6, 6}}};
  g.outputs = {{"logits", {-1, 4}}};
  g.initializers = {{"w", PatternTensor({4, 1, 3, 3}, 1)}, {"scale", {{4}, {1, 1, 1, 1}}},
                    {"shift", Tensor::Zeros({4})},         {"mean", Tensor::Zeros({4})},
                    {"variance", {{4}, {1, 1, 1, 1}}},     {"fc", PatternTensor({16, 4}, 2)},
                    {"fc_bias", Tensor::Zeros({4})}};
  g.nodes = {{"conv", op::Conv{{{3, 3}, {1, 1}, {}}, 1}, {"image", "w"}, "c"},
             {"norm", op::BatchNormalization{}, {"c", "scale", "shift", "mean", "variance"}, "n"},
             {"square", op::Square{}, {"n"}, "s"},
             {"pool", op::AveragePool{{{2, 2}, {2, 2}, {}}, false}, {"s"}, "p"},
             {"flatten", op::Flatten{}, {"p"}, "f"},
             {"product", op::MatMul{}, {"f", "fc"}, "m"},
             {"sum", op::Add{}, {"m", "fc_bias"}, "logits"}};
  return g;
}

Graph PaddedNetwork() {
  Graph g = SmallNetwork();
  std::get<op::Conv>(g.nodes[0].op).window = {{3, 3}, {1, 1}, {1, 0, 2, 1}};
  std::get<op::AveragePool>(g.nodes[3].op).window = {{3, 2}, {3, 2}, {}};
  g.initializers["fc"] = PatternTensor({16, 4}, 2);
  return g;
}

TrainOptions SmallOptions() {
  TrainOptions options;
  options.epochs = 6;
  options.batch = 20;
  options.learning_rate = 0.02;
  options.averaging = 0.9;
  options.threads = 1;
  options.augmentation.shift_pixels = 0.5;
  return options;
}

}  // namespace privdnn
