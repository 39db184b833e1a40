#include "selection/evaluator.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "nn/executor.h"
#include "nn/predict.h"

namespace privdnn {
namespace {

using nn::Tensor;

// Values of a batch at the segment's output, at most so many; and so many images.
constexpr int64_t kBatchValues = int64_t{1} << 22, kMinBatch = 16, kMaxBatch = 1024;
// Candidates that share a first layer and are evaluated one after the other.
constexpr size_t kChunk = 8;

std::vector<int64_t> All(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

absl::Status CheckNeurons(const std::vector<int64_t>& neurons, int64_t layer, int64_t count) {
  for (size_t i = 0; i < neurons.size(); ++i) {
    if (neurons[i] < 0 || neurons[i] >= count) {
      return InvalidArgument("candidate: layer {} has neurons 0 to {}, {} is not among them", layer, count - 1,
                             neurons[i]);
    }
    if (i > 0 && neurons[i] <= neurons[i - 1]) {
      return InvalidArgument("candidate: neurons {} and {} of layer {} do not ascend", neurons[i - 1], neurons[i],
                             layer);
    }
  }
  return absl::OkStatus();
}

// The second layer, folded, on the squares: "square" -> "sum".
nn::Graph SecondLayer(const nn::Segment& segment, bool with_bias) {
  const nn::FoldedLayer& layer = segment.layer;
  nn::Graph graph;
  graph.name = "second layer";
  graph.inputs = {{"square", {-1, segment.square_shape[0], segment.square_shape[1], segment.square_shape[2]}}};
  Tensor weights{{layer.outputs, layer.inputs, layer.kernel[0], layer.kernel[1]}, {}};
  weights.values.assign(layer.weights.begin(), layer.weights.end());
  graph.initializers["weights"] = std::move(weights);
  std::vector<std::string> inputs = {"square", "weights"};
  if (with_bias) {
    Tensor bias{{layer.outputs}, {}};
    bias.values.assign(layer.bias.begin(), layer.bias.end());
    graph.initializers["bias"] = std::move(bias);
    inputs.push_back("bias");
  }
  graph.nodes.push_back({"conv", nn::Conv{{layer.kernel, layer.strides, layer.pads}, 1}, inputs, "conv.out"});
  graph.nodes.push_back({"pool", nn::AveragePool{{layer.pool, layer.pool_strides}, false}, {"conv.out"}, "sum"});
  graph.outputs = {{"sum", {-1, segment.output_shape[0], segment.output_shape[1], segment.output_shape[2]}}};
  return graph;
}

// What a batch of images has at the segment.
struct Batch {
  int64_t begin = 0, end = 0;
  Tensor squares;                    // (N, first neurons, height, width); empty for a linear segment
  Tensor full;                       // the segment's output
  std::vector<float> contributions;  // [first neuron][image][value of the segment's output], or empty
};

}  // namespace

struct Evaluator::Impl {
  EvaluatorOptions options;
  nn::ImageSet images;
  nn::Segment segment;  // with all neurons
  int64_t first_neurons = 0, second_neurons = 0, output_area = 0, square_area = 0;
  int64_t batch_images = 0;
  bool contributions = false;
  std::optional<nn::Executor> front, second, unbiased, tail;
  std::string image_input, logits;
  std::vector<std::optional<Batch>> cache;  // by batch
  std::vector<uint8_t> original;

  int64_t output_values() const { return second_neurons * output_area; }
  int64_t square_values() const { return first_neurons * square_area; }
  // As SecondLayer reads squares; in the graph, those of a fully connected layer have two dimensions.
  std::vector<int64_t> SquareMap(int64_t count) const {
    return {count, first_neurons, segment.square_shape[1], segment.square_shape[2]};
  }

  absl::Status FindLayers(const nn::Graph& graph);
  absl::Status Build(const nn::Graph& graph);
  absl::StatusOr<Batch> MakeBatch(int64_t index) const;
  // The first neurons' contributions; Cancelled once `go_on` says false, which is asked between neurons.
  absl::Status Contribute(const std::function<bool()>& go_on, Batch& batch) const;
  absl::Status Fill(const ProgressFn& progress);
  // Values of the segment's output with the core neurons of the first layer left out, [image][value].
  absl::StatusOr<std::vector<float>> Partial(const Batch& batch, const std::vector<int64_t>& core) const;
  // Which of `labels` are among the top_k outputs.
  absl::StatusOr<std::vector<uint8_t>> RunTail(Tensor outputs, Tensor shortcut, std::span<const int32_t> labels) const;
  // One batch, restricted to [begin, end), for candidates with the same first layer.
  absl::Status EvaluateBatch(const Batch& batch, int64_t begin, int64_t end, std::span<const Candidate> candidates,
                             std::span<const size_t> which, int64_t offset, std::vector<Outcome>& outcomes) const;
};

absl::Status Evaluator::Impl::FindLayers(const nn::Graph& graph) {
  const std::vector<nn::Layer> layers = nn::FindLayers(graph);
  const auto find = [&](int64_t number) -> absl::StatusOr<nn::Layer> {
    if (number >= 1 && number <= static_cast<int64_t>(layers.size())) return layers[static_cast<size_t>(number - 1)];
    return InvalidArgument("graph '{}' has layers 1 to {}, {} is not among them", graph.name, layers.size(), number);
  };
  if (options.layers != 1 && options.layers != 2) {
    return InvalidArgument("{} layers; a segment has 1 or 2", options.layers);
  }
  nn::Selection all;
  if (options.layers == 1) {
    PRIVDNN_ASSIGN_OR_RETURN(const nn::Layer layer, find(options.first_layer == 0 ? 1 : options.first_layer));
    all.layers[layer.number] = All(layer.neurons);
  } else {
    if (options.first_layer == 0) {
      PRIVDNN_ASSIGN_OR_RETURN(const auto pair, nn::FindQuadraticPair(graph));
      all.layers = {{pair.first.number, All(pair.first.neurons)}, {pair.second.number, All(pair.second.neurons)}};
    } else {
      PRIVDNN_ASSIGN_OR_RETURN(const nn::Layer front_layer, find(options.first_layer));
      PRIVDNN_ASSIGN_OR_RETURN(const nn::Layer back_layer, find(options.first_layer + 1));
      all.layers = {{front_layer.number, All(front_layer.neurons)}, {back_layer.number, All(back_layer.neurons)}};
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto segments, nn::FindSegments(graph, all));
  if (segments.size() != 1) {
    return InvalidArgument("graph '{}': no square joins layers {} and {}; choose them one at a time (1 layer)",
                           graph.name, all.layers.begin()->first, all.layers.rbegin()->first);
  }
  segment = segments[0];
  if (options.layers == 1 && segment.kind != nn::Segment::Kind::kLinear) {
    return InvalidArgument("graph '{}': layer {} reads the square of layer {}; choose both together (2 layers)",
                           graph.name, segment.layer_number, segment.first_number);
  }
  second_neurons = segment.layer.outputs;
  output_area = segment.output_shape[1] * segment.output_shape[2];
  if (segment.kind == nn::Segment::Kind::kQuadratic) {
    first_neurons = segment.first->outputs;
    square_area = segment.square_shape[1] * segment.square_shape[2];
  }
  return absl::OkStatus();
}

absl::Status Evaluator::Impl::Build(const nn::Graph& graph) {
  image_input = graph.inputs[0].name;
  logits = graph.outputs[0].name;
  std::vector<std::string> values = {segment.output};
  if (first_neurons > 0) values.push_back(segment.square_output);
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph before, nn::Extract(graph, values));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, {segment}));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph behind, nn::Extract(rest, {logits}));
  for (const nn::ValueInfo& input : behind.inputs) {
    if (!nn::IsSegmentInput(input.name)) {
      return InvalidArgument("graph '{}': '{}' is read behind layer {} too; candidates can't be told apart there",
                             graph.name, input.name, segment.layer_number);
    }
  }
  PRIVDNN_ASSIGN_OR_RETURN(front, nn::Executor::Create(before));
  PRIVDNN_ASSIGN_OR_RETURN(tail, nn::Executor::Create(behind));
  if (first_neurons > 0) {
    PRIVDNN_ASSIGN_OR_RETURN(second, nn::Executor::Create(SecondLayer(segment, true)));
    PRIVDNN_ASSIGN_OR_RETURN(unbiased, nn::Executor::Create(SecondLayer(segment, false)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Batch> Evaluator::Impl::MakeBatch(int64_t index) const {
  Batch batch;
  batch.begin = index * batch_images;
  batch.end = std::min(batch.begin + batch_images, images.count);
  PRIVDNN_ASSIGN_OR_RETURN(auto values, front->Run({{image_input, images.Batch(batch.begin, batch.end)}}));
  batch.full = std::move(values.at(segment.output));
  if (first_neurons > 0) batch.squares = std::move(values.at(segment.square_output));
  return batch;
}

absl::Status Evaluator::Impl::Contribute(const std::function<bool()>& go_on, Batch& batch) const {
  const auto count = static_cast<size_t>(batch.end - batch.begin);
  const auto size = static_cast<size_t>(square_values()), area = static_cast<size_t>(square_area);
  batch.contributions.reserve(static_cast<size_t>(first_neurons * output_values()) * count);
  for (size_t i = 0; i < static_cast<size_t>(first_neurons); ++i) {
    if (!go_on()) return absl::CancelledError("interrupted");
    Tensor alone = Tensor::Zeros(SquareMap(batch.end - batch.begin));
    for (size_t k = 0; k < count; ++k) {
      std::copy_n(batch.squares.values.data() + k * size + i * area, area, alone.values.data() + k * size + i * area);
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto sum, unbiased->Run({{"square", std::move(alone)}}));
    const std::vector<float>& added = sum.at("sum").values;
    batch.contributions.insert(batch.contributions.end(), added.begin(), added.end());
  }
  return absl::OkStatus();
}

absl::Status Evaluator::Impl::Fill(const ProgressFn& progress) {
  batch_images = std::clamp(kBatchValues / std::max<int64_t>(output_values(), 1), kMinBatch, kMaxBatch);
  batch_images = std::min(batch_images, images.count);
  const int64_t batches = (images.count + batch_images - 1) / batch_images;
  const uint64_t plain = sizeof(float) * static_cast<uint64_t>(square_values() + output_values());
  const uint64_t summands = sizeof(float) * static_cast<uint64_t>(first_neurons * output_values());
  contributions = first_neurons > 0 && (plain + summands) * static_cast<uint64_t>(images.count) <= options.cache_bytes;
  const uint64_t an_image = plain + (contributions ? summands : 0);
  // Whole batches, of which the last may be smaller.
  const int64_t kept =
      an_image * static_cast<uint64_t>(images.count) <= options.cache_bytes
          ? batches
          : static_cast<int64_t>(options.cache_bytes / (an_image * static_cast<uint64_t>(batch_images)));
  cache.resize(static_cast<size_t>(batches));
  original.resize(static_cast<size_t>(images.count));
  std::mutex mutex;
  absl::Status status;
  uint64_t done = 0;
  // Counts images that are done; false once anything has failed.
  const auto advance = [&](uint64_t more) {
    const std::scoped_lock lock(mutex);
    done += more;
    const bool go_on = !progress || progress(done, static_cast<uint64_t>(images.count), "");
    if (!go_on) status.Update(absl::CancelledError("interrupted"));
    return status.ok();
  };
  ParallelFor(static_cast<size_t>(batches), options.threads, [&](size_t b) {
    const auto run = [&]() -> absl::Status {
      if (!advance(0)) return absl::OkStatus();
      PRIVDNN_ASSIGN_OR_RETURN(Batch batch, MakeBatch(static_cast<int64_t>(b)));
      if (contributions) PRIVDNN_RETURN_IF_ERROR(Contribute([&] { return advance(0); }, batch));
      const auto labels = std::span(images.labels)
                              .subspan(static_cast<size_t>(batch.begin), static_cast<size_t>(batch.end - batch.begin));
      PRIVDNN_ASSIGN_OR_RETURN(const auto right, RunTail(batch.full, batch.squares, labels));
      std::copy(right.begin(), right.end(), original.begin() + batch.begin);
      if (static_cast<int64_t>(b) < kept) cache[b] = std::move(batch);
      advance(labels.size());
      return absl::OkStatus();
    };
    const absl::Status result = run();
    const std::scoped_lock lock(mutex);
    status.Update(result);
  });
  return status;
}

absl::StatusOr<std::vector<float>> Evaluator::Impl::Partial(const Batch& batch,
                                                            const std::vector<int64_t>& core) const {
  if (core.empty()) return batch.full.values;
  const auto count = static_cast<size_t>(batch.end - batch.begin);
  if (batch.contributions.empty()) {
    Tensor squares{SquareMap(batch.end - batch.begin), batch.squares.values};
    for (size_t k = 0; k < count; ++k) {
      for (const int64_t i : core) {
        std::fill_n(squares.values.begin() + static_cast<int64_t>(k) * square_values() + i * square_area, square_area,
                    0.0F);
      }
    }
    PRIVDNN_ASSIGN_OR_RETURN(auto sum, second->Run({{"square", std::move(squares)}}));
    return std::move(sum.at("sum").values);
  }
  // The fewer of the core's and the others' contributions, taken from all or added to the bias.
  std::vector<float> out;
  const bool subtract = 2 * static_cast<int64_t>(core.size()) <= first_neurons;
  if (subtract) {
    out = batch.full.values;
  } else {
    out.resize(batch.full.values.size());
    const auto area = static_cast<size_t>(output_area);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(segment.layer.bias[i / area % static_cast<size_t>(second_neurons)]);
    }
  }
  for (int64_t i = 0; i < first_neurons; ++i) {
    if (std::binary_search(core.begin(), core.end(), i) != subtract) continue;
    const float* added = batch.contributions.data() + static_cast<size_t>(i) * out.size();
    for (size_t v = 0; v < out.size(); ++v) out[v] += subtract ? -added[v] : added[v];
  }
  return out;
}

absl::StatusOr<std::vector<uint8_t>> Evaluator::Impl::RunTail(Tensor outputs, Tensor shortcut,
                                                              std::span<const int32_t> labels) const {
  std::map<std::string, Tensor> inputs;
  inputs[nn::SegmentInputName(0)] = std::move(outputs);
  if (!segment.shortcut.empty()) inputs[nn::ShortcutInputName(0)] = std::move(shortcut);
  PRIVDNN_ASSIGN_OR_RETURN(const auto results, tail->Run(inputs));
  const Tensor& scores = results.at(logits);
  const auto classes = static_cast<size_t>(scores.size()) / labels.size();
  std::vector<uint8_t> right(labels.size());
  for (size_t k = 0; k < labels.size(); ++k) {
    const auto row = std::span(scores.values).subspan(k * classes, classes);
    right[k] = nn::RankOf(row, static_cast<size_t>(labels[k])) < options.top_k;
  }
  return right;
}

absl::Status Evaluator::Impl::EvaluateBatch(const Batch& batch, int64_t begin, int64_t end,
                                            std::span<const Candidate> candidates, std::span<const size_t> which,
                                            int64_t offset, std::vector<Outcome>& outcomes) const {
  const auto skip = static_cast<size_t>(begin - batch.begin), count = static_cast<size_t>(end - begin);
  const auto size = static_cast<size_t>(output_values()), area = static_cast<size_t>(output_area);
  const auto square_size = static_cast<size_t>(square_values());
  const std::vector<int64_t>& core = candidates[which[0]].first;
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<float> partial, Partial(batch, core));
  // Twice the images: separated, then removed. Once for candidates whose two networks are the same: no second neurons,
  // and no shortcut to tell them apart.
  std::vector<int64_t> shape = batch.full.shape;
  Tensor shortcut;
  if (!segment.shortcut.empty()) {
    std::vector<int64_t> square_shape = batch.squares.shape;
    square_shape[0] = static_cast<int64_t>(2 * count);
    shortcut = Tensor::Zeros(std::move(square_shape));
    const float* from = batch.squares.values.data() + skip * square_size;
    std::copy_n(from, count * square_size, shortcut.values.begin());
    std::copy_n(from, count * square_size, shortcut.values.begin() + static_cast<std::ptrdiff_t>(count * square_size));
    for (size_t k = count; k < 2 * count; ++k) {
      for (const int64_t i : core) {
        std::fill_n(shortcut.values.begin() + static_cast<int64_t>(k * square_size) + i * square_area, square_area,
                    0.0F);
      }
    }
  }
  std::vector<int32_t> labels(images.labels.begin() + begin, images.labels.begin() + end);
  labels.insert(labels.end(), images.labels.begin() + begin, images.labels.begin() + end);
  for (const size_t w : which) {
    const size_t runs = candidates[w].second.empty() && segment.shortcut.empty() ? count : 2 * count;
    shape[0] = static_cast<int64_t>(runs);
    Tensor outputs = Tensor::Zeros(shape);
    const float* from = partial.data() + skip * size;
    for (size_t k = 0; k < runs; k += count) std::copy_n(from, count * size, outputs.values.data() + k * size);
    for (size_t k = 0; k < count; ++k) {
      for (const int64_t f : candidates[w].second) {
        const size_t at = k * size + static_cast<size_t>(f) * area;
        std::copy_n(batch.full.values.data() + skip * size + at, area, outputs.values.data() + at);
        std::fill_n(outputs.values.data() + count * size + at, area, 0.0F);
      }
    }
    PRIVDNN_ASSIGN_OR_RETURN(const auto right, RunTail(std::move(outputs), shortcut, std::span(labels).first(runs)));
    const auto removed = right.end() - static_cast<std::ptrdiff_t>(count);
    std::copy_n(right.begin(), count, outcomes[w].separated.begin() + (begin - offset));
    std::copy_n(removed, count, outcomes[w].removed.begin() + (begin - offset));
  }
  return absl::OkStatus();
}

Evaluator::Evaluator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

absl::StatusOr<Evaluator> Evaluator::Create(const nn::Graph& graph, nn::ImageSet images,
                                            const EvaluatorOptions& options, const ProgressFn& progress) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1 || graph.outputs[0].shape.size() != 2) {
    return InvalidArgument(
        "graph '{}' has {} inputs and {} outputs; needs one of each, the output of shape (N, classes)", graph.name,
        graph.inputs.size(), graph.outputs.size());
  }
  const int64_t classes = graph.outputs[0].shape[1];
  if (options.top_k < 1 || options.top_k > classes) {
    return InvalidArgument("top {} of {} classes; must be 1 to {}", options.top_k, classes, classes);
  }
  const auto wrong = std::find_if(images.labels.begin(), images.labels.end(),
                                  [&](int32_t label) { return label < 0 || label >= classes; });
  if (wrong != images.labels.end()) {
    return InvalidArgument("image {} has label {}, the graph has {} classes", wrong - images.labels.begin(), *wrong,
                           classes);
  }
  nn::SetExecutorThreads(1);
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->images = std::move(images);
  PRIVDNN_RETURN_IF_ERROR(impl->FindLayers(graph));
  PRIVDNN_RETURN_IF_ERROR(impl->Build(graph));
  PRIVDNN_RETURN_IF_ERROR(impl->Fill(progress));
  return Evaluator(std::move(impl));
}

int64_t Evaluator::images() const { return impl_->images.count; }
int64_t Evaluator::batch_images() const { return impl_->batch_images; }
const nn::ImageSet& Evaluator::image_set() const { return impl_->images; }
const EvaluatorOptions& Evaluator::options() const { return impl_->options; }
int64_t Evaluator::first_number() const { return impl_->segment.first_number; }
int64_t Evaluator::second_number() const { return impl_->segment.layer_number; }
int64_t Evaluator::first_neurons() const { return impl_->first_neurons; }
int64_t Evaluator::second_neurons() const { return impl_->second_neurons; }
const std::vector<uint8_t>& Evaluator::original() const { return impl_->original; }

absl::StatusOr<std::vector<Outcome>> Evaluator::Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                         int64_t end, const ProgressFn& progress) const {
  const Impl& m = *impl_;
  if (begin < 0 || begin >= end || end > m.images.count) {
    return InvalidArgument("images {} to {} of {}", begin, end, m.images.count);
  }
  for (const Candidate& c : candidates) {
    PRIVDNN_RETURN_IF_ERROR(CheckNeurons(c.first, m.segment.first_number, m.first_neurons));
    PRIVDNN_RETURN_IF_ERROR(CheckNeurons(c.second, m.segment.layer_number, m.second_neurons));
  }
  // Candidates with the same first layer side by side, in pieces.
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return candidates[a].first < candidates[b].first; });
  std::vector<std::span<const size_t>> pieces;
  for (size_t at = 0; at < order.size();) {
    size_t next = at + 1;
    while (next < order.size() && next - at < kChunk && candidates[order[next]].first == candidates[order[at]].first) {
      ++next;
    }
    pieces.push_back(std::span(order).subspan(at, next - at));
    at = next;
  }
  const auto size = static_cast<size_t>(end - begin);
  std::vector<Outcome> outcomes(candidates.size(), {std::vector<uint8_t>(size), std::vector<uint8_t>(size)});

  // A batch that isn't kept is made once, for all candidates.
  struct Task {
    size_t batch, piece, pieces;
  };
  std::vector<Task> tasks;
  for (auto b = static_cast<size_t>(begin / m.batch_images); static_cast<int64_t>(b) * m.batch_images < end; ++b) {
    if (!m.cache[b]) {
      tasks.push_back({b, 0, pieces.size()});
    } else {
      for (size_t p = 0; p < pieces.size(); ++p) tasks.push_back({b, p, 1});
    }
  }
  std::mutex mutex;
  absl::Status status;
  std::atomic<bool> stop = false;
  uint64_t done = 0;
  const uint64_t total = candidates.size() * size;
  ParallelFor(tasks.size(), m.options.threads, [&](size_t t) {
    if (stop) return;
    const auto run = [&](uint64_t& pairs) -> absl::Status {
      std::optional<Batch> made;
      if (!m.cache[tasks[t].batch]) {
        PRIVDNN_ASSIGN_OR_RETURN(made, m.MakeBatch(static_cast<int64_t>(tasks[t].batch)));
      }
      const Batch& batch = made ? *made : *m.cache[tasks[t].batch];
      const int64_t from = std::max(begin, batch.begin), to = std::min(end, batch.end);
      for (size_t p = tasks[t].piece; p < tasks[t].piece + tasks[t].pieces && !stop; ++p) {
        PRIVDNN_RETURN_IF_ERROR(m.EvaluateBatch(batch, from, to, candidates, pieces[p], begin, outcomes));
        pairs += pieces[p].size() * static_cast<uint64_t>(to - from);
      }
      return absl::OkStatus();
    };
    uint64_t pairs = 0;
    const absl::Status result = run(pairs);
    const std::scoped_lock lock(mutex);
    status.Update(result);
    done += pairs;
    if (!status.ok() || (!stop && !progress(done, total, ""))) stop = true;
  });
  PRIVDNN_RETURN_IF_ERROR(status);
  if (stop) return absl::CancelledError("interrupted");
  return outcomes;
}

nn::Selection Evaluator::ToSelection(const Candidate& candidate) const {
  nn::Selection selection;
  if (!candidate.first.empty()) selection.layers[first_number()] = candidate.first;
  if (!candidate.second.empty()) selection.layers[second_number()] = candidate.second;
  return selection;
}

absl::StatusOr<Candidate> Evaluator::FromSelection(const nn::Selection& selection) const {
  Candidate candidate;
  for (const auto& [layer, neurons] : selection.layers) {
    if (layer == second_number()) {
      candidate.second = neurons;
    } else if (first_neurons() > 0 && layer == first_number()) {
      candidate.first = neurons;
    } else {
      return InvalidArgument("selection: layer {} is not one of those that are chosen here ({})", layer,
                             first_neurons() > 0 ? fmt::format("{} and {}", first_number(), second_number())
                                                 : fmt::format("{}", second_number()));
    }
  }
  PRIVDNN_RETURN_IF_ERROR(CheckNeurons(candidate.first, first_number(), first_neurons()));
  PRIVDNN_RETURN_IF_ERROR(CheckNeurons(candidate.second, second_number(), second_neurons()));
  return candidate;
}

}  // namespace privdnn
