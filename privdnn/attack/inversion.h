// Tests whether a user's image can be reconstructed from what the owner sees.
//
// The owner knows the whole network. In the prototype of the paper's authors, the user sends it the results of the
// encrypted layers, with those of plaintext neurons in the clear; here the owner gets queries. Both face the same
// attacks: a search for an image whose features match those observed (torch/invert.h), or a trained network that
// inverts features (torch/decoder.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/attack/image_quality.h"
#include "privdnn/attack/statistics.h"
#include "privdnn/base/progress.h"
#include "privdnn/partition/partition.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"
#include "privdnn/pipeline/rest_network.h"

namespace privdnn {

enum class SeenNeurons { kAll, kEncrypted };

// Returns the graph from an image to the segments' results, as an authorised user computes them. Its outputs are those
// of the separated network at the end of every segment, in the order of segments, each followed by the squares of its
// shortcut, if it has one. They have the channels of all neurons or only of the encrypted ones. Returns errors of
// Separate and Extract.
absl::StatusOr<Graph> FeatureGraph(const Graph& graph, const std::vector<Segment>& segments, SeenNeurons seen);

// Returns images [begin, end) of images (N, C, H, W), 0 <= begin <= end <= N.
Tensor Slice(const Tensor& images, int64_t begin, int64_t end);

// Returns a FeatureGraph's outputs, in its order, for images (N, C, H, W).
absl::StatusOr<std::vector<Tensor>> Features(const Graph& feature_graph, const Tensor& images);

// Returns the same with each channel of each image multiplied by its own factor, log-uniform in [1/10, 10].
std::vector<Tensor> ScaleChannels(std::vector<Tensor> features, uint64_t seed);

// Both ends of the queries for a batch of images, in the form that Features has for encrypted neurons.
struct QueriedFeatures {
  // What the owner gets from the queries: it decrypts them and, lacking the masks, reads the results as if these were
  // 0. Uniform, whatever the images.
  std::vector<Tensor> owner;
  // What the user gets in the end, with the masks: quantised features.
  std::vector<Tensor> user;
};
// Asks about images (N, C, H, W) in as many messages as needed. `owner` and `user` belong to one package, `rest` is its
// network. Masks and noise come from the seed: never use this for queries that leave this machine. `progress` counts
// images; fails with Cancelled if it returns false.
absl::StatusOr<QueriedFeatures> QueryImages(const User& user, const RestNetwork& rest, const Owner& owner,
                                            const Tensor& images, uint64_t seed, int threads,
                                            const ProgressFn& progress);

// What an attacker knows of images before it sees anything, (C, H, W) each.
struct PixelPrior {
  Tensor mean, deviation;  // deviations are above 0
};
// Measures images (N, C, H, W) of the attacker's own. The deviation is sqrt(variance + kLeastDeviation^2).
inline constexpr double kLeastDeviation = 0.05;
PixelPrior MeasurePixels(const Tensor& images);

// Scores, one per image.
struct Scores {
  std::vector<double> psnr;  // dB
  std::vector<double> ssim;
};
// Compares image i of `guesses` with image i of `originals`, both (N, C, H, W).
Scores Score(const Tensor& guesses, const Tensor& originals);
// Scores blind guesses: for each original, returns the mean score of all guesses, which are the attacker's own images.
Scores ScoreBlindGuesses(const Tensor& guesses, const Tensor& originals);
// Returns, for each image, the mean score of the guesses at the other images. Needs at least two images.
Scores ScoreOthersGuesses(const Tensor& guesses, const Tensor& originals);

// How much higher some scores are than others, as the mean over images, with Student's interval.
struct Advantage {
  MeanInterval psnr, ssim;
  // Whether it is better by both measures, with this confidence; and whether 0 is within both intervals.
  bool better() const { return psnr.interval.low > 0 && ssim.interval.low > 0; }
  bool none() const { return psnr.interval.Contains(0) && ssim.interval.Contains(0); }
};
// Needs at least two images.
Advantage Compare(const Scores& scores, const Scores& others, double confidence);

}  // namespace privdnn
