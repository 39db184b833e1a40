#include "cli/report_steps.h"

#include <algorithm>
#include <cmath>

namespace privdnn::cli {
namespace {

using Arguments = std::vector<std::string>;

// Calibration of inner layers and inversion take so many images at most.
constexpr int64_t kImages = 1000;

void Add(Arguments& to, std::initializer_list<std::string> more) { to.insert(to.end(), more); }

Arguments Begin(const ReportInput& in, std::initializer_list<std::string> command) {
  Arguments arguments(command);
  if (!in.model.empty()) arguments.push_back(in.model);
  if (!in.selection.empty()) Add(arguments, {"--selection", in.selection});
  return arguments;
}

void AddData(const ReportInput& in, Arguments& to, const std::string& split = "", int64_t limit = 0) {
  if (!in.data_set.empty()) Add(to, {"--data-set", in.data_set});
  if (!in.data.empty()) Add(to, {"--data", in.data});
  if (in.embedded_images()) return;
  if (!split.empty()) Add(to, {"--split", split});
  if (limit > 0) Add(to, {"--limit", std::to_string(limit)});
}

void AddSeedAndThreads(const ReportInput& in, Arguments& to) {
  if (in.seed) Add(to, {"--seed", std::to_string(*in.seed)});
  Add(to, {"--threads", std::to_string(in.threads)});
}

Arguments Plan(const ReportInput& in, const report::Results&) {
  Arguments a = Begin(in, {"plan"});
  AddData(in, a, "train", kImages);
  if (in.image_budget) Add(a, {"--image-budget", std::to_string(*in.image_budget)});
  return a;
}

// On the images that attacks by training are judged by, or the first of them.
Arguments Eval(const ReportInput& in, const report::Results&) {
  Arguments a = Begin(in, {"eval"});
  if (in.selection.empty()) Add(a, {"--selection", in.compact_selection});
  AddData(in, a, "test-half", in.effort.evaluated);
  Add(a, {"--threads", std::to_string(in.threads)});
  return a;
}

Arguments Training(const ReportInput& in, const std::string& attack, int64_t epochs) {
  Arguments a = Begin(in, {"attack", attack});
  AddData(in, a);
  // Of the embedded images the attacker has what there is.
  if (!in.embedded_images()) Add(a, {"--samples", std::to_string(in.effort.samples)});
  Add(a, {"--epochs", std::to_string(epochs)});
  AddSeedAndThreads(in, a);
  return a;
}

Arguments Scratch(const ReportInput& in, const report::Results&) {
  return Training(in, "scratch", in.effort.scratch_epochs);
}

Arguments Recover(const ReportInput& in, const report::Results&) {
  return Training(in, "recover", in.effort.recover_epochs);
}

Arguments RecoverFrozen(const ReportInput& in, const report::Results&) {
  Arguments a = Training(in, "recover", in.effort.recover_epochs);
  a.push_back("--freeze");
  return a;
}

// Half of the images are asked: as many as the plan says are needed, and some more. Clones by a few of them, and by as
// many as the budget has if that is less.
Arguments Extract(const ReportInput& in, const report::Results& before) {
  constexpr double kMore = 1.1;
  constexpr int64_t kMoreImages = 20;
  const Json& plan = *before.Find("plan");
  const auto needed = static_cast<double>(report::ImagesForAllKernels(plan));
  const auto budget = plan.at("image_budget").get<uint64_t>();
  const int64_t half = std::max(in.effort.judged, static_cast<int64_t>(std::ceil(kMore * needed)) + kMoreImages);
  Arguments a = Begin(in, {"attack", "extract"});
  AddData(in, a, "", 2 * half);
  Add(a, {"--inputs", "images", "--fractions", "0.03,0.1,0.25,0.5,0.75", "--layers"});
  if (static_cast<double>(budget) < needed) Add(a, {"--images-used", std::to_string(budget)});
  AddSeedAndThreads(in, a);
  return a;
}

Arguments Invert(const ReportInput& in, const report::Results&) {
  Arguments a = Begin(in, {"attack", "invert"});
  AddData(in, a, "", kImages);
  Add(a, {"--attacked", std::to_string(in.effort.inverted), "--steps", std::to_string(in.effort.inversion_steps)});
  if (in.effort.decoder_epochs > 0) {
    Add(a, {"--method", "both", "--decoder-epochs", std::to_string(in.effort.decoder_epochs)});
  } else {
    Add(a, {"--method", "gradient"});
  }
  AddSeedAndThreads(in, a);
  return a;
}

}  // namespace

const std::vector<ReportStep>& ReportSteps() {
  static const std::vector<ReportStep> steps = {
      {"plan", "plan of the package", true, false, false, Plan},
      {"eval", "accuracies of both parties", true, false, false, Eval},
      {"extract", "kernels from replies", false, false, false, Extract},
      {"invert", "images from what the owner sees", false, false, true, Invert},
      {"scratch", "A_t, from the attacker's images alone", false, true, false, Scratch},
      {"recover", "A_rec, encrypted neurons trained anew", false, true, false, Recover},
      {"recover-frozen", "A_rec, known weights kept", false, true, false, RecoverFrozen}};
  return steps;
}

const std::map<std::string, Effort>& Efforts() {
  static const std::map<std::string, Effort> efforts = {{"quick", {500, 64, 32, 8, 300, 0, 100, 1000}},
                                                        {"normal", {1000, 512, 64, 24, 1000, 20, 500, 0}},
                                                        {"full", {1000, 512, 512, 64, 3000, 60, 1000, 0}}};
  return efforts;
}

}  // namespace privdnn::cli
