#include "privdnn/report/privacy_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "privdnn/report/table.h"
#include "privdnn/report/verdict.h"

namespace privdnn {
namespace {

using Rows = std::vector<std::vector<Json>>;

Json Known(const Json& json, const char* field) { return json.contains(field) ? json.at(field) : Json(nullptr); }

// Sections are made of the steps that they name, whether these have results or not.
Section MakeSection(const Results& results, std::string id, std::string title, std::vector<std::string> paragraphs,
                    std::initializer_list<std::string_view> steps) {
  Section section{std::move(id), std::move(title), std::move(paragraphs), {}, {}};
  for (const StepResult& s : results.steps) {
    if (std::ranges::find(steps, s.name) == steps.end()) continue;
    section.made_by.push_back({s.title, s.command, s.seconds, s.result.is_null() ? s.reason : ""});
  }
  return section;
}

Section Encrypted(const Results& results) {
  Section section = MakeSection(results, "encrypted", "What is encrypted",
                                {"Core neurons are output channels of a layer. Layers are numbered in execution order; "
                                 "the others stay in the clear, and so do weights that no encrypted neuron has."},
                                {"plan"});
  const Json* plan = results.Find("plan");
  if (!plan) return section;
  Rows rows;
  size_t number = 0;
  for (const Json& s : plan->at("segments")) {
    for (size_t i = 0; i < s.at("layers").size(); ++i) {
      const double core = s.at("core_neurons").at(i).get<double>(), all = s.at("neurons").at(i).get<double>();
      rows.push_back({fmt::format("layer {}", s.at("layers").at(i).get<int64_t>()), 100 * core / all, core, all,
                      fmt::format("{}, {}", number, s.at("kind").get<std::string>())});
    }
    ++number;
  }
  Figure figure{"encrypted",
                "Neurons that are encrypted",
                "Share of each layer's output channels.",
                {{{"layer"}, {"encrypted, %", 1}, {"neurons encrypted"}, {"of"}, {"segment"}}, std::move(rows)},
                Plot{.columns = {1}, .y_title = "encrypted, %", .min = 0, .max = 100},
                std::nullopt};
  for (const char* name : {"recover", "recover-frozen"}) {
    const Json* recover = results.Find(name);
    if (!recover) continue;
    figure.caption +=
        fmt::format(" Of the {} weights of the network a package hides {}.", recover->at("weights").get<uint64_t>(),
                    recover->at("weights_unknown").get<uint64_t>());
    break;
  }
  section.figures.push_back(std::move(figure));
  return section;
}

Section Accuracy(const Results& results) {
  Section section = MakeSection(
      results, "accuracy", "What the model is worth, to whom",
      {"A_o: the original. A_s: what an authorised user has, with the owner's help. A_r: the package without the "
       "owner. "
       "A_t: an attacker's own network, trained from nothing on its labelled images. A_rec: the package after the "
       "attacker has trained new neurons in place of the encrypted ones; either the known weights are trained, too, or "
       "they are kept."},
      {"eval", "scratch", "recover", "recover-frozen"});
  Rows rows;
  if (const Json* eval = results.Find("eval")) {
    for (const auto& [name, field] :
         {std::pair("A_o, original", "accuracy_original"), std::pair("A_s, authorised user", "accuracy_separated"),
          std::pair("A_r, package alone", "accuracy_without_core")}) {
      rows.push_back({name, eval->at(field), eval->at("images"), nullptr, nullptr});
    }
  }
  for (const auto& [name, step] :
       {std::pair("A_t, images alone", "scratch"), std::pair("A_rec, all trained", "recover"),
        std::pair("A_rec, known weights kept", "recover-frozen")}) {
    if (const Json* attack = results.Find(step)) {
      rows.push_back({name, attack->at("accuracy_after_training"), attack->at("test_images"), attack->at("samples"),
                      attack->at("epochs")});
    }
  }
  if (rows.empty()) return section;
  section.figures.push_back(
      {"accuracy",
       "Accuracies",
       "Percent of test images whose label is right; one training run each.",
       {{{"network"}, {"accuracy, %", 2}, {"test images"}, {"attacker's images"}, {"epochs"}}, std::move(rows)},
       Plot{.columns = {1}, .y_title = "accuracy, %", .min = 0, .max = 100},
       std::nullopt});
  return section;
}

// Accuracies of a user and of clones under errors; `rows` as NoiseRows gives them.
Figure NoiseFigure(const Json& extract, const std::string& within, Rows rows) {
  return {
      "noise",
      "What errors on outputs cost their user",
      fmt::format("Percent of {} images that no clone asked for; dashed: with the owner and no errors (A_s), and the "
                  "package alone (A_r). Beside it the images whose replies bring a clone within {} of A_s, or of the "
                  "user under errors, or to exact kernels; none where those that were tried don't.",
                  Count(extract, "clone_images"), within),
      {{{"error, % of the outputs' deviation", 1},
        {"user, %", 2},
        {"A_s, %", 2},
        {"A_r, %", 2},
        {"images, to A_s"},
        {"images, to the user"},
        {"images, exact"},
        {"images tried"},
        {"--output-noise", 4}},
       std::move(rows)},
      Plot{.kind = Plot::Kind::kLines,
           .columns = {1},
           .reference = {2, 3},
           .x_title = "error, % of the outputs' deviation",
           .y_title = "accuracy, %",
           .min = 0,
           .max = 100},
      std::nullopt};
}

Figure NoiseImagesFigure(const std::string& within, const Rows& levels) {
  Rows images;
  for (const auto& row : levels) {
    images.push_back({fmt::format("{:.3g} %", row[0].get<double>()), row[4], row[5], row[7]});
  }
  return {
      "noise-images",
      "What errors on outputs cost someone who clones",
      fmt::format("Images whose replies are enough for a clone within {} of a user; no bar where all that were tried "
                  "are not. The scale is logarithmic, and such numbers repeat to about a factor of two.",
                  within),
      {{{"error"}, {"as good as without errors"}, {"as good as the user under errors"}, {"tried"}}, std::move(images)},
      Plot{.columns = {1, 2}, .y_title = "images", .log_y = true, .min = 1},
      std::nullopt};
}

Rows NoiseRows(const Json& extract) {
  Rows rows;
  for (const Json& level : extract.at("noise")) {
    rows.push_back({NoisePercent(level), level.at("user_accuracy"), extract.at("accuracy_separated"),
                    extract.at("accuracy_without_core"), level.at("images_to_exact_accuracy"),
                    level.at("images_to_noisy_accuracy"), level.at("images_needed"), level.at("images_tried"),
                    level.at("output_noise")});
  }
  return rows;
}

Section Noise(const Results& results) {
  Section section = MakeSection(
      results, "noise", "If the owner added errors to outputs",
      {"privdnn serve --output-noise adds a normal error, drawn anew, to every output of every reply. It ends exact "
       "solving; a fit averages it out over the images that it asks for, while each of an honest user's images suffers "
       "from it anew. The package is the same; the owner was started anew for each level."},
      {"extract"});
  const Json* extract = results.Find("extract");
  if (!extract || !extract->contains("noise")) return section;
  for (const Json& l : extract->at("noise_left_out")) {
    section.paragraphs.push_back(fmt::format("Errors of {:.4g} were left out: {}", Number(l, "output_noise"),
                                             l.at("reason").get<std::string>()));
  }
  const std::string within = fmt::format("{:.3g} point(s)", Number(*extract, "within"));
  const Rows rows = NoiseRows(*extract);
  if (rows.empty()) return section;
  section.figures.push_back(NoiseFigure(*extract, within, rows));
  section.figures.push_back(NoiseImagesFigure(within, rows));
  return section;
}

Section Obfuscation(const Results& results) {
  Section section = MakeSection(
      results, "obfuscation", "If every user had a network of its own",
      {"privdnn obfuscate mixes core neurons by secret numbers, begins the layer behind them anew and trains what "
       "follows, for neurons stolen from one user (alice) not to work in the package of another (bob). Without "
       "obfuscation they do: all users have the same network. Networks that are made for a report are gone with it.",
       "Someone with alice's kernels still needs next to no reply for bob's, since bob's outputs are mixtures of what "
       "alice's are mixtures of (docs/attacks.md)."},
      {"obfuscate-alice", "obfuscate-bob", "transplant", "recover-bob"});
  Rows rows;
  for (const char* user : {"alice", "bob"}) {
    const Json* made = results.Find(std::string("obfuscate-") + user);
    if (!made) continue;
    if (rows.empty()) {
      rows.push_back(
          {"original", made->at("test_accuracy_original"), made->at("test_images"), nullptr, nullptr, nullptr});
    }
    rows.push_back({std::string(user) + "'s network", made->at("test_accuracy"), made->at("test_images"),
                    made->at("loss"), made->at("training_images"), made->at("epochs")});
  }
  if (const Json* stolen = results.Find("transplant")) {
    const Json& images = stolen->at("test_images");
    rows.push_back({"bob's, no core neurons", stolen->at("accuracy_without_core"), images, nullptr, nullptr, nullptr});
    rows.push_back(
        {"bob's, alice's neurons", stolen->at("accuracy_before_training"), images, nullptr, nullptr, nullptr});
    rows.push_back({"the same, trained", stolen->at("accuracy_after_training"), images, nullptr, stolen->at("samples"),
                    stolen->at("epochs")});
  }
  if (const Json* anew = results.Find("recover-bob")) {
    rows.push_back({"bob's, random neurons, trained", anew->at("accuracy_after_training"), anew->at("test_images"),
                    nullptr, anew->at("samples"), anew->at("epochs")});
  }
  if (rows.empty()) return section;
  section.figures.push_back(
      {"obfuscation",
       "Networks of two users",
       "Percent of test images whose label is right; one training run each. Lost: points of validation accuracy, by "
       "which the epoch was chosen.",
       {{{"network"}, {"accuracy, %", 2}, {"test images"}, {"lost", 2}, {"trained on images"}, {"epochs"}},
        std::move(rows)},
       Plot{.columns = {1}, .y_title = "accuracy, %", .min = 0, .max = 100},
       std::nullopt});
  return section;
}

// What an attack made of one view, and of images from queries beside other images' queries.
std::string Outcome(const Json& reconstruction) {
  if (!reconstruction.contains("equals_guess")) {
    return reconstruction.at("better_than_blind_guess").get<bool>() ? "reconstructed" : "no better than a guess";
  }
  return reconstruction.at("equals_guess").get<bool>() ? "as from another image's query"
                                                       : "differs from other images' queries";
}

// A field of each reconstruction, every value once.
std::vector<std::string> Distinct(const Json& reconstructions, const char* field) {
  std::vector<std::string> values;
  for (const Json& r : reconstructions) {
    auto value = r.at(field).get<std::string>();
    if (std::ranges::find(values, value) == values.end()) values.push_back(std::move(value));
  }
  return values;
}

Rows InversionRows(const Json& invert) {
  Rows rows;
  for (const auto& [name, field] :
       {std::pair("one of the attacker's images", "one_image"), {"the mean of them", "mean_image"}}) {
    const Json& scores = invert.at(field);
    rows.push_back({name, scores.at("ssim_mean"), scores.at("psnr_mean"), nullptr, nullptr, "a guess"});
  }
  for (const Json& r : invert.at("reconstructions")) {
    const Json& ssim = r.at("over_mean_image").at("ssim");
    rows.push_back({fmt::format("{}, {}", r.at("view").get<std::string>(), r.at("method").get<std::string>()),
                    r.at("ssim_mean"), r.at("psnr_mean"), ssim.at("low"), ssim.at("high"), Outcome(r)});
  }
  return rows;
}

Section Inversion(const Results& results) {
  Section section = MakeSection(
      results, "inversion", "Images from what the owner sees",
      {"The owner knows the whole network, and looks for an image that explains what it sees (gradient), or has "
       "trained a "
       "network on images of its own that turns what it sees into images (decoder). features: all channels in "
       "the clear. scaled: each times a factor that it doesn't know. encrypted: the encrypted channels, without masks. "
       "query: what the owner really gets."},
      {"invert"});
  const Json* invert = results.Find("invert");
  if (!invert) return section;
  const std::string picture = fmt::format("for each image a row a method ({}), columns: original, {}",
                                          fmt::join(Distinct(invert->at("reconstructions"), "method"), ", "),
                                          fmt::join(Distinct(invert->at("reconstructions"), "view"), ", "));
  Figure figure{
      "inversion",
      "Reconstructions and originals",
      fmt::format("Similarity (SSIM, 1: the same picture) of reconstruction and original, means of {} images; "
                  "beside it the signal-to-noise ratio (PSNR), and by how much SSIM is above that of the mean image, "
                  "{:.0f} % interval.",
                  invert->at("images").get<uint64_t>(), 100 * invert->at("confidence").get<double>()),
      {{{"view"}, {"SSIM", 3}, {"PSNR, dB", 2}, {"over the mean, from", 3}, {"to", 3}, {"outcome"}},
       InversionRows(*invert)},
      Plot{.columns = {1}, .y_title = "SSIM"},
      std::nullopt};
  for (const StepResult& s : results.steps) {
    if (s.name == "invert" && !s.picture.empty()) {
      figure.image = Picture{s.picture, picture};
      figure.caption += " In the picture, " + picture + ".";
    }
  }
  section.figures.push_back(std::move(figure));
  return section;
}

void AddLayers(const Json& extract, Section& section) {
  if (!extract.contains("layers")) return;
  for (const Json& layers : extract.at("layers")) {
    const auto segment = layers.at("segment").get<uint64_t>();
    if (layers.contains("not_found")) {
      section.paragraphs.push_back(fmt::format("The layers behind segment {}'s kernels were not found: {}", segment,
                                               layers.at("not_found").get<std::string>()));
      continue;
    }
    Rows rows;
    const auto known = layers.at("known_neurons").get<std::vector<size_t>>();
    for (size_t c = 0; c < layers.at("first_layer_errors").size(); ++c) {
      const bool plain = std::ranges::find(known, c) != known.end();
      rows.push_back({fmt::format("neuron {}{}", c, plain ? ", in plaintext" : ""),
                      100 * layers.at("first_layer_errors").at(c).get<double>(),
                      100 * layers.at("second_layer_errors").at(c).get<double>()});
    }
    section.figures.push_back(
        {fmt::format("layers-{}", segment),
         fmt::format("The layers behind segment {}'s kernels", segment),
         "Weights that were taken apart from the kernels, beside the true ones: sines of the angles between them, in "
         "percent (0: the same up to a factor, 100: not found). The first layer's plaintext neurons are in the "
         "package; what "
         "the second makes of them is not.",
         {{{"of the first layer"}, {"its weights, %", 4}, {"what the second makes of it, %", 4}}, std::move(rows)},
         Plot{.columns = {1, 2}, .y_title = "error, %", .min = 0},
         std::nullopt});
  }
}

// What was asked, and what it determined.
std::string ExtractionFacts(const Json& extract) {
  std::string facts =
      fmt::format("{} images were predicted to determine {} outputs' kernels ({} unknowns each); ",
                  extract.at("images_predicted").get<uint64_t>(), extract.at("outputs_attacked").get<uint64_t>(),
                  extract.at("unknowns_per_output").get<uint64_t>());
  facts += extract.at("images_needed").is_null()
               ? fmt::format("{} that were asked did not.", extract.at("images_asked").get<uint64_t>())
               : fmt::format("{} did.", extract.at("images_needed").get<uint64_t>());
  const auto checked = extract.at("check_integers").get<uint64_t>();
  if (checked > 0) {
    facts += fmt::format(" Of {} outputs for further images the clone got {} wrong.", checked,
                         extract.at("check_mismatches").get<uint64_t>());
  }
  return facts;
}

void AddClones(const Json& extract, Section& section) {
  Rows rows;
  const Json separated = Known(extract, "accuracy_separated"), removed = Known(extract, "accuracy_without_core");
  for (const Json& p : extract.at("curve")) {
    if (p.at("clone_accuracy").is_null()) continue;  // images without labels
    rows.push_back({p.at("images_used"), p.at("clone_accuracy"), separated, removed, "approximate"});
  }
  if (!extract.at("images_needed").is_null() && !extract.at("clone_accuracy").is_null()) {
    rows.push_back({extract.at("images_needed"), extract.at("clone_accuracy"), separated, removed, "exact"});
  }
  if (!rows.empty()) {
    section.figures.push_back(
        {"extraction",
         "What a clone by so many images is worth",
         fmt::format("Percent of {} images that were not asked; dashed: with the owner (A_s) and the package alone "
                     "(A_r).",
                     extract.at("clone_images").get<uint64_t>()),
         {{{"images asked"}, {"clone, %", 2}, {"A_s, %", 2}, {"A_r, %", 2}, {"kernels"}}, std::move(rows)},
         Plot{.kind = Plot::Kind::kLines,
              .columns = {1},
              .reference = {2, 3},
              .x_title = "images asked",
              .y_title = "accuracy, %",
              .log_x = true,
              .min = 0,
              .max = 100},
         std::nullopt});
  }
}

Section Extraction(const Results& results) {
  Section section = MakeSection(
      results, "extraction", "Kernels from replies",
      {"A user is given exact outputs of the encrypted kernels, which are linear in them. With enough images of its "
       "own "
       "it solves for the kernels; with fewer it fits approximate ones. A clone answers in the owner's place."},
      {"extract"});
  const Json* extract = results.Find("extract");
  if (!extract) return section;
  section.paragraphs.push_back(ExtractionFacts(*extract));
  AddClones(*extract, section);
  AddLayers(*extract, section);
  return section;
}

Section Cost(const Results& results) {
  Section section = MakeSection(
      results, "cost", "What it costs",
      {"Bytes of package and messages are exact. Times and memory are predicted for one thread of each side from "
       "constants of a machine; privdnn plan --check measures them."},
      {"plan"});
  const Json* plan = results.Find("plan");
  if (!plan) return section;
  const auto predicted_by = plan->at("costs");
  Rows bytes = {{"package, once", plan->at("package_bytes")},
                {"of it plaintext rest", plan->at("plaintext_model_bytes")},
                {"user to owner, an image", plan->at("query_bytes_per_image")},
                {"owner to user, an image", plan->at("reply_bytes_per_image")}};
  for (const Json& p : plan->at("predicted")) {
    if (p.at("images") != 1) continue;
    bytes.push_back({"user's memory", p.at("peak_rss_bytes_user")});
    bytes.push_back({"owner's memory", p.at("peak_rss_bytes_owner")});
  }
  section.figures.push_back({"bytes",
                             "Bytes",
                             "Package, messages and memory; the scale is logarithmic.",
                             {{{"what"}, {"bytes"}}, std::move(bytes)},
                             Plot{.columns = {1}, .y_title = "bytes", .log_y = true, .min = 1},
                             std::nullopt});
  Rows times;
  for (const Json& p : plan->at("predicted")) {
    const auto images = p.at("images").get<uint64_t>();
    times.push_back({images == 1 ? "one image" : fmt::format("an image of {}", images),
                     p.at("user_encrypted_ms_per_image"), p.at("owner_ms_per_image")});
  }
  section.figures.push_back(
      {"times",
       "Milliseconds an image",
       fmt::format("Encrypted part alone, one thread; predicted for {}, {}.", predicted_by.at("cpu").get<std::string>(),
                   predicted_by.at("measured_here").get<bool>() ? "as measured on this machine"
                                                                : "as documented, not measured on this machine"),
       {{{"images in a message"}, {"user, ms", 3}, {"owner, ms", 3}}, std::move(times)},
       Plot{.columns = {1, 2}, .y_title = "milliseconds an image", .min = 0},
       std::nullopt});
  return section;
}

Section Security(const Results& results) {
  Section section = MakeSection(
      results, "security", "Statistical and lattice security",
      {"Calculated from the parameters. Lattice security is that of the ring by the 2018 homomorphic encryption "
       "standard's table (quantum column); statistical security is that of the noise which drowns what decryption "
       "would tell of the keys, over the whole budget. No parameter changes what outputs tell of kernels."},
      {"plan"});
  const Json* plan = results.Find("plan");
  if (!plan) return section;
  Rows rings;
  size_t number = 0;
  for (const Json& s : plan->at("segments")) {
    rings.push_back({fmt::format("segment {}", number++), plan->at("lattice_security_bits"),
                     s.at("statistical_security_bits"), s.at("ring_dimension"), s.at("log_q"), s.at("plain_bits")});
  }
  section.figures.push_back(
      {"bits",
       "Bits of security",
       fmt::format("Over all segments the statistical bits are {:.1f}, for {} images.",
                   plan->at("statistical_security_bits").get<double>(), plan->at("image_budget").get<uint64_t>()),
       {{{"segment"}, {"lattice, bits"}, {"statistical, bits", 1}, {"N"}, {"log2 Q", 1}, {"plaintext bits"}},
        std::move(rings)},
       Plot{.columns = {1, 2}, .y_title = "bits", .min = 0},
       std::nullopt});
  Rows budget = {{"planned budget", plan->at("image_budget")},
                 {"determine all kernels", ImagesForAllKernels(*plan)},
                 {"determine the first", plan->at("images_to_reconstruct_first")},
                 {"as many equations as parameters", plan->at("images_by_parameter_count")},
                 {"keys, by chosen ciphertexts", plan->at("images_to_recover_keys")},
                 {"keys, with lattice reduction too", plan->at("images_to_recover_keys_by_lattice")}};
  section.figures.push_back({"budget",
                             "Images of the budget",
                             "What so many images give a user, as calculated by the plan; the scale is logarithmic.",
                             {{{"what"}, {"images"}}, std::move(budget)},
                             Plot{.columns = {1}, .y_title = "images", .log_y = true, .min = 1},
                             std::nullopt});
  return section;
}

}  // namespace

Document Describe(const Results& results) {
  Document document{results.title, results.facts, Verdict(results), NotSaid(results), {}};
  for (const auto section : {Encrypted, Accuracy, Extraction, Noise, Obfuscation, Inversion, Security, Cost}) {
    document.sections.push_back(section(results));
  }
  return document;
}

}  // namespace privdnn
