#include "privdnn/report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "privdnn/report/verdict_defences.h"

namespace privdnn {
namespace {

using Sentences = std::vector<Sentence>;

std::string Images(uint64_t count) { return fmt::format("{} image{}", count, count == 1 ? "" : "s"); }

void AddPackage(const Json& eval, Sentences& verdict) {
  const double original = Number(eval, "accuracy_original"), separated = Number(eval, "accuracy_separated"),
               removed = Number(eval, "accuracy_without_core");
  const char* how = "no difference that these images could show";
  if (removed <= separated / 2) {
    how = "at most half as often";
  } else if (Compare(separated, removed, Number(eval, "images")) == Compared::kAbove) {
    how = "a good part of the model works without the encrypted neurons";
  }
  verdict.push_back(
      {removed <= separated / 2 ? Tone::kProtects : Tone::kExposes,
       fmt::format("As a file, without the owner and without training, the package is right for {:.1f} % of {} test "
                   "images (guessing among {} classes: about {:.1f} %), with the owner for {:.1f} %: {}.",
                   removed, Count(eval, "images"), Count(eval, "classes"), 100 / Number(eval, "classes"), separated,
                   how),
       "accuracy"});
  if (Compare(original, separated, Number(eval, "images")) == Compared::kAbove) {
    verdict.push_back({Tone::kNote,
                       fmt::format("Separation costs authorised users {:.1f} points: {:.1f} % instead of {:.1f} %.",
                                   original - separated, separated, original),
                       "accuracy"});
  }
}

// The attacker by retraining that got furthest.
const Json* BestRecovery(const Results& results) {
  const Json* best = nullptr;
  for (const char* name : {"recover", "recover-frozen"}) {
    const Json* one = results.Find(name);
    if (one && (!best || Number(*one, "accuracy_after_training") > Number(*best, "accuracy_after_training")))
      best = one;
  }
  return best;
}

void AddTraining(const Results& results, Sentences& verdict) {
  const Json* recovery = BestRecovery(results);
  const Json* scratch = results.Find("scratch");
  if (scratch && !recovery) {
    verdict.push_back({Tone::kNote,
                       fmt::format("{} labelled images alone, without the package, were worth A_t = {:.1f} %.",
                                   Count(*scratch, "samples"), Number(*scratch, "accuracy_after_training")),
                       "accuracy"});
  }
  if (!recovery) return;
  const double reached = Number(*recovery, "accuracy_after_training"),
               original = Number(*recovery, "accuracy_original");
  const std::string text = fmt::format(
      "An attacker with {} labelled images who trained the encrypted neurons anew ({} epochs) reached A_rec = {:.1f} "
      "%, "
      "of {:.1f} % that the original has",
      Count(*recovery, "samples"), Count(*recovery, "epochs"), reached, original);
  if (!scratch) {
    verdict.push_back({Tone::kNote, text + ". What the images are worth alone was not measured.", "accuracy"});
    return;
  }
  const double alone = Number(*scratch, "accuracy_after_training");
  const std::string images = fmt::format("what {} such images were worth alone (A_t = {:.1f} %, {} epochs)",
                                         Count(*scratch, "samples"), alone, Count(*scratch, "epochs"));
  const Compared plaintext = Compare(reached, alone, Number(*recovery, "test_images"));
  if (plaintext == Compared::kAbove) {
    verdict.push_back({Tone::kExposes,
                       fmt::format("{}: {:.1f} points above {}. The plaintext part gives something away.", text,
                                   reached - alone, images),
                       "accuracy"});
  } else if (plaintext == Compared::kBelow) {
    verdict.push_back({Tone::kNote,
                       fmt::format("{}: {:.1f} points below {}. The plaintext part was of no use to this "
                                   "attacker.",
                                   text, alone - reached, images),
                       "accuracy"});
  } else {
    verdict.push_back({Tone::kNote,
                       fmt::format("{}: no difference that {} could show from {}.", text,
                                   Images(Count(*recovery, "test_images")), images),
                       "accuracy"});
  }
}

// The point of a curve with most images of those up to `images`, or nullptr.
const Json* PointWithin(const Json& curve, uint64_t images) {
  const Json* best = nullptr;
  for (const Json& point : curve) {
    if (!point.at("clone_accuracy").is_null() && Count(point, "images_used") <= images) best = &point;
  }
  return best;
}

// The outputs of a segment whose kernels were determined by fewest images, or nullptr.
const Json* FirstDetermined(const Json& extract) {
  const Json* first = nullptr;
  for (const Json& s : extract.at("segments")) {
    if (s.at("images_needed").is_null()) continue;
    if (!first || Count(s, "images_needed") < Count(*first, "images_needed")) first = &s;
  }
  return first;
}

// "the kernels of 13 outputs of segment 0 by 366 images"
std::string WhichKernels(const Json& segment) {
  return fmt::format("the kernels of {} outputs of segment {} by {}", Count(segment, "outputs"),
                     Count(segment, "segment"), Images(Count(segment, "images_needed")));
}

void AddExactExtraction(const Results& results, const Json& extract, Sentences& verdict) {
  const uint64_t needed = Count(extract, "images_needed");
  std::string text =
      fmt::format("Replies to {} of a user's own determined every encrypted kernel exactly", Images(needed));
  if (!extract.at("kernel_mismatches").is_null()) {
    text += fmt::format(" ({} coefficients differ from the owner's)", Count(extract, "kernel_mismatches"));
  }
  if (!extract.at("clone_accuracy").is_null()) {
    text += fmt::format("; the clone answers without the owner and is right for {:.1f} % of {} that were not asked",
                        Number(extract, "clone_accuracy"), Images(Count(extract, "clone_images")));
  }
  const Json* plan = results.Find("plan");
  const uint64_t budget = plan ? Count(*plan, "image_budget") : UINT64_MAX;
  if (!plan) {
    verdict.push_back({Tone::kExposes, text + ".", "extraction"});
  } else if (budget >= needed) {
    verdict.push_back(
        {Tone::kExposes, fmt::format("{}. The budget of {} does not prevent it.", text, Images(budget)), "extraction"});
  } else if (const Json* first = FirstDetermined(extract); first && Count(*first, "images_needed") <= budget) {
    verdict.push_back({Tone::kExposes,
                       fmt::format("{}. The budget of {} is below that, but lets a user determine {}.", text,
                                   Images(budget), WhichKernels(*first)),
                       "extraction"});
  } else {
    verdict.push_back(
        {Tone::kProtects,
         fmt::format("{}. The budget of {} is below that and prevents this attack.", text, Images(budget)),
         "extraction"});
  }
}

// What fewer images than those that are needed are worth, within the budget.
void AddClone(const Results& results, const Json& extract, Sentences& verdict) {
  if (!extract.contains("accuracy_separated")) return;
  const Json* plan = results.Find("plan");
  const uint64_t budget = plan ? Count(*plan, "image_budget") : UINT64_MAX;
  const double separated = Number(extract, "accuracy_separated"), removed = Number(extract, "accuracy_without_core");
  const Json& curve = extract.at("curve");
  const double half = (separated + removed) / 2;
  const auto close = std::ranges::find_if(curve, [&](const Json& p) {
    return !p.at("clone_accuracy").is_null() && Number(p, "clone_accuracy") >= half &&
           Count(p, "images_used") <= budget;
  });
  if (close != curve.end()) {
    verdict.push_back(
        {Tone::kExposes,
         fmt::format("Replies to {} already brought a clone that is only approximate from {:.1f} % to "
                     "{:.1f} %, of {:.1f} % with the owner, on {} that were not asked{}.",
                     Images(Count(*close, "images_used")), removed, Number(*close, "clone_accuracy"), separated,
                     Images(Count(extract, "clone_images")), plan ? "; the budget allows them" : ""),
         "extraction"});
  } else if (const Json* within = PointWithin(curve, budget)) {
    verdict.push_back(
        {Tone::kNote,
         fmt::format("Of the approximate clones tried, the one with most images ({}{}) reached {:.1f} %, "
                     "from {:.1f} % without the owner and of {:.1f} % with it, on {} that were not "
                     "asked.",
                     Count(*within, "images_used"), plan ? " within the budget" : "", Number(*within, "clone_accuracy"),
                     removed, separated, Images(Count(extract, "clone_images"))),
         "extraction"});
  }
}

void AddPartialExtraction(const Results& results, const Json& extract, Sentences& verdict) {
  std::string text = fmt::format(
      "Replies to the {} that were asked did not determine all kernels; more, or inputs "
      "chosen for it, may.",
      Images(Count(extract, "images_asked")));
  const Json* first = FirstDetermined(extract);
  if (!first) {
    verdict.push_back({Tone::kNote, text, "extraction"});
    return;
  }
  text += fmt::format(" They did determine {}", WhichKernels(*first));
  const Json* plan = results.Find("plan");
  const bool within = !plan || Count(*plan, "image_budget") >= Count(*first, "images_needed");
  if (plan) {
    text += fmt::format("; the budget of {} {}", Images(Count(*plan, "image_budget")),
                        within ? "does not prevent that" : "is below that");
  }
  verdict.push_back({within ? Tone::kExposes : Tone::kNote, text + ".", "extraction"});
}

void AddExtraction(const Results& results, const Json& extract, Sentences& verdict) {
  if (!extract.at("images_needed").is_null()) {
    AddExactExtraction(results, extract, verdict);
  } else {
    AddPartialExtraction(results, extract, verdict);
  }
  AddClone(results, extract, verdict);
}

void AddInversion(const Json& invert, Sentences& verdict) {
  std::vector<std::string> methods, found;
  for (const Json& r : invert.at("reconstructions")) {
    const auto method = r.at("method").get<std::string>(), view = r.at("view").get<std::string>();
    if (std::ranges::find(methods, method) == methods.end()) methods.push_back(method);
    if (!r.contains("equals_guess") && r.at("better_than_blind_guess").get<bool>())
      found.push_back(fmt::format("{} by {}", view, method));
  }
  const std::string run = fmt::format("{}; {}; {:.0f} % intervals", Images(Count(invert, "images")),
                                      fmt::join(methods, ", "), 100 * Number(invert, "confidence"));
  if (!invert.at("query_equals_guess").get<bool>()) {
    verdict.push_back({Tone::kExposes,
                       fmt::format("In this run, reconstructions from queries differed from those from other "
                                   "images' queries ({}). That happens by chance, too, though seldom: repeat it "
                                   "with another seed.",
                                   run),
                       "inversion"});
  } else {
    const std::string text = fmt::format(
        "From queries, as the owner gets them, the attack found nothing of a user's "
        "image: no more than from another image's query ({}).",
        run);
    // An attack that never works shows nothing.
    verdict.push_back(found.empty() ? Sentence{Tone::kNote,
                                               text + " It found nothing in the clear either, so this run can't tell "
                                                      "whether masks protect images.",
                                               "inversion"}
                                    : Sentence{Tone::kProtects, text, "inversion"});
  }
  if (!found.empty()) {
    verdict.push_back({Tone::kNote,
                       fmt::format("The same attack does find images in what an owner would see without "
                                   "masks ({}).",
                                   fmt::join(found, ", ")),
                       "inversion"});
  }
}

void AddPlan(const Json& plan, Sentences& verdict) {
  verdict.push_back(
      {Tone::kNote,
       fmt::format("Calculated from the parameters, not tried: keys and kernels lie behind {} bits of lattice "
                   "security, and what decryption noise would tell of the keys is drowned by {:.1f} bits over "
                   "the budget of {}.",
                   Count(plan, "lattice_security_bits"), Number(plan, "statistical_security_bits"),
                   Images(Count(plan, "image_budget"))),
       "security"});
  const uint64_t keys = Count(plan, "images_to_recover_keys_by_lattice");
  const uint64_t safe = Count(plan, "images_that_keep_keys_safe");
  if (Count(plan, "image_budget") >= keys) {
    verdict.push_back(
        {Tone::kExposes,
         fmt::format(
             "Calculated, not tried: a user who breaks the protocol and chooses its ciphertexts needs "
             "about {} of the budget for the keys, with lattice reduction. Only the budget stops that; up to {} "
             "the keys keep 128 bits.",
             Images(keys), Images(safe)),
         "security"});
  } else if (Count(plan, "image_budget") > safe) {
    verdict.push_back(
        {Tone::kExposes,
         fmt::format("Calculated, not tried: a user who breaks the protocol and chooses its ciphertexts takes the keys "
                     "below 128 bits with more than {}, within the budget, but needs about {} for the keys.",
                     Images(safe), Images(keys)),
         "security"});
  }
}

}  // namespace

double DifferenceMargin(double a, double b, double images) {
  constexpr double kQuantile = 2.5758;  // of the normal distribution, 99.5 %
  const auto variance = [&](double percent) { return percent / 100 * (1 - percent / 100) / images; };
  return 100 * kQuantile * std::sqrt(variance(a) + variance(b));
}

Compared Compare(double a, double b, double images) {
  if (std::abs(a - b) <= DifferenceMargin(a, b, images)) return Compared::kSame;
  return a > b ? Compared::kAbove : Compared::kBelow;
}

std::vector<Sentence> Verdict(const Results& results) {
  Sentences verdict;
  if (const Json* eval = results.Find("eval")) AddPackage(*eval, verdict);
  AddTraining(results, verdict);
  if (const Json* extract = results.Find("extract")) AddExtraction(results, *extract, verdict);
  std::ranges::move(NoiseVerdict(results), std::back_inserter(verdict));
  std::ranges::move(ObfuscationVerdict(results), std::back_inserter(verdict));
  if (const Json* invert = results.Find("invert")) AddInversion(*invert, verdict);
  if (const Json* plan = results.Find("plan")) AddPlan(*plan, verdict);
  return verdict;
}

std::vector<std::string> NotSaid(const Results& results) {
  std::vector<std::string> list;
  for (const StepResult& s : results.steps) {
    if (s.result.is_null()) list.push_back(fmt::format("{}: no result. {}", s.title, s.reason));
  }
  if (results.Find("transplant")) {
    list.push_back(
        "What a thief makes of another user's network who solves for what the two users' outputs have in "
        "common: docs/attacks.md says that the replies to one image are enough.");
  }
  list.insert(
      list.end(),
      {"What attackers do who have other images, train longer or better, or ask otherwise: each figure is of one "
       "attack, run as its command line says.",
       "Anything about other data than these, or about a model that is trained again.",
       "Whether an owner returns right results: nothing in the protocol proves that.",
       "Anything about side channels, traffic analysis, or the machines of either party."});
  return list;
}

}  // namespace privdnn
