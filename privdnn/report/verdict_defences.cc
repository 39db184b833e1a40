#include "privdnn/report/verdict_defences.h"

#include <fmt/format.h>

#include <optional>

#include "privdnn/report/verdict.h"

namespace privdnn {
namespace {

// What twice as many images do may be chance: such numbers repeat to about that factor.
constexpr uint64_t kRepeats = 2;

// Images of a clone that is as good as a user without errors; nothing: those that were tried don't do.
std::optional<uint64_t> Needed(const Json& level) {
  const Json& images = level.at("images_to_exact_accuracy");
  return images.is_null() ? std::nullopt : std::optional(images.get<uint64_t>());
}

std::string NeededText(const Json& level) {
  const auto needed = Needed(level);
  return needed ? fmt::format("{} images", *needed) : fmt::format("more than {} images", Count(level, "images_tried"));
}

std::string Points(double points) { return fmt::format("{:.3g} point{}", points, points == 1 ? "" : "s"); }

std::string Size(const Json& level) { return fmt::format("{:.3g} % of the outputs' deviation", NoisePercent(level)); }

// The level without errors, the largest that costs users next to nothing, and the least that makes clones take more
// than kRepeats times as many images.
struct Levels {
  const Json* none = nullptr;
  const Json* harmless = nullptr;
  const Json* effective = nullptr;
};

Levels Choose(const Json& extract) {
  Levels levels;
  for (const Json& level : extract.at("noise")) {
    if (level.at("output_noise") == 0) levels.none = &level;
  }
  if (!levels.none) return levels;
  const double separated = Number(extract, "accuracy_separated"), within = Number(extract, "within");
  const auto base = Needed(*levels.none);
  for (const Json& level : extract.at("noise")) {
    if (level.at("output_noise") == 0) continue;
    if (separated - Number(level, "user_accuracy") <= within) levels.harmless = &level;
    const auto needed = Needed(level);
    if (!levels.effective && base && (!needed || *needed > kRepeats * *base)) levels.effective = &level;
  }
  return levels;
}

}  // namespace

std::vector<Sentence> NoiseVerdict(const Results& results) {
  const Json* extract = results.Find("extract");
  if (!extract || !extract->contains("noise")) return {};
  const Levels levels = Choose(*extract);
  if (!levels.none || extract->at("noise").size() < 2) return {};
  const double within = Number(*extract, "within");
  const std::string judged = fmt::format("on {} images that were not asked", Count(*extract, "clone_images"));
  const auto sentence = [](Tone tone, std::string text) {
    return std::vector<Sentence>{{tone, std::move(text), "noise"}};
  };
  if (!Needed(*levels.none)) {
    return sentence(Tone::kNote, fmt::format("What errors added to outputs would be worth can't be told from this run: "
                                             "without them, too, no clone by up to {} images came within {} of "
                                             "the user, {}.",
                                             Count(*levels.none, "images_tried"), Points(within), judged));
  }
  std::string dear;
  if (levels.effective) {
    dear = fmt::format(
        " The least that more than doubled the clone's images, {}, left the user right for {:.1f} % "
        "instead of {:.1f} % ({}, {} without errors).",
        Size(*levels.effective), Number(*levels.effective, "user_accuracy"), Number(*extract, "accuracy_separated"),
        NeededText(*levels.effective), *Needed(*levels.none));
  }
  if (!levels.harmless) {
    return sentence(Tone::kNote, fmt::format("Errors added to outputs cost the user more than {} at every level "
                                             "tried, {}.{}",
                                             Points(within), judged, dear));
  }
  const Json* plan = results.Find("plan");
  const uint64_t budget = plan ? Count(*plan, "image_budget") : UINT64_MAX;
  const uint64_t base = *Needed(*levels.none);
  const auto needed = Needed(*levels.harmless);
  std::string text = fmt::format(
      "If the owner added errors of {} to outputs, the most of those tried that cost the user at most {} ({:.1f} % "
      "right), a clone within {} of a user without errors would take {}, {} without errors ({}).",
      Size(*levels.harmless), Points(within), Number(*levels.harmless, "user_accuracy"), Points(within),
      NeededText(*levels.harmless), base, judged);
  if (levels.effective != levels.harmless) text += dear;
  const uint64_t tried = Count(*levels.harmless, "images_tried");
  const bool within_budget = needed ? *needed <= budget : tried < budget;
  if (!within_budget && budget < base) {
    return sentence(Tone::kNote, text + fmt::format(" The budget of {} images is below both.", budget));
  }
  if (!within_budget && (needed ? *needed : tried) <= kRepeats * base) {
    return sentence(Tone::kNote,
                    text + fmt::format(" The budget of {} images is below that, but numbers as near to each other as "
                                       "these differ from run to run.",
                                       budget));
  }
  if (!within_budget) {
    return sentence(Tone::kProtects, text + fmt::format(" The budget of {} images is below that.", budget));
  }
  if (!needed) return sentence(Tone::kNote, text + " More images were not tried.");
  return sentence(Tone::kExposes,
                  text + (plan ? fmt::format(" The budget of {} images does not prevent it.", budget) : std::string()));
}

std::vector<Sentence> ObfuscationVerdict(const Results& results) {
  const Json* alice = results.Find("obfuscate-alice");
  const Json* bob = results.Find("obfuscate-bob");
  if (!alice || !bob) return {};
  std::vector<Sentence> verdict;
  const bool kept = alice->at("kept").get<bool>() && bob->at("kept").get<bool>();
  verdict.push_back(
      {Tone::kNote,
       fmt::format("Networks of their own for two users (obfuscation; {} images, {} epochs) are right for {:.1f} and "
                   "{:.1f} % of {} test images, the original for {:.1f} %: {} the {} of validation accuracy that "
                   "were allowed.",
                   Count(*alice, "training_images"), Count(*alice, "epochs"), Number(*alice, "test_accuracy"),
                   Number(*bob, "test_accuracy"), Count(*alice, "test_images"),
                   Number(*alice, "test_accuracy_original"), kept ? "both stayed within" : "more was lost than",
                   Points(Number(*alice, "max_loss"))),
       "obfuscation"});
  const Json* stolen = results.Find("transplant");
  if (!stolen) return verdict;
  const double images = Number(*stolen, "test_images"), removed = Number(*stolen, "accuracy_without_core"),
               before = Number(*stolen, "accuracy_before_training"), original = Number(*stolen, "accuracy_original");
  std::string text = fmt::format(
      "Core neurons stolen from one of them and put as they are into the other's make that right for {:.1f} %, "
      "{:.1f} % without any, {:.1f} % with its own",
      before, removed, original);
  const Compared worth = Compare(before, removed, images);
  if (worth == Compared::kAbove && before > original / 2) {
    verdict.push_back({Tone::kExposes, text + ": they work there, too.", "obfuscation"});
  } else if (worth == Compared::kAbove) {
    verdict.push_back(
        {Tone::kNote, text + ": they are worth something there, if at most half as much.", "obfuscation"});
  } else {
    text += worth == Compared::kSame ? fmt::format(": no difference that {:.0f} images could show from none.", images)
                                     : ": worse than none.";
    const bool alone = removed > original / 2;
    if (alone) text += " But that network works without any.";
    if (!kept) text += " But the networks themselves lost too much for this to count.";
    verdict.push_back({kept && !alone ? Tone::kProtects : Tone::kNote, text, "obfuscation"});
  }
  const Json* anew = results.Find("recover-bob");
  if (!anew) return verdict;
  const double from_stolen = Number(*stolen, "accuracy_after_training"),
               from_random = Number(*anew, "accuracy_after_training");
  text = fmt::format(
      "Training them on with {} labelled images ({} epochs) the thief reached {:.1f} %, from random "
      "neurons A_rec = {:.1f} %",
      Count(*stolen, "samples"), Count(*stolen, "epochs"), from_stolen, from_random);
  switch (Compare(from_stolen, from_random, images)) {
    case Compared::kAbove:
      verdict.push_back(
          {Tone::kExposes,
           fmt::format("{}: the stolen neurons were worth {:.1f} points to training.", text, from_stolen - from_random),
           "obfuscation"});
      break;
    case Compared::kSame:
      verdict.push_back(
          {Tone::kNote, fmt::format("{}: no difference that {:.0f} images could show.", text, images), "obfuscation"});
      break;
    case Compared::kBelow:
      verdict.push_back({Tone::kNote, text + ": the stolen neurons were of no use to this attacker.", "obfuscation"});
      break;
  }
  return verdict;
}

}  // namespace privdnn
