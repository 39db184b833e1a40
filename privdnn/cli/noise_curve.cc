#include "privdnn/cli/noise_curve.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

namespace privdnn {
namespace {

// Values of the equations that a clone is fitted to: 2 GiB of doubles, of which there are a few copies.
constexpr uint64_t kMaxValues = uint64_t{1} << 28;

// Clones by numbers of images, each fitted and run once.
class Clones {
 public:
  Clones(ExtractionAttack& attack, const ImageSet& fresh) : attack_(attack), fresh_(fresh), most_(attack.asked()) {
    for (const GroupAttack& a : attack.groups()) {
      const uint64_t fit = kMaxValues / (a.polynomial->positions() * a.polynomial->unknowns());
      most_ = std::clamp<uint64_t>(fit, 1, most_);
    }
  }

  absl::StatusOr<double> Accuracy(uint64_t images) {
    if (const auto found = accuracy_.find(images); found != accuracy_.end()) return found->second;
    PRIVDNN_RETURN_IF_ERROR(attack_.Approximate(images));
    PRIVDNN_ASSIGN_OR_RETURN(const double accuracy, attack_.CloneAccuracy(fresh_, /*exact=*/false));
    spdlog::info("clone by {} images: {:.2f} %", images, accuracy);
    accuracy_[images] = accuracy;
    return accuracy;
  }

  // Fewest images that reach `accuracy`, to a tenth.
  absl::StatusOr<std::optional<uint64_t>> Fewest(double accuracy) {
    uint64_t below = 0, enough = 1;
    for (;; enough = std::min(2 * enough, most_)) {
      PRIVDNN_ASSIGN_OR_RETURN(const double reached, Accuracy(enough));
      if (reached >= accuracy) break;
      if (enough == most_) return std::optional<uint64_t>();
      below = enough;
    }
    while (enough - below > 1 + below / 10) {
      const uint64_t middle = below + (enough - below) / 2;
      PRIVDNN_ASSIGN_OR_RETURN(const double reached, Accuracy(middle));
      (reached >= accuracy ? enough : below) = middle;
    }
    return std::optional<uint64_t>(enough);
  }

  uint64_t most() const { return most_; }
  std::vector<Clone> all() const {
    std::vector<Clone> clones;
    for (const auto& [images, accuracy] : accuracy_) clones.push_back({images, accuracy});
    return clones;
  }

 private:
  ExtractionAttack& attack_;
  const ImageSet& fresh_;
  uint64_t most_;
  std::map<uint64_t, double> accuracy_;
};

}  // namespace

std::vector<NoiseLeftOut> ResolveShares(const std::vector<double>& deviations,
                                        const std::function<absl::Status(double level)>& room, NoiseSettings& noise) {
  std::vector<NoiseLeftOut> left_out;
  if (noise.shares.empty()) return left_out;
  double least = 0;
  for (size_t k = 0; k < deviations.size(); ++k) {
    if (deviations[k] == 0) {
      spdlog::warn("segment {}: its outputs never vary: noise isn't measured by them", k);
    } else {
      least = least == 0 ? deviations[k] : std::min(least, deviations[k]);
    }
  }
  for (const double share : noise.shares) {
    const double level = share * least;
    const absl::Status status =
        share > 0 && level == 0 ? InvalidArgument("outputs never vary, so they have no {:.4g} of a deviation", share)
                                : room(level);
    if (status.ok()) {
      noise.levels.push_back(level);
    } else {
      spdlog::warn("output noise {:.4g} left out: {}", level, Message(status));
      left_out.push_back({level, Message(status)});
    }
  }
  noise.shares.clear();
  return left_out;
}

absl::StatusOr<std::vector<NoiseEffect>> MeasureNoise(LocalOwner& owner, const NoiseSettings& noise,
                                                      ExtractionSettings extraction, const ImageSet& asked,
                                                      const ImageSet& fresh, double exact_accuracy,
                                                      const std::vector<double>& deviations) {
  extraction.exact = false;
  std::vector<NoiseEffect> levels;
  for (const double level : noise.levels) {
    NoiseEffect& result = levels.emplace_back();
    result.output_noise = level;
    for (const double deviation : deviations) result.shares.push_back(deviation > 0 ? level / deviation : 0);
    spdlog::info("output noise {:.4g}", level);
    PRIVDNN_RETURN_IF_ERROR(owner.Restart(level));
    const OwnerAddress address{owner.package(), owner.address(), owner.user_directory(), LocalOwner::kUserName};
    PRIVDNN_ASSIGN_OR_RETURN(AttackTarget target, AttackTarget::Connect(address, extraction.threads));
    PRIVDNN_ASSIGN_OR_RETURN(ExtractionAttack attack, ExtractionAttack::Create(target, extraction));
    PRIVDNN_ASSIGN_OR_RETURN(result.accuracy, attack.UserAccuracy(fresh));
    PRIVDNN_RETURN_IF_ERROR(attack.Collect(asked));
    Clones clones(attack, fresh);
    PRIVDNN_ASSIGN_OR_RETURN(result.to_noisy_accuracy, clones.Fewest(result.accuracy - noise.within));
    PRIVDNN_ASSIGN_OR_RETURN(result.to_exact_accuracy, clones.Fewest(exact_accuracy - noise.within));
    result.most_images = clones.most();
    result.clones = clones.all();
  }
  return levels;
}

}  // namespace privdnn
