// demo: private inference on real MNIST images between two processes, and what each side could see of it.
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/two_parties.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

struct DemoCommand {
  ModelInput model;
  std::string out, selection;
  int64_t images = 1000;
  TwoPartyOptions options;
};

Json DemoJson(const TwoPartyResult& r, const ImageSet& images) {
  Json json = CommonJson(r, images);
  AddAccuracies(r, json);
  json["user_ms_per_image"] =
      json["user_encrypted_ms_per_image"].get<double>() + json["user_plain_ms_per_image"].get<double>();
  return json;
}

std::string Encrypted(const Segment& s) {
  const std::string layer =
      fmt::format("{} of {} neurons of layer {}", s.neurons.size(), s.layer.outputs, s.layer_number);
  if (!s.first) return layer;
  return fmt::format("{} of {} neurons of layer {}, {}", s.first_neurons.size(), s.first->outputs, s.first_number,
                     layer);
}

std::string DemoText(const TwoPartyResult& r, const Json& j) {
  const auto ms = [&](const char* field) { return FormatMilliseconds(j[field].get<double>()); };
  const auto bytes = [&](const char* field) { return FormatBytes(j[field].get<uint64_t>()); };
  FactTable what(fmt::format("\nprivate inference on {} MNIST test images, owner and user in two processes (gRPC, TLS)",
                             j["images"].get<int64_t>()));
  for (const PlannedSegment& s : r.model.segments) what.Add("encrypted", Encrypted(s.segment));
  what.Add("accuracy, original network", fmt::format("{:.1f} %", r.accuracy_original));
  what.Add("accuracy, private inference", fmt::format("{:.1f} %", r.accuracy_private));
  what.Add("accuracy, user without the owner", fmt::format("{:.1f} %", r.accuracy_without_owner));
  what.Add("decrypted integers",
           fmt::format("{} compared with the integer reference, {} differ", r.integers_compared, r.integer_mismatches));
  what.Add("labels", fmt::format("{} differ from the quantised network's", r.label_mismatches));
  FactTable cost("what it cost, an image (owner and user share this machine's processors)");
  cost.Add("user", fmt::format("{} encrypted part ({}), {} rest of the network", ms("user_encrypted_ms_per_image"),
                               j["kernel"].get<std::string>(), ms("user_plain_ms_per_image")));
  cost.Add("owner", ms("owner_ms_per_image"));
  cost.Add("the same network in plaintext", ms("plain_ms_per_image"));
  cost.Add("messages", fmt::format("{} up, {} down", bytes("bytes_up_per_image"), bytes("bytes_down_per_image")));
  cost.Add("package, once", bytes("package_bytes"));
  FactTable saw("what each side could see");
  saw.Add("owner",
          fmt::format("{} of ring-LWE samples and one-time-padded numbers an image; no pixel, no feature, no result",
                      bytes("bytes_up_per_image")));
  saw.Add("user",
          "its own images, the plaintext neurons, the outputs of the encrypted ones; no encrypted weight, no key");
  saw.Add("eavesdropper", "TLS records: when and how much");
  FactTable secure("how hard it is to see more");
  for (const PlannedSegment& s : r.model.segments) {
    const ParameterSpec& p = s.plan.parameters;
    secure.Add("ring", fmt::format("N = {}, log2 Q = {:.1f}, plaintext modulus 2^{}: 128 bits (2018 standard, quantum "
                                   "column)",
                                   p.n, LogQ(p.primes), p.plain_bits));
  }
  secure.Add("drowning noise", fmt::format("{:.1f} bits over {} images", j["statistical_security_bits"].get<double>(),
                                           r.model.segments[0].plan.image_budget));
  const auto images = j["images_to_reconstruct"].get<uint64_t>();
  secure.Add("but",
             fmt::format("replies to {} image{} determine the {}encrypted kernels, to {} of chosen ciphertexts {} keys",
                         images, images == 1 ? "" : "s", r.model.segments.size() == 1 ? "" : "first ",
                         j["images_to_recover_keys_by_lattice"].get<uint64_t>(),
                         r.model.segments.size() == 1 ? "the" : "the first"));
  return what.Render() + cost.Render() + saw.Render() + secure.Render();
}

absl::StatusOr<CommandOutput> Demo(const DemoCommand& command) {
  ImageInput input;
  input.limit = command.images;
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, input.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const Selection selection, LoadSelection(command.selection, command.model, graph));
  PRIVDNN_ASSIGN_OR_RETURN(const TwoPartyResult result, RunTwoParties(graph, selection, images, command.options));
  CommandOutput output{DemoJson(result, images), ""};
  output.text = DemoText(result, output.json);
  if (!command.out.empty()) {
    PRIVDNN_RETURN_IF_ERROR(WriteTextFile(command.out, output.json.dump(2) + "\n"));
    output.text += "figures: " + command.out + "\n";
  }
  PRIVDNN_RETURN_IF_ERROR(CheckAgreement(result));
  return output;
}

}  // namespace

void AddDemo(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "demo", "Private inference end to end on real MNIST, with a table of what it cost",
                 "privdnn demo --out demo.json");
  const auto o = std::make_shared<DemoCommand>();
  o->model.AddOption(command);
  command->add_option("--out", o->out, "JSON file for the figures");
  command->add_option("--images", o->images, "how many of the 1,000 carried MNIST test images")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--selection", o->selection, "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  AddPlanOptions(command, o->options.settings);
  AddThreads(command, o->options.threads);
  command->callback([o, &action] { action = [o] { return Demo(*o); }; });
}

}  // namespace privdnn
