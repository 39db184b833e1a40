// Can a user's image be reconstructed from what the owner sees?
//
// The owner knows the whole network. In the authors' prototype the user sends it the results of the encrypted layers,
// those of plaintext neurons in the clear; here it gets queries. Both are put to the same attacks: an image is searched
// whose features are those that were seen (nn/invert.h), or a trained network turns features round (nn/decoder.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "privdnn/attack/image_quality.h"
#include "privdnn/attack/statistics.h"
#include "privdnn/partition/partition.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"
#include "privdnn/pipeline/rest_network.h"

namespace privdnn {

enum class SeenNeurons { kAll, kEncrypted };

// From an image to what the segments give, as an authorised user computes it: the outputs of the separated network at
// every segment's end, in the order of segments, behind each its shortcut's squares, if it has one. Of each the
// channels of all neurons or of the encrypted ones only. Errors of Separate and Extract.
absl::StatusOr<Graph> FeatureGraph(const Graph& graph, const std::vector<Segment>& segments, SeenNeurons seen);

// Images [begin, end) of images (N, C, H, W), 0 <= begin <= end <= N.
Tensor Slice(const Tensor& images, int64_t begin, int64_t end);

// A FeatureGraph's outputs, in its order, of images (N, C, H, W).
absl::StatusOr<std::vector<Tensor>> Features(const Graph& feature_graph, const Tensor& images);

// The same with each channel of each image multiplied by a factor of its own, log-uniform in [1/10, 10].
std::vector<Tensor> ScaleChannels(std::vector<Tensor> features, uint64_t seed);

// Both ends of the queries for a batch of images, in the form of Features of the encrypted neurons.
struct QueriedFeatures {
  // What the owner makes of the queries: it decrypts them and reads the results, for want of the masks, as if these
  // were 0. Uniform, whatever the images.
  std::vector<Tensor> owner;
  // What the user has at last, with the masks: quantised features.
  std::vector<Tensor> user;
};
// images: (N, C, H, W), asked in as many messages as that takes. `owner` and `user` are those of one package, `rest`
// its network. Masks and noise come from the seed: never for queries that leave this machine. `progress` counts images;
// Cancelled if it returns false.
absl::StatusOr<QueriedFeatures> QueryImages(const User& user, const RestNetwork& rest, const Owner& owner,
                                            const Tensor& images, uint64_t seed, int threads,
                                            const ProgressFn& progress);

// What an attacker knows of images before it sees anything, (C, H, W) each.
struct PixelPrior {
  Tensor mean, deviation;  // deviations are above 0
};
// Of images (N, C, H, W) of the attacker's own. The deviation is sqrt(variance + kLeastDeviation^2).
inline constexpr double kLeastDeviation = 0.05;
PixelPrior MeasurePixels(const Tensor& images);

// Scores of images, one an image.
struct Scores {
  std::vector<double> psnr;  // dB
  std::vector<double> ssim;
};
// Image i of `guesses` against image i of `originals`, both (N, C, H, W).
Scores Score(const Tensor& guesses, const Tensor& originals);
// What can be had without looking: for each original the mean score of the guesses, all of which are the attacker's.
Scores ScoreBlindGuesses(const Tensor& guesses, const Tensor& originals);
// For each image the mean score of the guesses at the others. At least two images.
Scores ScoreOthersGuesses(const Tensor& guesses, const Tensor& originals);

// How much higher than others some scores are, in the mean over images, with Student's interval.
struct Advantage {
  MeanInterval psnr, ssim;
  // Better by both measures, with this confidence; and of 0 within both intervals.
  bool better() const { return psnr.interval.low > 0 && ssim.interval.low > 0; }
  bool none() const { return psnr.interval.Contains(0) && ssim.interval.Contains(0); }
};
// At least two images.
Advantage Compare(const Scores& scores, const Scores& others, double confidence);

}  // namespace privdnn
