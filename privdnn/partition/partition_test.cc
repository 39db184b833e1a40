#include "privdnn/partition/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <set>

#include "privdnn/graph/architectures.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

Graph LeNet() { return *BuildArchitecture("lenet5-mnist", 1); }

std::vector<Segment> Find(const Graph& graph, const std::string& selection) {
  const auto segments = FindSegments(graph, ParseSelection(selection, graph).value());
  EXPECT_TRUE(segments.ok()) << segments.status();
  return segments.value();
}

std::string FindError(const Graph& graph, const std::string& selection) {
  const auto segments = FindSegments(graph, ParseSelection(selection, graph).value());
  EXPECT_EQ(segments.status().code(), absl::StatusCode::kInvalidArgument);
  return Message(segments.status());
}

// "1+2 3": a quadratic segment of layers 1 and 2, a linear one of layer 3.
std::string Outline(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& s : segments) {
    if (!text.empty()) text += ' ';
    if (s.first) text += fmt::format("{}+", s.first_number);
    text += fmt::format("{}", s.layer_number);
  }
  return text;
}

Node& NodeNamed(Graph& graph, const std::string& name) {
  return *std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.name == name; });
}

TEST(FindLayers, NumbersNodesWithWeights) {
  const Graph graph = LeNet();
  const auto layers = FindLayers(graph);
  ASSERT_EQ(layers.size(), 5u);
  const std::vector<int64_t> neurons = {6, 16, 120, 84, 10};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(layers[i].number, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(layers[i].neurons, neurons[i]);
  }
  EXPECT_EQ(graph.nodes[layers[2].node].name, "fc1");
}

TEST(FindSegments, OfLeNet) {
  const Graph graph = LeNet();
  EXPECT_EQ(Outline(Find(graph, "1:0;2:1")), "1+2");
  EXPECT_EQ(Outline(Find(graph, "2:1")), "1+2");
  EXPECT_EQ(Outline(Find(graph, "1:0")), "1");
  EXPECT_EQ(Outline(Find(graph, "1:0;3:1")), "1 2+3");
  EXPECT_EQ(Outline(Find(graph, "1:all;2:all;3:all;4:all;5:all")), "1+2 3 4 5");

  const Segment s = Find(graph, "1:1,4;2:3,7,9")[0];
  EXPECT_EQ(s.input, "image");
  EXPECT_EQ(s.output, "pool2.out");
  EXPECT_EQ(s.input_shape, (std::vector<int64_t>{1, 28, 28}));
  EXPECT_EQ(s.square_shape, (std::vector<int64_t>{6, 12, 12}));
  EXPECT_EQ(s.output_shape, (std::vector<int64_t>{16, 4, 4}));
  EXPECT_EQ(s.first->outputs, 6);
  EXPECT_EQ(s.first->pool.kernel, (std::array<int64_t, 2>{2, 2}));
  EXPECT_EQ(s.layer.outputs, 16);
  EXPECT_EQ(s.layer.inputs, 6);
  EXPECT_EQ(s.layer.pool.strides, (std::array<int64_t, 2>{2, 2}));
  EXPECT_EQ(s.first_neurons, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(s.neurons, (std::vector<int64_t>{3, 7, 9}));
  EXPECT_TRUE(s.shortcut.empty());
  EXPECT_EQ(s.square_output, graph.nodes[s.square].output);

  const Segment fc = Find(graph, "3:5")[0];  // reads the flattened square of layer 2
  EXPECT_EQ(fc.layer.window.kernel, (std::array<int64_t, 2>{4, 4}));
  EXPECT_EQ(fc.layer.inputs, 16);
  EXPECT_EQ(fc.output_shape, (std::vector<int64_t>{120, 1, 1}));
  EXPECT_EQ(Find(graph, "4:5")[0].input_shape, (std::vector<int64_t>{120, 1, 1}));
}

// conv1 square -> conv2 and, with stride 2, a 1x1 shortcut, as a residual network begins.
Graph ResidualNetwork() {
  NetworkBuilder b({3, 8, 8}, 1);
  b.Conv(5, {{3, 3}, {1, 1}, {1, 1, 1, 1}}, false);
  b.BatchNorm();
  b.Append(op::Square{});
  const std::string square = b.at;
  b.Conv(4, {{3, 3}, {2, 2}, {1, 1, 1, 1}});
  b.BatchNorm();
  const std::string left = b.at;
  b.at = square;
  b.Conv(4, {{1, 1}, {2, 2}, {}}, false);
  b.Append(op::Add{}, {}, {left});
  b.Append(op::Relu{});
  b.Append(op::Flatten{1});
  b.Gemm(3);
  return b.Finish();
}

TEST(FindSegments, OfAShortcut) {
  const Graph graph = ResidualNetwork();
  const Segment s = Find(graph, "1:0,2;2:1")[0];
  EXPECT_EQ(s.shortcut, (std::vector<int64_t>{0, 2}));
  EXPECT_TRUE(Find(graph, "2:1")[0].shortcut.empty());
  EXPECT_EQ(Outline(Find(graph, "1:0;3:0")), "1+3");
  // A first layer belongs to one segment; the other reader gets its squares.
  EXPECT_EQ(Outline(Find(graph, "1:0;2:0;3:0;4:0")), "1+2 3 4");
  const Graph rest = *PlaintextRest(graph, Find(graph, "1:0,2;2:1"));
  ASSERT_EQ(rest.inputs.size(), 3u);
  EXPECT_EQ(rest.inputs[1], (ValueInfo{"privdnn_segment_0", {-1, 1, 4, 4}}));
  EXPECT_EQ(rest.inputs[2], (ValueInfo{"privdnn_shortcut_0", {-1, 2, 8, 8}}));
}

// The paper's core: filters of the first two layers. VGG16 begins as AlexNet does and takes half a gigabyte.
TEST(FindSegments, OfThePapersNetworks) {
  for (const std::string name : {"lenet5-emnist", "alexnet-gtsrb", "resnet18-tinyimagenet"}) {
    SCOPED_TRACE(name);
    const Graph graph = *BuildArchitecture(name, 1);
    const auto segments = Find(graph, "1:0,1;2:3");
    EXPECT_EQ(Outline(segments), "1+2");
    EXPECT_EQ(segments[0].shortcut.size(), name == "resnet18-tinyimagenet" ? 2u : 0u);
    const auto rest = PlaintextRest(graph, segments);
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(rest->inputs.size(), name == "resnet18-tinyimagenet" ? 3u : 2u);
    EXPECT_EQ(SplitStages(*rest, 1)->size(), 2u);
  }
}

TEST(FindSegments, FoldsOnlyWhatIsExact) {
  const auto network = [](const std::function<void(NetworkBuilder&)>& between, const Window& second) {
    NetworkBuilder b({1, 10, 9}, 1);
    b.Conv(2, {{2, 2}, {1, 1}, {}});  // (2, 9, 8)
    b.Append(op::Square{});
    between(b);
    b.Conv(3, second);
    return b.Finish();
  };
  const Window bare{{2, 2}, {1, 1}, {}}, top{{2, 2}, {1, 1}, {1, 0, 0, 0}}, bottom{{2, 2}, {1, 1}, {0, 0, 1, 0}},
      right{{2, 2}, {1, 1}, {0, 0, 0, 1}};
  const auto outline = [](const Graph& graph) { return Outline(Find(graph, "2:0")); };
  const auto pool = [](const Window& window) { return [=](NetworkBuilder& b) { b.Pool(window); }; };
  const Window tiling{{2, 2}, {2, 2}, {}}, overlapping{{3, 3}, {2, 2}, {}};
  EXPECT_EQ(outline(network(pool(tiling), bare)), "1+2");
  EXPECT_EQ(outline(network(pool(overlapping), bare)), "1+2");
  EXPECT_EQ(outline(network(pool(tiling), top)), "1+2");
  EXPECT_EQ(outline(network(pool(tiling), bottom)), "2");  // 9 rows leave one over
  EXPECT_EQ(outline(network(pool(tiling), right)), "1+2");
  EXPECT_EQ(outline(network(pool(overlapping), top)), "2");
  EXPECT_EQ(outline(network(pool({{2, 2}, {2, 2}, {1, 1, 0, 0}}), bare)), "2");
  const auto norm = [](NetworkBuilder& b) { b.BatchNorm(); };
  EXPECT_EQ(outline(network(norm, bare)), "1+2");
  EXPECT_EQ(outline(network(norm, top)), "2");
  EXPECT_EQ(outline(network([](NetworkBuilder& b) { b.Append(op::MaxPool{{{2, 2}, {1, 1}, {}}}); }, bare)), "2");
  EXPECT_EQ(outline(network([](NetworkBuilder& b) { b.Append(op::Relu{}); }, bare)), "2");
  const auto pad = [](float value) {
    return [=](NetworkBuilder& b) { b.Append(op::Pad{{0, 0, 1, 0, 0, 0, 0, 2}, value}); };
  };
  EXPECT_EQ(outline(network(pad(0), top)), "1+2");
  EXPECT_EQ(Find(network(pad(0), top), "2:0")[0].layer.window.pads, (std::array<int64_t, 4>{2, 0, 0, 2}));
  EXPECT_EQ(outline(network(pad(1), bare)), "2");
  const auto quotient = [](bool reciprocal) {
    return [=](NetworkBuilder& b) {
      b.Append(op::Div{}, {b.Random({2, 1, 1}, 0.5, 2)});
      if (reciprocal) std::swap(b.graph.nodes.back().inputs[0], b.graph.nodes.back().inputs[1]);
    };
  };
  EXPECT_EQ(outline(network(quotient(false), top)), "1+2");
  EXPECT_EQ(outline(network(quotient(true), bare)), "2");
  EXPECT_EQ(outline(network([](NetworkBuilder& b) { b.Append(op::Dropout{}); }, top)), "1+2");
  // One number for each position is no channel's.
  EXPECT_EQ(outline(network([](NetworkBuilder& b) { b.Append(op::Add{}, {b.Random({9, 8})}); }, bare)), "2");
}

TEST(FindSegments, StopsBehindALayerWhereOthersRead) {
  Graph graph = LeNet();
  EXPECT_EQ(Find(graph, "1:0")[0].output, "pool1.out");
  Graph second_pool = graph;
  NodeNamed(second_pool, "square1").op = op::AveragePool{};
  EXPECT_EQ(Find(second_pool, "1:0")[0].output, "pool1.out");
  Graph padded = graph;
  std::get<op::AveragePool>(NodeNamed(padded, "pool1").op).window = {{2, 2}, {2, 2}, {1, 1, 1, 1}};
  EXPECT_EQ(Find(padded, "1:0")[0].output, "conv1.out");
  EXPECT_EQ(Outline(Find(padded, "1:0;2:0")), "1 2");
  Graph output = graph;
  output.outputs.push_back({"conv1.out", {-1, 6, 24, 24}});
  EXPECT_EQ(Find(output, "1:0")[0].output, "conv1.out");
  EXPECT_EQ(Outline(Find(output, "1:0;2:0")), "1 2");
}

TEST(FindSegments, NamesNodeAndReason) {
  const Graph graph = LeNet();
  EXPECT_THAT(FindError(graph, ""), HasSubstr("no neuron is chosen"));
  EXPECT_THAT(FindError(graph, "1:all;2:0-2"),
              HasSubstr("all 6 neurons of layer 1 ('conv1') are chosen but only 3 of 16 of layer 2 ('conv2')"));
  EXPECT_TRUE(FindSegments(graph, *ParseSelection("1:all;2:all", graph)).ok());
  EXPECT_EQ(FindSegments(graph, {{{9, {0}}}}).status().code(), absl::StatusCode::kInvalidArgument);

  NetworkBuilder grouped({4, 6, 6}, 1);
  grouped.Append(op::Conv{{{3, 3}, {1, 1}, {}}, 2}, {grouped.Random({4, 2, 3, 3})});
  grouped.Append(op::Square{});
  grouped.Conv(2, {{3, 3}, {1, 1}, {}});
  EXPECT_EQ(Outline(Find(grouped.Finish(), "1:0")), "1");
  EXPECT_EQ(Outline(Find(grouped.Finish(), "2:0")), "1+2");
  NetworkBuilder channels({8193, 1, 1}, 1);
  channels.Conv(8193, {}, false, 8193);
  EXPECT_THAT(FindError(channels.Finish(), "1:0"),
              HasSubstr("node 'Conv0': Conv with 8193 groups and dilations 1 by 1 would have 67125249 weights"));

  NetworkBuilder sequence({4, 6}, 1);
  sequence.Append(op::MatMul{}, {sequence.Random({6, 2})});
  EXPECT_THAT(FindError(sequence.Finish(), "1:0"), HasSubstr("node 'MatMul0': MatMul of values with 3 dimensions"));
}

// A weight shared with a node outside would ride along in the plaintext rest.
TEST(FindSegments, RefusesWeightsThatAreReadElsewhere) {
  for (const char* shared : {"conv1.weight", "conv2.bias"}) {
    Graph graph = LeNet();
    Node extra = NodeNamed(graph, std::string(shared).substr(0, 5));
    extra.name = "extra";
    extra.output = "extra.out";
    graph.nodes.push_back(extra);
    const std::string error = FindError(graph, "1:0;2:0");
    EXPECT_THAT(error, HasSubstr(fmt::format("node '{}': weight '", std::string(shared).substr(0, 5))));
    EXPECT_THAT(error, HasSubstr("is read in 2 places, by node 'extra' too"));
  }
  // Of a batch normalisation too; but one number for all neurons is nobody's.
  NetworkBuilder b({1, 4, 4}, 1);
  b.Conv(3, {{2, 2}, {1, 1}, {}});
  b.Append(op::Add{}, {b.Random({3, 1, 1})});
  b.Append(op::Add{}, {b.Random({})});
  b.Append(op::Relu{});
  b.Append(op::Add{}, {}, {"Add2.1"});
  EXPECT_EQ(Find(b.Finish(), "1:0")[0].output, "Add2.out");
  b.Append(op::Add{}, {}, {"Add1.1"});
  EXPECT_THAT(FindError(b.Finish(), "1:0"),
              HasSubstr("node 'Add1': weight 'Add1.1' is read in 2 places, by node 'Add"));
}

// A fresh network's kernels, and a node that holds some of them in another form.
Graph WithCopy(Op op, const std::string& input, const Tensor& copy) {
  Graph graph = LeNet();
  graph.initializers["copy"] = copy;
  graph.nodes.push_back({"extra", std::move(op), {input, "copy"}, "extra.out"});
  return graph;
}

Tensor Transposed(const Tensor& matrix) {
  Tensor result{{matrix.dim(1), matrix.dim(0)}, {}};
  for (int64_t j = 0; j < matrix.dim(1); ++j) {
    for (int64_t i = 0; i < matrix.dim(0); ++i) {
      result.values.push_back(matrix.values[static_cast<size_t>(i * matrix.dim(1) + j)]);
    }
  }
  return result;
}

TEST(FindSegments, RefusesWeightsThatStandInAnotherConstantToo) {
  const Graph graph = LeNet();
  const Tensor& conv2 = graph.initializers.at("conv2.weight");
  const Tensor& fc2 = graph.initializers.at("fc2.weight");
  const std::string fc2_input = graph.nodes[FindLayers(graph)[3].node].inputs[0];
  const std::string conv2_input = graph.nodes[FindLayers(graph)[1].node].inputs[0];

  const Graph transposed = WithCopy(op::MatMul{}, fc2_input, Transposed(fc2));
  EXPECT_EQ(FindError(transposed, "4:0-1"),
            "node 'fc2': the weights of 2 of its 2 chosen neurons stand in 'copy' too, which node 'extra' reads; a "
            "network that applies a weight repeatedly can't keep it secret");
  EXPECT_EQ(Outline(Find(transposed, "3:0")), "2+3");
  // Both forms chosen: nothing is left of them. 83 of 84 neurons: the last one's weights are.
  EXPECT_EQ(Outline(Find(transposed, "4:all;6:all")), "4 6");
  EXPECT_EQ(Outline(Find(transposed, "4:all;6:0-82")), "4 6");
  EXPECT_THAT(FindError(transposed, "4:all;6:0-40"), HasSubstr("43 of its 84 chosen neurons"));

  // Half of the neurons; less than half.
  const auto part = [&](int64_t count) {
    Tensor some{{count, conv2.dim(1), 5, 5}, conv2.values};
    some.values.resize(static_cast<size_t>(count * conv2.dim(1) * 25));
    return WithCopy(graph.nodes[FindLayers(graph)[1].node].op, conv2_input, some);
  };
  EXPECT_THAT(FindError(part(8), "1:0;2:all"), HasSubstr("of 8 of its 16 chosen neurons"));
  EXPECT_EQ(Outline(Find(part(7), "1:0;2:all")), "1+2");

  // What any two layers may have: the same number everywhere, and a few numbers.
  for (const std::vector<float>& values : {std::vector<float>{0}, {1, -1}, {1, 0, -1, 2}}) {
    Graph coarse = graph;
    Tensor& weights = coarse.initializers.at("fc2.weight");
    for (size_t i = 0; i < weights.values.size(); ++i) weights.values[i] = values[i % values.size()];
    coarse.initializers["copy"] = weights;
    coarse.nodes.push_back({"extra", op::Gemm{.trans_b = true}, {fc2_input, "copy"}, "extra.out"});
    EXPECT_EQ(Outline(Find(coarse, "4:all")), "4");
  }
}

// A network that was trained in 16-bit floats and one of its layers kept as it was.
TEST(FindSegments, RefusesCopiesThatAreRounded) {
  const Graph graph = LeNet();
  const std::string fc2_input = graph.nodes[FindLayers(graph)[3].node].inputs[0];
  for (const int dropped : {13, 16}) {  // bits of the fraction, to those of binary16 and bfloat16
    Tensor rounded = Transposed(graph.initializers.at("fc2.weight"));
    for (float& v : rounded.values) {
      const auto bits = std::bit_cast<uint32_t>(v);
      v = std::bit_cast<float>((bits + (1u << (dropped - 1))) >> dropped << dropped);
    }
    EXPECT_THAT(FindError(WithCopy(op::MatMul{}, fc2_input, rounded), "4:0-1"), HasSubstr("stand in 'copy' too"));
    for (float& v : rounded.values) v *= 1.5f;
    EXPECT_EQ(Outline(Find(WithCopy(op::MatMul{}, fc2_input, rounded), "4:0-1")), "4");
  }
}

TEST(FindSegments, RefusesToLeaveATwinInPlaintext) {
  Graph graph = LeNet();
  std::vector<float>& weights = graph.initializers.at("fc2.weight").values;
  std::copy_n(weights.begin() + 3 * 120, 120, weights.begin() + 7 * 120);
  EXPECT_EQ(FindError(graph, "4:3,5"),
            "layer 4: neuron 7, which is not chosen, has the weights of neuron 3, which is: choose both or neither");
  EXPECT_EQ(Outline(Find(graph, "4:3,7")), "4");
  EXPECT_EQ(Outline(Find(graph, "4:5")), "4");
  // The same numbers in another order are another neuron.
  std::reverse(weights.begin() + 7 * 120, weights.begin() + 8 * 120);
  EXPECT_EQ(Outline(Find(graph, "4:3,5")), "4");
  // Dead neurons are alike when rounded, and so are zeros elsewhere.
  for (size_t neuron : {3, 7, 9}) {
    for (size_t i = 0; i < 120; ++i) weights[neuron * 120 + i] *= 1e-12f;
  }
  EXPECT_EQ(Outline(Find(graph, "4:3,5")), "4");
  EXPECT_EQ(
      Outline(Find(WithCopy(op::MatMul{}, graph.nodes[FindLayers(graph)[3].node].inputs[0], Tensor::Zeros({120, 84})),
                   "4:3")),
      "4");
}

// What is folded into an encrypted layer is as secret as its weights.
TEST(FindSegments, RefusesFoldedConstantsThatStandInAnotherConstantToo) {
  for (const auto& [values, refused] : {std::pair(std::vector<float>{1, 2, 3}, true), {{4, 4, 4}, false}}) {
    for (const Op& op : {Op(op::Add{}), Op(op::Mul{})}) {
      NetworkBuilder b({1, 4, 4}, 1);
      b.Conv(3, {{2, 2}, {1, 1}, {}});
      b.Append(op, {{{3, 1, 1}, values}});
      b.Append(op::Relu{});
      b.Append(op, {{{1, 3, 1, 1}, values}});
      const Graph graph = b.Finish();
      if (refused) {
        EXPECT_THAT(FindError(graph, "1:0"), HasSubstr("its constant has the values of"));
      } else {
        EXPECT_EQ(Outline(Find(graph, "1:0")), "1");
      }
    }
  }
}

TEST(FindQuadraticPair, FindsTheFirst) {
  const auto pair = FindQuadraticPair(LeNet());
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->first.number, 1);
  EXPECT_EQ(pair->second.number, 2);
  Graph graph = LeNet();
  NodeNamed(graph, "square1").op = op::Relu{};
  EXPECT_EQ(FindQuadraticPair(graph)->first.number, 2);
  NodeNamed(graph, "square2").op = op::Relu{};
  const auto none = FindQuadraticPair(graph);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(none.status()), HasSubstr("none of its 5 layers"));
}

// All values of the slices `indices` along `axis`.
void AddSlices(const Tensor& tensor, size_t axis, const std::vector<int64_t>& indices, std::set<float>& values) {
  int64_t inner = 1;
  for (size_t i = axis + 1; i < tensor.shape.size(); ++i) inner *= tensor.dim(i);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const int64_t index = i / inner % tensor.dim(axis);
    if (std::binary_search(indices.begin(), indices.end(), index)) values.insert(tensor.values[static_cast<size_t>(i)]);
  }
}

// What nodes hold for the channels `core`: weights, biases, and what is folded in. One number for all channels is no
// secret of the core ones.
void AddSecretsOf(const Graph& graph, const std::vector<size_t>& nodes, const std::vector<int64_t>& core,
                  std::set<float>& secrets) {
  for (const size_t i : nodes) {
    const Node& node = graph.nodes[i];
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const auto it = graph.initializers.find(node.inputs[k]);
      if (it == graph.initializers.end() || it->second.size() == 1) continue;
      const Tensor& tensor = it->second;
      const auto* gemm = std::get_if<op::Gemm>(&node.op);
      size_t axis = 0;
      if (std::holds_alternative<op::MatMul>(node.op) || (gemm != nullptr && !gemm->trans_b && k == 1)) axis = 1;
      const bool weighted = gemm != nullptr || std::holds_alternative<op::MatMul>(node.op) ||
                            std::holds_alternative<op::Conv>(node.op) ||
                            std::holds_alternative<op::BatchNormalization>(node.op);
      if ((!weighted || k == 2) && tensor.dim(0) == 1 && tensor.shape.size() > 1) axis = 1;
      AddSlices(tensor, axis, core, secrets);
    }
  }
}

// The rest of the network has no trace of a core neuron's weights, whatever is selected.
TEST(PlaintextRest, HoldsPlaintextWeightsOnly) {
  int searched = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNetwork(seed, seed % 2 == 1);
    const auto segments = FindSegments(graph, RandomSelection(graph, seed));
    if (!segments.ok()) continue;
    const auto layers = FindLayers(graph);
    std::set<float> secrets;
    for (const Segment& s : *segments) {
      AddSecretsOf(graph, s.first_nodes, s.first_neurons, secrets);
      const auto start = std::find_if(s.layer_nodes.begin(), s.layer_nodes.end(), [&](size_t i) {
        return std::any_of(layers.begin(), layers.end(), [&](const Layer& layer) { return layer.node == i; });
      });
      AddSecretsOf(graph, {start, s.layer_nodes.end()}, s.neurons, secrets);
    }
    const Graph rest = *PlaintextRest(graph, *segments);
    for (const auto& [name, tensor] : rest.initializers) {
      if (tensor.size() == 1) continue;
      for (const float v : tensor.values) ASSERT_FALSE(secrets.contains(v)) << name << " holds a secret";
    }
    searched += !secrets.empty();
  }
  EXPECT_GT(searched, 200);
}

// Weights from core neurons to plaintext ones are gone as well: both layers' weights are 1000 f + c, recognisable.
TEST(PlaintextRest, HoldsNoWeightsFromCoreNeurons) {
  Graph graph = LeNet();
  const auto mark = [&](const std::string& name) {
    Tensor& w = graph.initializers.at(name);
    const size_t neuron = w.values.size() / static_cast<size_t>(w.dim(0));
    const size_t channels = name == "conv2.weight" ? 6 : 16;  // fc1 reads 16 channels of 4x4
    for (size_t i = 0; i < w.values.size(); ++i) {
      const size_t channel = i % neuron / (neuron / channels), number = 1000 * (i / neuron + 1) + channel;
      w.values[i] = static_cast<float>(number);
    }
  };
  const std::vector<int64_t> core1 = {1, 4}, core2 = {0, 7, 15};
  for (const auto& [layers, weight] : {std::pair("1:1,4;2:0,7,15", "conv2.weight"), {"2:1,4;3:0,7,15", "fc1.weight"}}) {
    graph = LeNet();
    if (layers[0] == '2') NodeNamed(graph, "square1").op = op::Relu{};  // so that layer 2 is free to be a first one
    mark(weight);
    const Graph rest = *PlaintextRest(graph, Find(graph, layers));
    size_t seen = 0;
    for (const auto& [name, tensor] : rest.initializers) {
      for (const float v : tensor.values) {
        if (v < 1000) continue;
        ++seen;
        const auto f = static_cast<int64_t>(v) / 1000 - 1, c = static_cast<int64_t>(v) % 1000;
        ASSERT_FALSE(std::binary_search(core2.begin(), core2.end(), f)) << name << " has a weight of core neuron " << f;
        ASSERT_FALSE(std::binary_search(core1.begin(), core1.end(), c)) << name << " has a weight from neuron " << c;
      }
    }
    EXPECT_GT(seen, 0u);
  }
}

// Filters of a grouped convolution stay as small as they were: each is a group of its own.
TEST(PlaintextRest, KeepsGroupsApart) {
  NetworkBuilder b({6, 5, 5}, 1);
  b.Conv(12, {{3, 3}, {1, 1}, {}, {2, 2}}, true, 3);
  const Graph graph = b.Finish();
  const Graph rest = *PlaintextRest(graph, Find(graph, "1:0,4-6"));
  const Node& conv = *std::find_if(rest.nodes.begin(), rest.nodes.end(),
                                   [](const Node& n) { return std::holds_alternative<op::Conv>(n.op); });
  EXPECT_EQ(conv.op, Op(op::Conv{{{3, 3}, {1, 1}, {}, {2, 2}}, 8}));
  EXPECT_EQ(rest.initializers.at(conv.inputs[1]).shape, (std::vector<int64_t>{8, 2, 3, 3}));
  EXPECT_EQ(rest.Producer(conv.inputs[0])->op, Op(op::Gather{1, {0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 4, 5, 4, 5, 4, 5}}));
}

TEST(PlaintextRest, AddsInputsAndFeeds) {
  const Graph graph = LeNet();
  const Graph rest = *PlaintextRest(graph, Find(graph, "1:all;2:all;3:0-119;5:2,3"));
  const std::vector<ValueInfo> inputs = {{"image", {-1, 1, 28, 28}},
                                         {"privdnn_segment_0", {-1, 16, 4, 4}},
                                         {"privdnn_segment_1", {-1, 120}},
                                         {"privdnn_segment_2", {-1, 2}}};
  EXPECT_EQ(rest.inputs, inputs);
  const std::vector<ValueInfo> outputs = {
      {"logits", {-1, 10}}, {"privdnn_feed_1", {-1, 256}}, {"privdnn_feed_2", {-1, 84}}};
  EXPECT_EQ(rest.outputs, outputs);
  EXPECT_FALSE(rest.initializers.contains("conv1.weight"));
  EXPECT_TRUE(IsSegmentInput("privdnn_segment_1"));
  EXPECT_TRUE(IsSegmentInput(ShortcutInputName(12)));
  for (const char* other : {"image", "privdnn_feed_1", "privdnn_segment_", "privdnn_segment_01", "privdnn_segment_x"}) {
    EXPECT_FALSE(IsSegmentInput(other)) << other;
  }
}

TEST(PlaintextRest, RefusesNamesThatAreTaken) {
  Graph graph = LeNet();
  graph.inputs[0].name = "privdnn_segment_0";
  graph.nodes[0].inputs[0] = "privdnn_segment_0";
  EXPECT_THAT(Message(PlaintextRest(graph, Find(graph, "2:0")).status()), HasSubstr("'privdnn_segment_0' has a name"));
  // Other names give way.
  Graph other = LeNet();
  NodeNamed(other, "fc1").name = "privdnn_segment_0.merge";
  EXPECT_TRUE(PlaintextRest(other, Find(other, "2:0")).ok());
}

TEST(SplitStages, CutsWhereTheOwnerIsAsked) {
  const Graph graph = LeNet();
  const auto stages = SplitStages(*PlaintextRest(graph, Find(graph, "1:0;2:1;4:3;5:2")), 3);
  ASSERT_TRUE(stages.ok()) << stages.status();
  ASSERT_EQ(stages->size(), 4u);
  EXPECT_TRUE((*stages)[0].nodes.empty());  // reads the image
  EXPECT_EQ((*stages)[1].outputs, (std::vector<ValueInfo>{{"relu1.out", {-1, 120}}, {"privdnn_feed_1", {-1, 120}}}));
  EXPECT_EQ((*stages)[3].outputs, graph.outputs);
  for (size_t k = 1; k < 4; ++k) EXPECT_TRUE(InferShapes((*stages)[k]).ok()) << k;
}

TEST(SplitStages, RefusesWhatIsNoRestNetwork) {
  const Graph graph = LeNet();
  const Graph rest = *PlaintextRest(graph, Find(graph, "2:1;4:3"));
  const auto error = [](const Graph& foreign, size_t segments) {
    const auto stages = SplitStages(foreign, segments);
    EXPECT_EQ(stages.status().code(), absl::StatusCode::kInvalidArgument);
    return Message(stages.status());
  };
  EXPECT_THAT(error(rest, 3), HasSubstr("has the inputs of 2 segments, needs those of 3"));
  EXPECT_THAT(error(rest, 1), HasSubstr("'privdnn_segment_1' belongs to no segment; there are 1"));
  EXPECT_THAT(error(rest, SIZE_MAX), HasSubstr("has the inputs of 2 segments"));
  // An answer needed for its own question.
  Graph circular = rest;
  const std::string feed = "privdnn_feed_0";
  circular.nodes.push_back({"circle", op::Flatten{1}, {"privdnn_segment_0"}, feed});
  circular.outputs.push_back({feed, {-1, 16}});
  EXPECT_THAT(error(circular, 2), HasSubstr("node 'circle': reads 'privdnn_segment_0' for the input of segment 0"));
  Graph broken = rest;
  broken.nodes.pop_back();
  EXPECT_FALSE(SplitStages(broken, 2).ok());
}

}  // namespace
}  // namespace privdnn
