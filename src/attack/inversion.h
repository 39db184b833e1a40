// Can a user's image be reconstructed from what the owner sees?
//
// The owner knows the whole network. In the authors' prototype the user sends it the results of the encrypted layers,
// those of plaintext neurons in the clear; here it gets queries. Both are put to the same attacks: an image is searched
// whose features are those that were seen (nn/invert.h), or a trained network turns features round (nn/decoder.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attack/image_quality.h"
#include "attack/statistics.h"
#include "nn/partition.h"
#include "party/owner.h"
#include "party/rest_network.h"
#include "party/user.h"

namespace privdnn::attack {

enum class SeenNeurons { kAll, kEncrypted };

// From an image to what the segments give, as an authorised user computes it: the outputs of the separated network at
// every segment's end, in the order of segments, behind each its shortcut's squares, if it has one. Of each the
// channels of all neurons or of the encrypted ones only. Errors of nn::Separate and nn::Extract.
absl::StatusOr<nn::Graph> FeatureGraph(const nn::Graph& graph, const std::vector<nn::Segment>& segments,
                                       SeenNeurons seen);

// Images [begin, end) of images (N, C, H, W), 0 <= begin <= end <= N.
nn::Tensor Slice(const nn::Tensor& images, int64_t begin, int64_t end);

// A FeatureGraph's outputs, in its order, of images (N, C, H, W).
absl::StatusOr<std::vector<nn::Tensor>> Features(const nn::Graph& feature_graph, const nn::Tensor& images);

// The same with each channel of each image multiplied by a factor of its own, log-uniform in [1/10, 10].
std::vector<nn::Tensor> ScaleChannels(std::vector<nn::Tensor> features, uint64_t seed);

// Both ends of the queries for a batch of images, in the form of Features of the encrypted neurons.
struct QueriedFeatures {
  // What the owner makes of the queries: it decrypts them and reads the results, for want of the masks, as if these
  // were 0. Uniform, whatever the images.
  std::vector<nn::Tensor> owner;
  // What the user has at last, with the masks: quantised features.
  std::vector<nn::Tensor> user;
};
// images: (N, C, H, W), asked in as many messages as that takes. `owner` and `user` are those of one package, `rest`
// its network. Masks and noise come from the seed: never for queries that leave this machine. `progress` counts images;
// Cancelled if it returns false.
absl::StatusOr<QueriedFeatures> QueryImages(const User& user, const RestNetwork& rest, const Owner& owner,
                                            const nn::Tensor& images, uint64_t seed, int threads,
                                            const ProgressFn& progress);

// What an attacker knows of images before it sees anything, (C, H, W) each.
struct PixelPrior {
  nn::Tensor mean, deviation;  // deviations are above 0
};
// Of images (N, C, H, W) of the attacker's own. The deviation is sqrt(variance + kLeastDeviation^2).
inline constexpr double kLeastDeviation = 0.05;
PixelPrior MeasurePixels(const nn::Tensor& images);

// Scores of images, one an image.
struct Scores {
  std::vector<double> psnr;  // dB
  std::vector<double> ssim;
};
// Image i of `guesses` against image i of `originals`, both (N, C, H, W).
Scores Score(const nn::Tensor& guesses, const nn::Tensor& originals);
// What can be had without looking: for each original the mean score of the guesses, all of which are the attacker's.
Scores ScoreBlindGuesses(const nn::Tensor& guesses, const nn::Tensor& originals);
// For each image the mean score of the guesses at the others. At least two images.
Scores ScoreOthersGuesses(const nn::Tensor& guesses, const nn::Tensor& originals);

// How much higher than others some scores are, in the mean over images, with Student's interval.
struct Advantage {
  MeanInterval psnr, ssim;
  // Better by both measures, with this confidence; and of 0 within both intervals.
  bool better() const { return psnr.interval.low > 0 && ssim.interval.low > 0; }
  bool none() const { return psnr.interval.Contains(0) && ssim.interval.Contains(0); }
};
// At least two images.
Advantage Compare(const Scores& scores, const Scores& others, double confidence);

}  // namespace privdnn::attack
