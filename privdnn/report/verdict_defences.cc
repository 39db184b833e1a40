#include "privdnn/report/verdict_defences.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

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

// " The least that more than doubled ..." Empty if no level did.
std::string DearText(const Json& extract, const Levels& levels) {
  if (!levels.effective) return "";
  return fmt::format(
      " The least that more than doubled the clone's images, {}, left the user right for {:.1f} % "
      "instead of {:.1f} % ({}, {} without errors).",
      Size(*levels.effective), Number(*levels.effective, "user_accuracy"), Number(extract, "accuracy_separated"),
      NeededText(*levels.effective), *Needed(*levels.none));
}

// The harmless level against the budget, nothing if there is none: its tone, and what is said of that.
std::pair<Tone, std::string> AgainstBudget(const Levels& levels, const std::optional<uint64_t>& budget) {
  const uint64_t base = *Needed(*levels.none), allowed = budget.value_or(UINT64_MAX),
                 tried = Count(*levels.harmless, "images_tried");
  const auto needed = Needed(*levels.harmless);
  const bool within = needed ? *needed <= allowed : tried < allowed;
  if (within) {
    if (!needed) return {Tone::kNote, " More images were not tried."};
    return {Tone::kExposes, budget ? fmt::format(" The budget of {} images does not prevent it.", allowed) : ""};
  }
  if (allowed < base) return {Tone::kNote, fmt::format(" The budget of {} images is below both.", allowed)};
  if ((needed ? *needed : tried) <= kRepeats * base) {
    return {Tone::kNote, fmt::format(" The budget of {} images is below that, but numbers as near to each other as "
                                     "these differ from run to run.",
                                     allowed)};
  }
  return {Tone::kProtects, fmt::format(" The budget of {} images is below that.", allowed)};
}

// What a network of its own costs each user.
Sentence CostOfNetworks(const Json& alice, const Json& bob, bool kept) {
  return {
      Tone::kNote,
      fmt::format("Networks of their own for two users (obfuscation; {} images, {} epochs) are right for {:.1f} and "
                  "{:.1f} % of {} test images, the original for {:.1f} %: {} the {} of validation accuracy that "
                  "were allowed.",
                  Count(alice, "training_images"), Count(alice, "epochs"), Number(alice, "test_accuracy"),
                  Number(bob, "test_accuracy"), Count(alice, "test_images"), Number(alice, "test_accuracy_original"),
                  kept ? "both stayed within" : "more was lost than", Points(Number(alice, "max_loss"))),
      "obfuscation"};
}

// What neurons stolen from one network are worth in the other as they are. `kept`: the networks lost no more than was
// allowed.
Sentence WorthOfStolen(const Json& stolen, bool kept) {
  const double images = Number(stolen, "test_images"), removed = Number(stolen, "accuracy_without_core"),
               before = Number(stolen, "accuracy_before_training"), original = Number(stolen, "accuracy_original");
  std::string text = fmt::format(
      "Core neurons stolen from one of them and put as they are into the other's make that right for {:.1f} %, "
      "{:.1f} % without any, {:.1f} % with its own",
      before, removed, original);
  const Compared worth = Compare(before, removed, images);
  if (worth == Compared::kAbove) {
    return before > original / 2
               ? Sentence{Tone::kExposes, text + ": they work there, too.", "obfuscation"}
               : Sentence{Tone::kNote, text + ": they are worth something there, if at most half as much.",
                          "obfuscation"};
  }
  text += worth == Compared::kSame ? fmt::format(": no difference that {:.0f} images could show from none.", images)
                                   : ": worse than none.";
  const bool alone = removed > original / 2;
  if (alone) text += " But that network works without any.";
  if (!kept) text += " But the networks themselves lost too much for this to count.";
  return {kept && !alone ? Tone::kProtects : Tone::kNote, text, "obfuscation"};
}

// Whether training goes further from stolen neurons than from random ones.
Sentence WorthToTraining(const Json& stolen, const Json& anew) {
  const double from_stolen = Number(stolen, "accuracy_after_training"),
               from_random = Number(anew, "accuracy_after_training"), images = Number(stolen, "test_images");
  const std::string text = fmt::format(
      "Training them on with {} labelled images ({} epochs) the thief reached {:.1f} %, from random "
      "neurons A_rec = {:.1f} %",
      Count(stolen, "samples"), Count(stolen, "epochs"), from_stolen, from_random);
  switch (Compare(from_stolen, from_random, images)) {
    case Compared::kAbove:
      return {
          Tone::kExposes,
          fmt::format("{}: the stolen neurons were worth {:.1f} points to training.", text, from_stolen - from_random),
          "obfuscation"};
    case Compared::kSame:
      return {Tone::kNote, fmt::format("{}: no difference that {:.0f} images could show.", text, images),
              "obfuscation"};
    case Compared::kBelow:
      break;
  }
  return {Tone::kNote, text + ": the stolen neurons were of no use to this attacker.", "obfuscation"};
}

}  // namespace

std::vector<Sentence> NoiseVerdict(const Results& results) {
  const Json* extract = results.Find("extract");
  if (!extract || !extract->contains("noise")) return {};
  const Levels levels = Choose(*extract);
  if (!levels.none || extract->at("noise").size() < 2) return {};
  const double within = Number(*extract, "within");
  const std::string judged = fmt::format("on {} images that were not asked", Count(*extract, "clone_images"));
  if (!Needed(*levels.none)) {
    return {{Tone::kNote,
             fmt::format("What errors added to outputs would be worth can't be told from this run: without them, too, "
                         "no clone by up to {} images came within {} of the user, {}.",
                         Count(*levels.none, "images_tried"), Points(within), judged),
             "noise"}};
  }
  const std::string dear = DearText(*extract, levels);
  if (!levels.harmless) {
    return {{Tone::kNote,
             fmt::format("Errors added to outputs cost the user more than {} at every level tried, {}.{}",
                         Points(within), judged, dear),
             "noise"}};
  }
  std::string text = fmt::format(
      "If the owner added errors of {} to outputs, the most of those tried that cost the user at most {} ({:.1f} % "
      "right), a clone within {} of a user without errors would take {}, {} without errors ({}).",
      Size(*levels.harmless), Points(within), Number(*levels.harmless, "user_accuracy"), Points(within),
      NeededText(*levels.harmless), *Needed(*levels.none), judged);
  if (levels.effective != levels.harmless) text += dear;
  const Json* plan = results.Find("plan");
  const auto [tone, more] = AgainstBudget(levels, plan ? std::optional(Count(*plan, "image_budget")) : std::nullopt);
  return {{tone, text + more, "noise"}};
}

std::vector<Sentence> ObfuscationVerdict(const Results& results) {
  const Json* alice = results.Find("obfuscate-alice");
  const Json* bob = results.Find("obfuscate-bob");
  if (!alice || !bob) return {};
  const bool kept = alice->at("kept").get<bool>() && bob->at("kept").get<bool>();
  std::vector<Sentence> verdict = {CostOfNetworks(*alice, *bob, kept)};
  const Json* stolen = results.Find("transplant");
  if (!stolen) return verdict;
  verdict.push_back(WorthOfStolen(*stolen, kept));
  if (const Json* anew = results.Find("recover-bob")) verdict.push_back(WorthToTraining(*stolen, *anew));
  return verdict;
}

}  // namespace privdnn
