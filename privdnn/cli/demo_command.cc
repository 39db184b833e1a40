// demo: private inference on real MNIST images between two processes, and what each side could see of it.
#include "privdnn/base/file.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/two_parties_json.h"
#include "privdnn/pipeline/plan_figures.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

struct DemoCommand {
  ModelInput model;
  std::string out, selection;
  int64_t images = 1000;
  TwoPartyOptions options;
};

Json DemoJson(const TwoPartyResult& r) {
  Json json = TwoPartyJson(r);
  AddAccuracies(r, json);
  json["user_ms_per_image"] = r.figures().user_encrypted_ms + r.figures().user_plain_ms;
  return json;
}

std::string ResultText(const TwoPartyResult& r) {
  FactTable what(fmt::format("\nprivate inference on {} MNIST test images, owner and user in two processes (gRPC, TLS)",
                             r.user.images));
  for (const PlannedSegment& s : r.model.segments) what.Add("encrypted", CoreNeuronsText(s.segment));
  if (r.accuracies) {
    what.Add("accuracy, original network", fmt::format("{:.1f} %", r.accuracies->original));
    what.Add("accuracy, private inference", fmt::format("{:.1f} %", r.accuracies->with_owner));
    what.Add("accuracy, user without the owner", fmt::format("{:.1f} %", r.accuracies->without_owner));
  }
  what.Add("decrypted integers",
           fmt::format("{} compared with the integer reference, {} differ", r.integers_compared, r.integer_mismatches));
  what.Add(r.accuracies ? "labels" : "scores",
           fmt::format("{} differ from the quantised network's", r.answer_mismatches));
  return what.Render();
}

std::string CostText(const TwoPartyResult& r) {
  const InferenceReport::Figures& f = r.figures();
  const auto images = static_cast<uint64_t>(r.user.images);
  const std::string up = FormatBytes(f.bytes_up / images), down = FormatBytes(f.bytes_down / images);
  FactTable cost("what it cost, an image (owner and user share this machine's processors)");
  cost.Add("user",
           fmt::format("{} encrypted part ({}), {} rest of the network", FormatMilliseconds(f.user_encrypted_ms),
                       r.user.kernel, FormatMilliseconds(f.user_plain_ms)));
  cost.Add("owner", FormatMilliseconds(f.owner_ms));
  cost.Add("the same network in plaintext", FormatMilliseconds(f.plain->ms));
  cost.Add("messages", fmt::format("{} up, {} down", up, down));
  cost.Add("package, once", FormatBytes(r.package_bytes));
  FactTable saw("what each side could see");
  saw.Add(
      "owner",
      fmt::format("{} of ring-LWE samples and one-time-padded numbers an image; no pixel, no feature, no result", up));
  saw.Add("user",
          "its own images, the plaintext neurons, the outputs of the encrypted ones; no encrypted weight, no key");
  saw.Add("eavesdropper", "TLS records: when and how much");
  return cost.Render() + saw.Render();
}

std::string SecurityText(const ModelPlan& model) {
  FactTable secure("how hard it is to see more");
  for (const PlannedSegment& s : model.segments) {
    const ParameterSpec& p = s.plan.parameters;
    secure.Add("ring", fmt::format("N = {}, log2 Q = {:.1f}, plaintext modulus 2^{}: 128 bits (2018 standard, quantum "
                                   "column)",
                                   p.n, LogQ(p.primes), p.plain_bits));
  }
  const PlanFigures plan = ComputeFigures(model);
  const uint64_t images = plan.images_to_reconstruct;
  const bool one = model.segments.size() == 1;
  secure.Add("drowning noise", fmt::format("{:.1f} bits over {} images", plan.statistical_security, plan.image_budget));
  secure.Add("but",
             fmt::format("replies to {} image{} determine the {}encrypted kernels, to {} of chosen ciphertexts {} keys",
                         images, images == 1 ? "" : "s", one ? "" : "first ", plan.images_to_recover_keys_by_lattice,
                         one ? "the" : "the first"));
  return secure.Render();
}

absl::StatusOr<CommandOutput> Demo(const DemoCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckWritable(command.out));
  ImageInput input;
  input.limit = command.images;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, input.LoadFor(graph));
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  TwoPartyOptions options = command.options;
  PRIVDNN_ASSIGN_OR_RETURN(options.plan, OnThisMachine(options.plan));
  PRIVDNN_ASSIGN_OR_RETURN(const TwoPartyResult result, RunTwoParties(graph, selection, images, options));
  CommandOutput output{DemoJson(result), ResultText(result) + CostText(result) + SecurityText(result.model)};
  if (!command.out.empty()) {
    output.not_written = WriteTextFile(command.out, output.json.dump(2) + "\n");
    if (output.not_written.ok()) output.text += "figures: " + command.out + "\n";
  }
  PRIVDNN_RETURN_IF_ERROR(CheckAgreement(result));
  return output;
}

}  // namespace

void AddDemo(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "demo", "Run private inference end to end on real MNIST, with a table of its cost",
                 "privdnn demo --out demo.json");
  const auto o = std::make_shared<DemoCommand>();
  o->model.AddOption(command);
  command->add_option("--out", o->out, "write the figures to this JSON file")->type_name(kNewFile);
  command->add_option("--images", o->images, "run this many of the 1,000 embedded MNIST test images")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--selection", o->selection,
                   "take these core neurons: a file, or 1:0,3;2:5; default: the embedded model's")
      ->type_name(kFile);
  AddPlanOptions(command, o->options.plan);
  o->options.reporting = ReportingToPeople();
  AddThreads(command, o->options.threads);
  command->callback([o, &action] { action = [o] { return Demo(*o); }; });
}

}  // namespace privdnn
