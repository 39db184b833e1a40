#include "privdnn/selection/evaluator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>

#include "privdnn/base/parallel.h"
#include "privdnn/selection/segment_runner.h"

namespace privdnn {
namespace {

// Values of a batch at the segment's output, at most so many; and so many images.
constexpr int64_t kBatchValues = int64_t{1} << 22, kMinBatch = 16, kMaxBatch = 1024;
// Candidates that share a first layer and are evaluated one after the other.
constexpr size_t kChunk = 8;

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

// What one network of candidate `c` makes of the images at [offset, offset + margins.size()) of those asked for.
using KeepFn = std::function<void(size_t c, View view, size_t offset, std::span<const float> margins)>;

}  // namespace

struct Evaluator::Impl {
  explicit Impl(SegmentRunner made) : runner(std::move(made)) {}

  EvaluatorOptions options;
  ImageSet images;
  SegmentRunner runner;
  int64_t batch_images = 0;
  bool contributions = false;
  std::vector<std::optional<SegmentValues>> cache;  // by batch
  std::vector<uint8_t> original;
  std::vector<float> original_margins;

  absl::Status Fill(const ProgressFn& progress);
  std::vector<int32_t> Labels(std::span<const int64_t> which) const;
  bool Cached(int64_t image) const { return cache[static_cast<size_t>(image / batch_images)].has_value(); }
  // What these images have at the segment, as far as possible from the cache.
  absl::StatusOr<SegmentValues> Gather(std::span<const int64_t> which) const;
  // Of candidates with the same first layer.
  absl::Status RunPiece(const SegmentValues& values, std::span<const int32_t> labels,
                        std::span<const Candidate> candidates, std::span<const size_t> piece,
                        std::span<const View> views, size_t offset, const KeepFn& keep) const;
  absl::Status Run(std::span<const Candidate> candidates, std::span<const std::vector<int64_t>> chunks,
                   std::span<const View> views, const ProgressFn& progress, const KeepFn& keep) const;
};

absl::Status Evaluator::Impl::Fill(const ProgressFn& progress) {
  const int64_t output_values = runner.output_values();
  batch_images = std::clamp(kBatchValues / std::max<int64_t>(output_values, 1), kMinBatch, kMaxBatch);
  batch_images = std::min(batch_images, images.count);
  const int64_t batches = (images.count + batch_images - 1) / batch_images;
  const uint64_t plain = sizeof(float) * static_cast<uint64_t>(runner.square_values() + output_values);
  const uint64_t summands = sizeof(float) * static_cast<uint64_t>(runner.first_neurons() * output_values);
  contributions =
      runner.first_neurons() > 0 && (plain + summands) * static_cast<uint64_t>(images.count) <= options.cache_bytes;
  const uint64_t an_image = plain + (contributions ? summands : 0);
  // Whole batches, of which the last may be smaller.
  const int64_t kept =
      an_image * static_cast<uint64_t>(images.count) <= options.cache_bytes
          ? batches
          : static_cast<int64_t>(options.cache_bytes / (an_image * static_cast<uint64_t>(batch_images)));
  cache.resize(static_cast<size_t>(batches));
  original_margins.resize(static_cast<size_t>(images.count));
  std::mutex mutex;
  absl::Status status;
  uint64_t done = 0;
  // Counts images that are done; false once anything has failed.
  const auto advance = [&](uint64_t more) {
    const std::scoped_lock lock(mutex);
    done += more;
    const bool go_on = Proceeds(progress, done, static_cast<uint64_t>(images.count), "");
    if (!go_on) status.Update(absl::CancelledError("interrupted"));
    return status.ok();
  };
  ParallelFor(static_cast<size_t>(batches), options.threads, [&](size_t b) {
    const auto run = [&]() -> absl::Status {
      if (!advance(0)) return absl::OkStatus();
      const int64_t begin = static_cast<int64_t>(b) * batch_images, end = std::min(begin + batch_images, images.count);
      PRIVDNN_ASSIGN_OR_RETURN(SegmentValues batch, runner.Front(images.Batch(begin, end)));
      if (contributions) PRIVDNN_RETURN_IF_ERROR(runner.Contribute([&] { return advance(0); }, batch));
      const auto labels =
          std::span(images.labels).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      PRIVDNN_ASSIGN_OR_RETURN(const auto margins, runner.Original(batch, labels));
      std::copy(margins.begin(), margins.end(), original_margins.begin() + begin);
      if (static_cast<int64_t>(b) < kept) cache[b] = std::move(batch);
      advance(labels.size());
      return absl::OkStatus();
    };
    const absl::Status result = run();
    const std::scoped_lock lock(mutex);
    status.Update(result);
  });
  for (const float margin : original_margins) original.push_back(margin > 0);
  return status;
}

std::vector<int32_t> Evaluator::Impl::Labels(std::span<const int64_t> which) const {
  std::vector<int32_t> labels;
  for (const int64_t i : which) labels.push_back(images.labels[static_cast<size_t>(i)]);
  return labels;
}

absl::StatusOr<SegmentValues> Evaluator::Impl::Gather(std::span<const int64_t> which) const {
  std::vector<int64_t> missing;
  std::copy_if(which.begin(), which.end(), std::back_inserter(missing), [&](int64_t i) { return !Cached(i); });
  SegmentValues made;
  if (!missing.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(made, runner.Front(images.Pick(missing).Batch(0, static_cast<int64_t>(missing.size()))));
    if (missing.size() == which.size()) return made;
  }
  const auto size = static_cast<size_t>(runner.output_values()), squares = static_cast<size_t>(runner.square_values());
  const size_t neurons = contributions ? static_cast<size_t>(runner.first_neurons()) : 0;
  const SegmentValues& any = missing.empty() ? *cache[static_cast<size_t>(which[0] / batch_images)] : made;
  SegmentValues values;
  values.images = static_cast<int64_t>(which.size());
  const auto resize = [&](const Tensor& from, Tensor& to, size_t an_image) {
    to.shape = from.shape;
    if (!to.shape.empty()) to.shape[0] = values.images;
    to.values.resize(which.size() * an_image);
  };
  resize(any.full, values.full, size);
  resize(any.squares, values.squares, squares);
  values.contributions.resize(neurons * which.size() * size);
  size_t next = 0;  // of those made
  for (size_t k = 0; k < which.size(); ++k) {
    const bool cached = Cached(which[k]);
    const SegmentValues& batch = cached ? *cache[static_cast<size_t>(which[k] / batch_images)] : made;
    const size_t at = cached ? static_cast<size_t>(which[k] % batch_images) : next++;
    std::copy_n(batch.full.values.data() + at * size, size, values.full.values.data() + k * size);
    std::copy_n(batch.squares.values.data() + at * squares, squares, values.squares.values.data() + k * squares);
    // There are none if an image is not in the cache.
    for (size_t i = 0; i < neurons; ++i) {
      std::copy_n(batch.contributions.data() + (i * static_cast<size_t>(batch.images) + at) * size, size,
                  values.contributions.data() + (i * which.size() + k) * size);
    }
  }
  return values;
}

absl::Status Evaluator::Impl::RunPiece(const SegmentValues& values, std::span<const int32_t> labels,
                                       std::span<const Candidate> candidates, std::span<const size_t> piece,
                                       std::span<const View> views, size_t offset, const KeepFn& keep) const {
  PRIVDNN_ASSIGN_OR_RETURN(const std::vector<float> partial, runner.Partial(values, candidates[piece[0]].first));
  for (const size_t c : piece) {
    std::vector<float> margins;
    for (size_t v = 0; v < views.size(); ++v) {
      if (v == 0 || !runner.OneNetwork(candidates[c])) {
        PRIVDNN_ASSIGN_OR_RETURN(margins, runner.Margins(values, partial, candidates[c], views[v], labels));
      }
      keep(c, views[v], offset, margins);
    }
  }
  return absl::OkStatus();
}

absl::Status Evaluator::Impl::Run(std::span<const Candidate> candidates, std::span<const std::vector<int64_t>> chunks,
                                  std::span<const View> views, const ProgressFn& progress, const KeepFn& keep) const {
  for (const Candidate& c : candidates) {
    PRIVDNN_RETURN_IF_ERROR(CheckNeurons(c.first, runner.segment().first_number, runner.first_neurons()));
    PRIVDNN_RETURN_IF_ERROR(CheckNeurons(c.second, runner.segment().layer_number, runner.second_neurons()));
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
  // What isn't kept is made once for all candidates, or once a thread if there is little else to share.
  struct Task {
    size_t chunk, piece, pieces;
  };
  std::vector<Task> tasks;
  std::vector<size_t> offsets = {0};
  const auto threads = static_cast<size_t>(options.threads);
  for (size_t k = 0; k < chunks.size(); ++k) {
    offsets.push_back(offsets.back() + chunks[k].size());
    const bool cached = std::all_of(chunks[k].begin(), chunks[k].end(), [&](int64_t i) { return Cached(i); });
    const size_t shares = cached ? pieces.size() : chunks.size() < threads ? std::min(threads, pieces.size()) : 1;
    for (size_t share = 0; share < shares; ++share) {
      const size_t from = share * pieces.size() / shares;
      tasks.push_back({k, from, (share + 1) * pieces.size() / shares - from});
    }
  }
  std::mutex mutex;
  absl::Status status;
  std::atomic<bool> stop = false;
  uint64_t done = 0;
  const uint64_t total = candidates.size() * offsets.back();
  ParallelFor(tasks.size(), options.threads, [&](size_t t) {
    if (stop) return;
    const std::vector<int64_t>& which = chunks[tasks[t].chunk];
    const auto run = [&](uint64_t& pairs) -> absl::Status {
      // A whole batch need not be copied.
      const auto& batch = cache[static_cast<size_t>(which[0] / batch_images)];
      const bool whole = batch && which[0] % batch_images == 0 && static_cast<int64_t>(which.size()) == batch->images &&
                         which.back() - which[0] + 1 == batch->images;
      std::optional<SegmentValues> made;
      if (!whole) {
        PRIVDNN_ASSIGN_OR_RETURN(made, Gather(which));
      }
      const SegmentValues& values = whole ? *batch : *made;
      const std::vector<int32_t> labels = Labels(which);
      for (size_t p = tasks[t].piece; p < tasks[t].piece + tasks[t].pieces && !stop; ++p) {
        PRIVDNN_RETURN_IF_ERROR(RunPiece(values, labels, candidates, pieces[p], views, offsets[tasks[t].chunk], keep));
        pairs += pieces[p].size() * which.size();
      }
      return absl::OkStatus();
    };
    uint64_t pairs = 0;
    const absl::Status result = run(pairs);
    const std::scoped_lock lock(mutex);
    status.Update(result);
    done += pairs;
    if (!status.ok() || (!stop && !Proceeds(progress, done, total))) stop = true;
  });
  PRIVDNN_RETURN_IF_ERROR(status);
  return stop ? absl::CancelledError("interrupted") : absl::OkStatus();
}

Evaluator::Evaluator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

absl::StatusOr<Evaluator> Evaluator::Create(const Graph& graph, ImageSet images, const EvaluatorOptions& options,
                                            const ProgressFn& progress) {
  if (images.count == 0) return InvalidArgument("evaluate: no images");
  PRIVDNN_ASSIGN_OR_RETURN(SegmentRunner runner, SegmentRunner::Create(graph, options));
  const int64_t classes = graph.outputs[0].shape[1];
  const auto wrong = std::find_if(images.labels.begin(), images.labels.end(),
                                  [&](int32_t label) { return label < 0 || label >= classes; });
  if (wrong != images.labels.end()) {
    return InvalidArgument("image {} has label {}, the graph has {} classes", wrong - images.labels.begin(), *wrong,
                           classes);
  }
  SetExecutorThreads(1);
  auto impl = std::make_unique<Impl>(std::move(runner));
  impl->options = options;
  impl->images = std::move(images);
  PRIVDNN_RETURN_IF_ERROR(impl->Fill(progress));
  return Evaluator(std::move(impl));
}

int64_t Evaluator::images() const { return impl_->images.count; }
int64_t Evaluator::batch_images() const { return impl_->batch_images; }
const ImageSet& Evaluator::image_set() const { return impl_->images; }
const EvaluatorOptions& Evaluator::options() const { return impl_->options; }
int64_t Evaluator::first_number() const { return impl_->runner.segment().first_number; }
int64_t Evaluator::second_number() const { return impl_->runner.segment().layer_number; }
int64_t Evaluator::first_neurons() const { return impl_->runner.first_neurons(); }
int64_t Evaluator::second_neurons() const { return impl_->runner.second_neurons(); }
const std::vector<uint8_t>& Evaluator::original() const { return impl_->original; }
const std::vector<float>& Evaluator::original_margins() const { return impl_->original_margins; }

absl::StatusOr<std::vector<Outcome>> Evaluator::Evaluate(std::span<const Candidate> candidates, int64_t begin,
                                                         int64_t end, const ProgressFn& progress) const {
  const Impl& m = *impl_;
  if (begin < 0 || begin >= end || end > m.images.count) {
    return InvalidArgument("images {} to {} of {}", begin, end, m.images.count);
  }
  std::vector<std::vector<int64_t>> chunks;
  for (int64_t at = begin; at < end;) {
    const int64_t next = std::min(end, (at / m.batch_images + 1) * m.batch_images);
    std::vector<int64_t>& chunk = chunks.emplace_back(static_cast<size_t>(next - at));
    std::iota(chunk.begin(), chunk.end(), at);
    at = next;
  }
  const auto size = static_cast<size_t>(end - begin);
  std::vector<Outcome> outcomes(candidates.size(), {std::vector<uint8_t>(size), std::vector<uint8_t>(size)});
  PRIVDNN_RETURN_IF_ERROR(m.Run(candidates, chunks, std::array{View::kSeparated, View::kRemoved}, progress,
                                [&](size_t c, View view, size_t offset, std::span<const float> margins) {
                                  auto& found = view == View::kSeparated ? outcomes[c].separated : outcomes[c].removed;
                                  for (size_t k = 0; k < margins.size(); ++k) found[offset + k] = margins[k] > 0;
                                }));
  return outcomes;
}

absl::StatusOr<std::vector<std::vector<float>>> Evaluator::Margins(std::span<const Candidate> candidates, View view,
                                                                   std::span<const int64_t> images,
                                                                   const ProgressFn& progress) const {
  const Impl& m = *impl_;
  PRIVDNN_RETURN_IF_ERROR(CheckImageList(images, m.images.count));
  std::vector<std::vector<int64_t>> chunks;
  for (size_t at = 0; at < images.size(); at += static_cast<size_t>(m.batch_images)) {
    const auto chunk = images.subspan(at, std::min(static_cast<size_t>(m.batch_images), images.size() - at));
    chunks.emplace_back(chunk.begin(), chunk.end());
  }
  std::vector<std::vector<float>> margins(candidates.size(), std::vector<float>(images.size()));
  PRIVDNN_RETURN_IF_ERROR(m.Run(
      candidates, chunks, std::array{view}, progress, [&](size_t c, View, size_t offset, std::span<const float> found) {
        std::copy(found.begin(), found.end(), margins[c].begin() + static_cast<std::ptrdiff_t>(offset));
      }));
  return margins;
}

Selection Evaluator::ToSelection(const Candidate& candidate) const {
  Selection selection;
  if (!candidate.first.empty()) selection.layers[first_number()] = candidate.first;
  if (!candidate.second.empty()) selection.layers[second_number()] = candidate.second;
  return selection;
}

absl::StatusOr<Candidate> Evaluator::FromSelection(const Selection& selection) const {
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
