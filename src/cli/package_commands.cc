// plan, keygen and encrypt: what an owner does before serving.
#include <cmath>

#include "base/file.h"
#include "cli/inputs.h"
#include "cli/lifted_model.h"
#include "nn/onnx.h"
#include "package/package.h"
#include "report/table.h"
#include "service/pki.h"

namespace privdnn::cli {

void LiftSettings::Add(CLI::App* command) {
  command->add_option("--input-bits", options.input_bits, "bits of a quantised input value")
      ->check(CLI::Range(2, 15))
      ->capture_default_str();
  command->add_option("--kernel-bits", options.kernel_bits, "bits of a quantised kernel coefficient")
      ->check(CLI::Range(2, 24))
      ->capture_default_str();
  command->add_option("--input-min", options.input_min, "smallest input value")->capture_default_str();
  command->add_option("--input-max", options.input_max, "largest input value")->capture_default_str();
  command->add_option("--image-budget", image_budget, "images that may ever be asked of the package")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

absl::StatusOr<LiftedModel> LiftModel(const nn::Graph& graph, const nn::Selection& selection,
                                      const LiftSettings& settings) {
  PRIVDNN_ASSIGN_OR_RETURN(const auto segment, nn::FindQuadraticSegment(graph));
  PRIVDNN_ASSIGN_OR_RETURN(QuantizedSegment quantized, LiftSegment(graph, segment, selection, settings.options));
  PRIVDNN_ASSIGN_OR_RETURN(SegmentPlan plan,
                           PlanSegment(quantized.spec, quantized.plain_bits(), settings.image_budget));
  return LiftedModel{graph, segment, selection, std::move(quantized), std::move(plan)};
}

Json PlanJson(const LiftedModel& m) {
  const SegmentPlan& p = m.plan;
  const Geometry& g = p.geometry;
  const auto size = [](Size2 s) { return Json::array({s.h, s.w}); };
  // Of the two layers behind one output: every layer-1 neuron's weights and bias, the output's weights and bias.
  const Size2 kernel2 = g.spec().kernel2;
  const auto neurons1 = static_cast<uint64_t>(m.segment.neurons1), positions = uint64_t{g.positions_per_output()};
  const uint64_t parameters = neurons1 * (g.window() + 1) + neurons1 * kernel2.h * kernel2.w + 1;
  return {{"core_neurons", {m.selection.layer1.size(), m.selection.layer2.size()}},
          {"neurons", {m.segment.neurons1, m.segment.neurons2}},
          {"window", g.window()},
          {"features", g.features()},
          {"feature_map", size(g.grid())},
          {"kernel", size(g.kernel())},
          {"stride", size(g.stride())},
          {"output_map", size(g.output())},
          {"polynomials", g.terms()},
          {"ring_dimension", p.parameters.n},
          {"primes", p.parameters.primes},
          {"log_q", LogQ(p.parameters.primes)},
          {"input_bits", m.quantized.spec.input_bits},
          {"worst_case_output_bits", std::log2(static_cast<double>(m.quantized.worst_case))},
          {"plain_bits", p.parameters.plain_bits},
          {"image_budget", p.image_budget},
          {"statistical_security_bits", p.statistical_security},
          {"lattice_security_bits", 128},
          {"ciphertext_bytes", p.ciphertext_bytes},
          {"query_bytes_per_image", p.query_bytes_per_image},
          {"reply_bytes_per_image", p.reply_bytes_per_image},
          {"user_kernel_memory_bytes", p.user_memory_bytes},
          {"user_forward_ntts_per_image", p.user_forward_ntts},
          {"user_inverse_ntts_per_image", p.user_inverse_ntts},
          {"user_macs_per_image", p.user_macs},
          {"unknowns_per_output", p.unknowns_per_output},
          {"images_to_reconstruct", p.images_to_reconstruct},
          {"images_to_recover_keys", p.images_to_recover_keys},
          {"parameters_per_output", parameters},
          {"images_by_parameter_count", (parameters + positions - 1) / positions}};
}

namespace {

std::string PlanText(const LiftedModel& m, const Json& j) {
  const SegmentPlan& p = m.plan;
  const Geometry& g = p.geometry;
  FactTable table("quadratic segment: " + m.segment.input + " -> " + m.segment.output);
  table.Add("core neurons", fmt::format("{} of {} in layer 1, {} of {} in layer 2", m.selection.layer1.size(),
                                        m.segment.neurons1, m.selection.layer2.size(), m.segment.neurons2));
  table.Add("lifted",
            fmt::format("{} inputs a position, {} features on a {}x{} map, kernel {}x{} stride {}, output {}x{}",
                        g.window(), g.features(), g.grid().h, g.grid().w, g.kernel().h, g.kernel().w, g.stride().h,
                        g.output().h, g.output().w));
  table.Add("ring", fmt::format("N = {}, {} primes, log2 Q = {:.1f}, {} polynomials a kernel", p.parameters.n,
                                p.parameters.primes.size(), j["log_q"].get<double>(), g.terms()));
  table.Add("integers",
            fmt::format("{}-bit inputs, outputs below 2^{:.1f}, plaintext modulus 2^{}", m.quantized.spec.input_bits,
                        j["worst_case_output_bits"].get<double>(), p.parameters.plain_bits));
  table.Add("security", fmt::format("128 bits (lattice), {:.1f} bits (statistical, over {} images)",
                                    p.statistical_security, p.image_budget));
  table.Add("ciphertexts in the package", FormatBytes(p.ciphertext_bytes));
  table.Add("an image",
            fmt::format("{} up, {} down", FormatBytes(p.query_bytes_per_image), FormatBytes(p.reply_bytes_per_image)));
  table.Add("user's work an image",
            fmt::format("{} transforms, {:.1f} M multiply-accumulates", p.user_forward_ntts + p.user_inverse_ntts,
                        static_cast<double>(p.user_macs) * 1e-6));
  table.Add("images to reconstruct",
            fmt::format("{} ({} unknowns an output, {} equations an image)", p.images_to_reconstruct,
                        p.unknowns_per_output, g.positions_per_output()));
  table.Add("images to recover the keys",
            fmt::format("{}, for a malicious user's chosen ciphertexts", p.images_to_recover_keys));
  const uint64_t by_count = j["images_by_parameter_count"].get<uint64_t>();
  table.Add("images by parameter count",
            fmt::format("{} ({} parameters behind an output: equations that are not linear)", by_count,
                        j["parameters_per_output"].get<uint64_t>()));
  std::string text = table.Render();
  const uint64_t fewest = std::min({p.images_to_reconstruct, p.images_to_recover_keys, by_count});
  if (p.image_budget >= fewest) {
    text += fmt::format(
        "note: a budget of {} images is not below {}, where the encrypted kernels begin to be at risk from their "
        "user.\n"
        "      No encryption changes that: give each user a package of its own and a budget that fits the trust (see\n"
        "      SECURITY.md, statement 3).\n",
        p.image_budget, fewest);
  }
  return text;
}

struct PlanCommand {
  ModelInput model;
  std::string selection;
  LiftSettings settings;
};

absl::StatusOr<CommandOutput> Plan(const PlanCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, LoadSelection(command.selection));
  PRIVDNN_ASSIGN_OR_RETURN(const LiftedModel model, LiftModel(graph, selection, command.settings));
  CommandOutput output{PlanJson(model), ""};
  output.text = PlanText(model, output.json);
  return output;
}

struct KeygenCommand {
  std::string out;
  std::vector<std::string> hosts, users;
};

absl::StatusOr<CommandOutput> Keygen(const KeygenCommand& command) {
  const std::filesystem::path dir = command.out;
  std::error_code ignored;
  Json made = Json::array();
  // An authority that exists is used: new users join it.
  if (!std::filesystem::exists(dir / "ca.crt", ignored)) {
    PRIVDNN_RETURN_IF_ERROR(CreateAuthority(dir));
    PRIVDNN_RETURN_IF_ERROR(IssueOwner(dir, command.hosts));
    for (const char* file : {"ca.crt", "ca.key", "owner.crt", "owner.key"}) made.push_back((dir / file).string());
  } else if (!command.hosts.empty()) {
    return FailedPrecondition("{}: there is an authority and an owner already; --host is for new ones", dir.string());
  }
  for (const std::string& user : command.users) {
    PRIVDNN_RETURN_IF_ERROR(IssueUser(dir, user));
    for (const char* ending : {".crt", ".key"}) made.push_back((dir / (user + ending)).string());
  }
  CommandOutput output{{{"files", made}}, ""};
  for (const auto& file : made) output.text += file.get<std::string>() + "\n";
  return output;
}

struct EncryptCommand {
  ModelInput model;
  std::string selection, package, key, user = "user";
  LiftSettings settings;
  int threads = 1;
};

absl::StatusOr<CommandOutput> Encrypt(const EncryptCommand& command) {
  PRIVDNN_RETURN_IF_ERROR(CheckUserName(command.user));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph graph, command.model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Selection selection, LoadSelection(command.selection));
  PRIVDNN_ASSIGN_OR_RETURN(const LiftedModel m, LiftModel(graph, selection, command.settings));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph rest, nn::PlaintextRest(graph, m.segment, selection));
  std::error_code ignored;
  if (std::filesystem::weakly_canonical(command.key, ignored) ==
      std::filesystem::weakly_canonical(command.package, ignored)) {
    return InvalidArgument("--package and --key are the same file, {}", command.key);
  }
  if (std::filesystem::exists(command.key, ignored)) {
    return FailedPrecondition("{}: exists; a key file is not overwritten, since its package would be useless",
                              command.key);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const EncryptedModel encrypted, EncryptModel(m.quantized, m.plan, nn::ExportOnnx(rest),
                                                                        command.user, SystemRandom(), command.threads));
  PRIVDNN_RETURN_IF_ERROR(WriteFile(command.key, WriteOwnerKey(encrypted.owner_key), 0600));
  if (const absl::Status written = WriteFile(command.package, encrypted.package); !written.ok()) {
    std::filesystem::remove(command.key, ignored);  // it is of no use without its package
    return written;
  }
  const std::string id = HexEncode(encrypted.owner_key.package_id);
  CommandOutput output{PlanJson(m), ""};
  output.json["package"] = command.package;
  output.json["key"] = command.key;
  output.json["user"] = command.user;
  output.json["package_id"] = id;
  output.json["package_bytes"] = encrypted.package.size();
  output.text = fmt::format("{}  {}, for the user\n{}  for the owner alone\npackage id {}\n", command.package,
                            FormatBytes(encrypted.package.size()), command.key, id);
  return output;
}

}  // namespace

void AddPlan(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "plan", "What encrypting a selection takes and gives, before anything runs",
                             "privdnn plan model.onnx --selection \"1:0,3;2:5\"");
  const auto o = std::make_shared<PlanCommand>();
  o->model.AddPositional(command);
  command->add_option("--selection", o->selection, "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  o->settings.Add(command);
  command->callback([o, &action] { action = [o] { return Plan(*o); }; });
}

void AddKeygen(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "keygen", "Make certificates: an authority, the owner's and users' identities",
                 "privdnn keygen --out tls --host owner.example.org --user alice");
  const auto o = std::make_shared<KeygenCommand>();
  command->add_option("--out", o->out, "directory to write")->required();
  command->add_option("--host", o->hosts, "further names or addresses of the owner's server (localhost is included)");
  command->add_option("--user", o->users, "name of a user; may be repeated, and added to an existing directory");
  command->callback([o, &action] { action = [o] { return Keygen(*o); }; });
}

void AddEncrypt(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(
      app, globals, "encrypt", "Encrypt a model's core neurons: a package for a user, a key for the owner",
      "privdnn encrypt model.onnx --selection selection.json --user alice --package alice.privdnn --key alice.key");
  const auto o = std::make_shared<EncryptCommand>();
  o->model.AddPositional(command);
  command->add_option("--selection", o->selection, "core neurons: a file, or 1:0,3;2:5; default: the embedded model's");
  command->add_option("--package", o->package, "package file to write")->required();
  command->add_option("--key", o->key, "owner's key file to write (mode 0600)")->required();
  command->add_option("--user", o->user, "NAME of the user's certificate: nobody else is answered")
      ->capture_default_str();
  o->settings.Add(command);
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return Encrypt(*o); }; });
}

}  // namespace privdnn::cli
