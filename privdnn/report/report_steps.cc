#include "privdnn/report/report_steps.h"

#include <algorithm>
#include <cmath>

namespace privdnn {
namespace {

using Arguments = std::vector<std::string>;

// Calibration of inner layers and inversion take so many images at most.
constexpr int64_t kImages = 1000;

// Of the two users' networks.
constexpr char kAlice[] = "alice.onnx", kBob[] = "bob.onnx", kObfuscation[] = "obfuscation";

void Add(Arguments& to, std::initializer_list<std::string> more) { to.insert(to.end(), more); }

Arguments Begin(const ReportInput& in, std::initializer_list<std::string> command) {
  Arguments arguments(command);
  if (!in.model.empty()) arguments.push_back(in.model);
  arguments.insert(arguments.end(), in.model_options.begin(), in.model_options.end());
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

Arguments Plan(const ReportInput& in, const Results&) {
  Arguments a = Begin(in, {"plan"});
  AddData(in, a, "train", kImages);
  if (in.image_budget) Add(a, {"--image-budget", std::to_string(*in.image_budget)});
  return a;
}

// On the images that attacks by training are judged by, or the first of them.
Arguments Eval(const ReportInput& in, const Results&) {
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

Arguments Scratch(const ReportInput& in, const Results&) { return Training(in, "scratch", in.effort.scratch_epochs); }

Arguments Recover(const ReportInput& in, const Results&) { return Training(in, "recover", in.effort.recover_epochs); }

Arguments RecoverFrozen(const ReportInput& in, const Results&) {
  Arguments a = Training(in, "recover", in.effort.recover_epochs);
  a.push_back("--freeze");
  return a;
}

// Half of the images are asked: as many as the plan says are needed, and some more. Clones by a few of them, and by as
// many as the budget has if that is less.
Arguments Extract(const ReportInput& in, const Results& before) {
  constexpr double kMore = 1.1;
  constexpr int64_t kMoreImages = 20;
  const Json& plan = *before.Find("plan");
  const auto needed = static_cast<double>(ImagesForAllKernels(plan));
  const auto budget = Count(plan, "image_budget");
  const int64_t half = std::max(in.effort.judged, static_cast<int64_t>(std::ceil(kMore * needed)) + kMoreImages);
  Arguments a = Begin(in, {"attack", "extract"});
  AddData(in, a, "", 2 * half);
  Add(a,
      {"--inputs", "images", "--fractions", "0.03,0.1,0.25,0.5,0.75", "--layers", "--noise-shares", in.effort.noise});
  if (static_cast<double>(budget) < needed) Add(a, {"--images-used", std::to_string(budget)});
  AddSeedAndThreads(in, a);
  return a;
}

Arguments Invert(const ReportInput& in, const Results&) {
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

// The seed of the report, if there is one, makes secret numbers that can be drawn again.
Arguments Obfuscate(const ReportInput& in, const std::string& user, const std::string& file) {
  Arguments a = Begin(in, {"obfuscate"});
  Add(a, {"--user", user, "--data-set", in.images_of()});
  if (!in.data.empty()) Add(a, {"--data", in.data});
  if (in.effort.obfuscation_images > 0) Add(a, {"--samples", std::to_string(in.effort.obfuscation_images)});
  Add(a, {"--epochs", std::to_string(in.effort.obfuscation_epochs)});
  AddSeedAndThreads(in, a);
  Add(a, {"--out", in.files / file});
  return a;
}

// Of networks that steps before made: `models` are files, the first that of another user, if there are two.
Arguments TrainingOfMade(const ReportInput& in, const std::string& attack, std::initializer_list<const char*> models) {
  Arguments a = {"attack", attack};
  for (const char* model : models) a.push_back(in.files / model);
  Add(a, {"--selection", in.selection.empty() ? in.compact_selection : in.selection});
  AddData(in, a);
  Add(a, {"--samples", std::to_string(in.effort.samples), "--epochs", std::to_string(in.effort.recover_epochs),
          "--freeze"});
  AddSeedAndThreads(in, a);
  return a;
}

}  // namespace

const std::vector<ReportStep>& ReportSteps() {
  static const std::vector<ReportStep> steps = {
      {.name = "plan", .title = "plan of the package", .part = "plan", .required = true, .arguments = Plan},
      {.name = "eval", .title = "accuracies of both parties", .part = "eval", .required = true, .arguments = Eval},
      {.name = "extract", .title = "kernels from replies", .part = "extract", .arguments = Extract},
      {.name = "invert",
       .title = "images from what the owner sees",
       .part = "invert",
       .picture = true,
       .arguments = Invert},
      {.name = "scratch",
       .title = "A_t, from the attacker's images alone",
       .part = "scratch",
       .checkpoint = true,
       .arguments = Scratch},
      {.name = "recover",
       .title = "A_rec, encrypted neurons trained anew",
       .part = "recover",
       .checkpoint = true,
       .arguments = Recover},
      {.name = "recover-frozen",
       .title = "A_rec, known weights kept",
       .part = "recover-frozen",
       .checkpoint = true,
       .arguments = RecoverFrozen},
      {.name = "obfuscate-alice",
       .title = "network of alice",
       .part = kObfuscation,
       .checkpoint = true,
       .trains = true,
       .makes = kAlice,
       .arguments = [](const auto& in, const auto&) { return Obfuscate(in, "alice", kAlice); }},
      {.name = "obfuscate-bob",
       .title = "network of bob",
       .part = kObfuscation,
       .checkpoint = true,
       .trains = true,
       .makes = kBob,
       .arguments = [](const auto& in, const auto&) { return Obfuscate(in, "bob", kBob); }},
      {.name = "transplant",
       .title = "alice's core neurons in bob's network",
       .part = kObfuscation,
       .checkpoint = true,
       .trains = true,
       .takes = {kAlice, kBob},
       .arguments =
           [](const auto& in, const auto&) {
             return TrainingOfMade(in, "transplant", {kAlice, kBob});
           }},
      {.name = "recover-bob",
       .title = "A_rec of bob's network, known weights kept",
       .part = kObfuscation,
       .checkpoint = true,
       .trains = true,
       .takes = {kBob},
       .arguments = [](const auto& in, const auto&) { return TrainingOfMade(in, "recover", {kBob}); }}};
  return steps;
}

const std::map<std::string, Effort>& Efforts() {
  // Errors on outputs of 1, 10 and 100 percent of the outputs' variance, and none.
  static const std::map<std::string, Effort> efforts = {
      {"quick", {500, 64, 32, 8, 300, 0, 100, 1000, "0,0.1,1", 4000, 6}},
      {"normal", {1000, 512, 64, 24, 1000, 20, 500, 0, "0,0.1,0.316,1", 0, 20}},
      {"full", {1000, 512, 512, 64, 3000, 60, 1000, 0, "0,0.1,0.316,1", 0, 40}}};
  return efforts;
}

}  // namespace privdnn
