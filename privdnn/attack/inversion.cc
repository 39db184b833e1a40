#include "privdnn/attack/inversion.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "privdnn/base/random.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

constexpr double kLogLargestScale = 2.302585092994046;  // of 10
// What is computed at once, for memory's sake.
constexpr int64_t kImagesAtOnce = 64;
constexpr int64_t kImagesPerMessage = 64;

ImageSize SizeOf(const Tensor& images) { return {images.dim(1), images.dim(2), images.dim(3)}; }

std::span<const float> ImageAt(const Tensor& images, int64_t i) {
  const auto size = static_cast<size_t>(SizeOf(images).values());
  return std::span(images.values).subspan(static_cast<size_t>(i) * size, size);
}

// Means of the scores of guesses g(0), g(1), ... but for the `skipped`, at each original.
template <typename Skipped>
Scores MeanScores(const Tensor& guesses, const Tensor& originals, const Skipped& skipped) {
  Scores scores;
  const ImageSize size = SizeOf(originals);
  for (int64_t i = 0; i < originals.dim(0); ++i) {
    double psnr = 0, ssim = 0, count = 0;
    for (int64_t j = 0; j < guesses.dim(0); ++j) {
      if (skipped(i, j)) continue;
      psnr += Psnr(ImageAt(guesses, j), ImageAt(originals, i));
      ssim += Ssim(ImageAt(guesses, j), ImageAt(originals, i), size);
      ++count;
    }
    scores.psnr.push_back(psnr / count);
    scores.ssim.push_back(ssim / count);
  }
  return scores;
}

std::vector<double> Differences(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  return differences;
}

// Tensors of more images behind those that are there, one by one; `all` may be empty.
void Append(std::vector<Tensor> more, std::vector<Tensor>& all) {
  if (all.empty()) {
    all = std::move(more);
    return;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].values.insert(all[i].values.end(), more[i].values.begin(), more[i].values.end());
    all[i].shape[0] += more[i].dim(0);
  }
}

// QueryImages of one message.
absl::StatusOr<QueriedFeatures> QueryBatch(const User& user, const RestNetwork& rest, const Owner& owner,
                                           const Tensor& images, RandomSource& random, User::Workspace& workspace,
                                           int threads) {
  QueriedFeatures features;
  RestNetwork::Evaluation evaluation = rest.Start(images), seen{images.dim(0), {}};
  for (size_t k = 0; k < rest.num_segments(); ++k) {
    PRIVDNN_ASSIGN_OR_RETURN(const Tensor feed, rest.Feed(k, evaluation));
    PRIVDNN_ASSIGN_OR_RETURN(PreparedQuery query, user.Prepare(k, feed.values, random, workspace, threads));
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, owner.Answer(query.message, random, threads));
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, user.Unmask(query, reply));
    rest.Provide(k, outputs, evaluation);
    for (Masks& m : query.masks) m = Masks(m.size());  // zeros
    PRIVDNN_ASSIGN_OR_RETURN(const auto masked, user.Unmask(query, reply));
    rest.Provide(k, masked, seen);
    for (const std::string& name : {SegmentInputName(k), ShortcutInputName(k)}) {
      const auto value = seen.values.find(name);
      if (value == seen.values.end()) continue;
      features.owner.push_back(value->second);
      features.user.push_back(evaluation.values.at(name));
    }
  }
  return features;
}

}  // namespace

Tensor Slice(const Tensor& images, int64_t begin, int64_t end) {
  const int64_t size = SizeOf(images).values();
  return {{end - begin, images.dim(1), images.dim(2), images.dim(3)},
          {images.values.begin() + begin * size, images.values.begin() + end * size}};
}

absl::StatusOr<Graph> FeatureGraph(const Graph& graph, const std::vector<Segment>& segments, SeenNeurons seen) {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph separated, Separate(graph, segments));
  std::vector<std::string> values;
  std::vector<const std::vector<int64_t>*> channels;
  for (const Segment& s : segments) {
    values.push_back(s.output);
    channels.push_back(&s.neurons);
    if (s.shortcut.empty()) continue;
    values.push_back(s.square_output);
    channels.push_back(&s.shortcut);
  }
  PRIVDNN_ASSIGN_OR_RETURN(Graph features, Extract(separated, values));
  if (seen == SeenNeurons::kAll) return features;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string name = fmt::format("privdnn_seen_{}", i);
    features.nodes.push_back({name, op::Gather{1, *channels[i]}, {values[i]}, name});
    features.outputs[i].name = name;
    features.outputs[i].shape[1] = std::ssize(*channels[i]);
  }
  PRIVDNN_RETURN_IF_ERROR(InferShapes(features).status());
  return features;
}

absl::StatusOr<std::vector<Tensor>> Features(const Graph& feature_graph, const Tensor& images) {
  PRIVDNN_ASSIGN_OR_RETURN(const Executor executor, Executor::Create(feature_graph));
  std::vector<Tensor> features;
  for (int64_t begin = 0; begin < images.dim(0); begin += kImagesAtOnce) {
    const Tensor batch = Slice(images, begin, std::min(begin + kImagesAtOnce, images.dim(0)));
    PRIVDNN_ASSIGN_OR_RETURN(auto outputs, executor.Run({{feature_graph.inputs[0].name, batch}}));
    std::vector<Tensor> piece;
    for (const ValueInfo& output : feature_graph.outputs) piece.push_back(std::move(outputs.at(output.name)));
    Append(std::move(piece), features);
  }
  return features;
}

std::vector<Tensor> ScaleChannels(std::vector<Tensor> features, uint64_t seed) {
  std::mt19937_64 engine(seed);
  for (Tensor& tensor : features) {
    const auto channels = static_cast<size_t>(tensor.dim(0) * tensor.dim(1));
    const size_t positions = tensor.values.size() / channels;
    for (size_t c = 0; c < channels; ++c) {
      const auto scale = static_cast<float>(std::exp(kLogLargestScale * SymmetricUniform<double>(engine())));
      for (size_t p = 0; p < positions; ++p) tensor.values[c * positions + p] *= scale;
    }
  }
  return features;
}

absl::StatusOr<QueriedFeatures> QueryImages(const User& user, const RestNetwork& rest, const Owner& owner,
                                            const Tensor& images, uint64_t seed, int threads,
                                            const ProgressFn& progress) {
  QueriedFeatures features;
  User::Workspace workspace;
  DeterministicRandom random(seed);
  const int64_t count = images.dim(0);
  for (int64_t begin = 0; begin < count; begin += kImagesPerMessage) {
    const int64_t end = std::min(begin + kImagesPerMessage, count);
    PRIVDNN_ASSIGN_OR_RETURN(QueriedFeatures batch,
                             QueryBatch(user, rest, owner, Slice(images, begin, end), random, workspace, threads));
    Append(std::move(batch.owner), features.owner);
    Append(std::move(batch.user), features.user);
    if (!Proceeds(progress, static_cast<uint64_t>(end), static_cast<uint64_t>(count), "")) {
      return absl::CancelledError(fmt::format("queries stopped after {} of {} images", end, count));
    }
  }
  return features;
}

PixelPrior MeasurePixels(const Tensor& images) {
  const std::vector<int64_t> shape(images.shape.begin() + 1, images.shape.end());
  PixelPrior prior{Tensor::Zeros(shape), Tensor::Zeros(shape)};
  const auto count = static_cast<double>(images.dim(0));
  for (size_t k = 0; k < prior.mean.values.size(); ++k) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < images.dim(0); ++i) {
      const double v = ImageAt(images, i)[k];
      sum += v;
      squares += v * v;
    }
    const double mean = sum / count, variance = std::max(0.0, squares / count - mean * mean);
    prior.mean.values[k] = static_cast<float>(mean);
    prior.deviation.values[k] = static_cast<float>(std::sqrt(variance + kLeastDeviation * kLeastDeviation));
  }
  return prior;
}

Scores Score(const Tensor& guesses, const Tensor& originals) {
  return MeanScores(guesses, originals, [](int64_t i, int64_t j) { return i != j; });
}

Scores ScoreBlindGuesses(const Tensor& guesses, const Tensor& originals) {
  return MeanScores(guesses, originals, [](int64_t, int64_t) { return false; });
}

Scores ScoreOthersGuesses(const Tensor& guesses, const Tensor& originals) {
  return MeanScores(guesses, originals, [](int64_t i, int64_t j) { return i == j; });
}

Advantage Compare(const Scores& scores, const Scores& others, double confidence) {
  return {StudentInterval(Differences(scores.psnr, others.psnr), confidence),
          StudentInterval(Differences(scores.ssim, others.ssim), confidence)};
}

}  // namespace privdnn
