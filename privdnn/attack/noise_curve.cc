#include "privdnn/attack/noise_curve.h"

#include <algorithm>
#include <map>

#include "privdnn/party/owner.h"

namespace privdnn {
namespace {

// Values of the equations that a clone is fitted to: 2 GiB of doubles, of which there are a few copies.
constexpr uint64_t kMaxValues = uint64_t{1} << 28;

// Clones by numbers of images, each fitted and run once.
class Clones {
 public:
  Clones(ExtractionAttack& attack, const ImageSet& fresh, const NoteFn& note)
      : attack_(attack), fresh_(fresh), note_(note), most_(attack.asked()) {
    for (const GroupAttack& a : attack.groups()) {
      const uint64_t fit = kMaxValues / (a.polynomial->positions() * a.polynomial->unknowns());
      most_ = std::clamp<uint64_t>(fit, 1, most_);
    }
  }

  absl::StatusOr<double> Accuracy(uint64_t images) {
    if (const auto found = accuracy_.find(images); found != accuracy_.end()) return found->second;
    PRIVDNN_RETURN_IF_ERROR(attack_.Approximate(images));
    PRIVDNN_ASSIGN_OR_RETURN(const double accuracy, attack_.CloneAccuracy(fresh_, /*exact=*/false));
    Note(note_, fmt::format("clone by {} images: {:.2f} %", images, accuracy));
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
  const NoteFn& note_;
  uint64_t most_;
  std::map<uint64_t, double> accuracy_;
};

}  // namespace

absl::Status CheckNoiseRoom(const User& user, double output_noise) {
  for (size_t k = 0; k < user.num_segments(); ++k) {
    PRIVDNN_RETURN_IF_ERROR(IntegerNoise(user.segment(k), k, output_noise).status());
  }
  return absl::OkStatus();
}

std::vector<NoiseLeftOut> ResolveShares(const std::vector<double>& deviations,
                                        const std::function<absl::Status(double level)>& room, NoiseSettings& noise,
                                        const NoteFn& warn) {
  std::vector<NoiseLeftOut> left_out;
  if (noise.shares.empty()) return left_out;
  double least = 0;
  for (size_t k = 0; k < deviations.size(); ++k) {
    if (deviations[k] == 0) {
      Note(warn, fmt::format("segment {}: its outputs never vary: noise isn't measured by them", k));
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
      Note(warn, fmt::format("output noise {:.4g} left out: {}", level, Message(status)));
      left_out.push_back({level, Message(status)});
    }
  }
  noise.shares.clear();
  return left_out;
}

absl::StatusOr<NoiseReport> MeasureNoise(const User& user, const NoisyOwnerFn& owner, NoiseSettings noise,
                                         ExtractionSettings extraction, const ImageSet& asked, const ImageSet& fresh,
                                         double exact_accuracy, const std::vector<double>& deviations,
                                         const Reporting& reporting) {
  extraction.exact = false;
  NoiseReport report{.within = noise.within};
  report.left_out = ResolveShares(
      deviations, [&](double level) { return CheckNoiseRoom(user, level); }, noise, reporting.warn);
  for (const double level : noise.levels) {
    NoiseEffect& result = report.levels.emplace_back();
    result.output_noise = level;
    for (const double deviation : deviations) result.shares.push_back(deviation > 0 ? level / deviation : 0);
    Note(reporting.note, fmt::format("output noise {:.4g}", level));
    PRIVDNN_ASSIGN_OR_RETURN(const std::unique_ptr<OutputOracle> target, owner(level));
    PRIVDNN_ASSIGN_OR_RETURN(ExtractionAttack attack, ExtractionAttack::Create(*target, extraction, reporting));
    PRIVDNN_ASSIGN_OR_RETURN(result.accuracy, attack.UserAccuracy(fresh));
    PRIVDNN_RETURN_IF_ERROR(attack.Collect(asked));
    Clones clones(attack, fresh, reporting.note);
    PRIVDNN_ASSIGN_OR_RETURN(result.to_noisy_accuracy, clones.Fewest(result.accuracy - noise.within));
    PRIVDNN_ASSIGN_OR_RETURN(result.to_exact_accuracy, clones.Fewest(exact_accuracy - noise.within));
    result.most_images = clones.most();
    result.clones = clones.all();
  }
  return report;
}

}  // namespace privdnn
