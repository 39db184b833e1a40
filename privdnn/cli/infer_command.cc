// infer: the user's side, on its own images.
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "privdnn/base/cpu.h"
#include "privdnn/base/file.h"
#include "privdnn/cli/inference.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/on_ranks.h"
#include "privdnn/cli/ranked_inference.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/report/table.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

struct InferCommand {
  std::string package, owner, tls, user = "user", outputs, plain_model;
  ImageInput images;
  InferenceOptions options;
  int deadline_s = 3600;
  bool offline = false;
};

Json Describe(const InferCommand& command, const User& user, const ImageSet& images) {
  const Package& package = user.package();
  return {{"images", images.count},
          {"threads", command.options.threads},
          {"kernel", user.segment(0).parameters.ring().kernels().name},
          {"segments", user.num_segments()},
          {"package_id", HexEncode(package.id())},
          {"package_bytes", package.size()}};
}

// Accuracy if there are labels, then the predictions; of images without one, null, and none counts.
void AddPredictions(const InferCommand& command, const ImageSet& images, const std::vector<int32_t>& predictions,
                    Json& json, FactTable& table) {
  std::vector<int32_t> answers, labels;
  std::string shown;
  constexpr size_t kShown = 20;
  json["predictions"] = Json::array();
  for (size_t i = 0; i < predictions.size(); ++i) {
    const bool answered = predictions[i] != kNoPrediction;
    json["predictions"].push_back(answered ? Json(predictions[i]) : Json());
    if (i < kShown) shown += answered ? fmt::format("{} ", predictions[i]) : "- ";
    if (!answered) continue;
    answers.push_back(predictions[i]);
    if (command.images.labelled()) labels.push_back(images.labels[i]);
  }
  if (predictions.size() > kShown) shown += "... (all with --json)";
  if (command.images.labelled()) {
    json["accuracy"] = AccuracyPercent(answers, labels);
    table.Add("accuracy", fmt::format("{:.2f} % of {} images", json["accuracy"].get<double>(), answers.size()));
  }
  table.Add("predictions", shown);
}

// The named figure of every pass, a median over passes, an image.
double PerImage(const InferenceResult& result, int64_t images, double PassTiming::*figure) {
  std::vector<double> values;
  for (const PassTiming& pass : result.passes) values.push_back(pass.*figure / static_cast<double>(images));
  return Median(std::move(values));
}

bool AnyOutput(const std::vector<std::vector<int64_t>>& outputs) {
  return std::ranges::any_of(outputs, [](const std::vector<int64_t>& segment) {
    return std::ranges::any_of(segment, [](int64_t y) { return y != kNoOutput; });
  });
}

absl::Status WriteOutputs(const std::string& path, const std::vector<std::vector<int64_t>>& outputs) {
  ByteWriter w;
  for (const auto& segment : outputs) {
    for (const int64_t y : segment) w.U64(static_cast<uint64_t>(y));
  }
  return WriteFile(path, w.view());
}

// The network to compare with, and `options` set to run it; nothing without a path.
absl::StatusOr<std::optional<Executor>> LoadPlain(const std::string& path, InferenceOptions& options) {
  if (path.empty()) return std::optional<Executor>();
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadOnnx(path));
  PRIVDNN_ASSIGN_OR_RETURN(Executor executor, Executor::Create(graph));
  options.plain_input = graph.inputs[0].name;
  options.plain_output = graph.outputs[0].name;
  return std::optional<Executor>(std::move(executor));
}

// Times, messages and shares of a whole run.
void AddFigures(const InferenceSetup& setup, const InferenceResult& result, const std::vector<RankShare>& shares,
                Json& json, FactTable& table) {
  const int64_t images = setup.images.count;
  const auto count = static_cast<uint64_t>(images);
  json["user_encrypted_ms_per_image"] = PerImage(result, images, &PassTiming::encrypted);
  json["user_encrypted_cpu_ms_per_image"] = PerImage(result, images, &PassTiming::encrypted_cpu);
  json["user_plain_ms_per_image"] = PerImage(result, images, &PassTiming::rest);
  json["owner_ms_per_image"] = PerImage(result, images, &PassTiming::owner);
  if (setup.options.plain) {
    json["plain_ms_per_image"] = PerImage(result, images, &PassTiming::plain);
    json["plain_predictions"] = result.plain;
    table.Add("an image, whole network in plaintext", FormatMilliseconds(json["plain_ms_per_image"].get<double>()));
  }
  json["wall_ms_per_image"] = PerImage(result, images, &PassTiming::wall);
  json["bytes_up"] = result.bytes_up;
  json["bytes_down"] = result.bytes_down;
  json["bytes_up_per_image"] = result.bytes_up / count;
  json["bytes_down_per_image"] = result.bytes_down / count;
  json["peak_rss_bytes_user"] = PeakRssBytes();
  for (size_t rank = 0; rank < shares.size(); ++rank) {
    const RankShare& share = shares[rank];
    json["ranks"].push_back({{"rank", rank}, {"host", share.host}, {"images", share.images}, {"ms", share.ms}});
    table.Add(fmt::format("rank {} ({})", rank, share.host),
              fmt::format("{} images in {}", share.images, FormatMilliseconds(share.ms)));
  }
  const auto ms = [&](const char* field) { return FormatMilliseconds(json[field].get<double>()); };
  table.Add("an image, user", fmt::format("{} encrypted part, {} rest of the network",
                                          ms("user_encrypted_ms_per_image"), ms("user_plain_ms_per_image")));
  table.Add("an image, owner", ms("owner_ms_per_image"));
  table.Add("an image, network", fmt::format("{} up, {} down", FormatBytes(result.bytes_up / count),
                                             FormatBytes(result.bytes_down / count)));
}

// What was found out. Figures of time and messages are of whole passes, so only of what didn't end early.
CommandOutput Report(const InferCommand& command, const InferenceSetup& setup, const OwnerTerms& terms,
                     const InferenceResult& result, const std::vector<RankShare>& shares) {
  const ImageSet& images = setup.images;
  CommandOutput output{Describe(command, setup.user, images), "", !result.ended.ok()};
  FactTable table(fmt::format("private inference with {}{}", command.owner, output.failed ? ", ended early" : ""));
  Json& json = output.json;
  json["batch"] = setup.options.batch;
  json["repeats"] = setup.options.repeats;
  if (output.failed) {
    const int64_t answered = CountAnswered(result);
    spdlog::error("{}; {} of {} images have a prediction", Message(result.ended), answered, images.count);
    json["error"] = Message(result.ended);
    json["images_answered"] = answered;
    table.Add("answered", fmt::format("{} of {} images", answered, images.count));
  } else {
    AddFigures(setup, result, shares, json, table);
  }
  json["images_remaining"] = result.images_remaining;
  json["output_noise"] = terms.output_noise;
  table.Add("left of the budget", fmt::format("{} images", result.images_remaining));
  table.Add("outputs of encrypted neurons",
            terms.output_noise > 0
                ? fmt::format("perturbed by the owner, errors of deviation {:.4g}", terms.output_noise)
                : "exact, as the owner says");
  AddPredictions(command, images, result.predictions, json, table);
  output.text = table.Render();
  return output;
}

absl::StatusOr<CommandOutput> InferOnline(const InferCommand& command, const User& user, const RestNetwork& rest,
                                          const ImageSet& images, Ranks* ranks) {
  PRIVDNN_ASSIGN_OR_RETURN(const TlsFiles tls, LoadUserTls(command.tls, command.user));
  InferenceOptions options = command.options;
  ClientOptions client_options;
  options.deadline = std::chrono::seconds(command.deadline_s);
  options.outputs = !command.outputs.empty();
  if (options.repeats > 1) client_options.window = 1;
  PRIVDNN_ASSIGN_OR_RETURN(Client client, Client::Connect(command.owner, tls, client_options));
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerTerms terms, AskTerms(user, client, command.owner));
  options.batch = std::min(options.batch, terms.most_images);
  if (terms.output_noise > 0) {
    spdlog::warn("the owner perturbs its replies: outputs have errors of deviation {:.4g}, results are not exact",
                 terms.output_noise);
  }
  // A budget that ends on the way would have been spent for nothing.
  const auto needed = static_cast<uint64_t>(images.count) * static_cast<uint64_t>(options.repeats);
  if ((ranks == nullptr || ranks->rank() == 0) && terms.images_remaining && needed > *terms.images_remaining) {
    const std::string hint = *terms.images_remaining > 0 ? ": --limit takes fewer" : "";
    return FailedPrecondition("{} images are left of the package's budget, {} were to be asked{}",
                              *terms.images_remaining, needed, hint);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto plain, LoadPlain(command.plain_model, options));
  options.plain = plain ? &*plain : nullptr;
  const InferenceSetup setup{user, rest, client, images, options};
  if (ranks != nullptr && ranks->rank() > 0) {
    PRIVDNN_RETURN_IF_ERROR(ServeInference(*ranks, setup));
    return CommandOutput{};
  }
  const ProgressFn progress =
      MakeProgress(std::make_shared<ProgressBar>(fmt::format("private inference, {} images", needed)));
  InferenceResult result;
  std::vector<RankShare> shares;
  if (ranks != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(result, InferOnRanks(*ranks, setup, progress, shares));
  } else {
    result = InferWithOwner(user, rest, client, images, options, progress);
  }
  // Outputs of the first segments may have been paid for although no image got through all of them.
  if (AnyOutput(result.outputs)) PRIVDNN_RETURN_IF_ERROR(WriteOutputs(command.outputs, result.outputs));
  if (CountAnswered(result) == 0) PRIVDNN_RETURN_IF_ERROR(result.ended);
  return Report(command, setup, terms, result, shares);
}

absl::StatusOr<CommandOutput> Infer(const InferCommand& command, Ranks* ranks) {
  if (!command.offline && (command.owner.empty() || command.tls.empty())) {
    return WrongUsage(
        "--owner and --tls are needed (or --offline, to see what the package is worth without the owner)");
  }
  if (ranks != nullptr && (command.offline || command.options.repeats > 1 || !command.plain_model.empty())) {
    return WrongUsage("--offline, --repeats and --compare-with are for one process; leave out mpirun");
  }
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.images.Load());
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(command.package));
  SetExecutorThreads(command.options.threads);
  PRIVDNN_ASSIGN_OR_RETURN(const RestNetwork rest, RestNetwork::Create(package));
  malloc_trim(0);  // the model as it was read, before as much again is needed for the kernels
  PRIVDNN_RETURN_IF_ERROR(CheckImages(images, rest));
  PRIVDNN_ASSIGN_OR_RETURN(const User user, User::Create(std::move(package), command.options.threads));
  if (!command.offline) return InferOnline(command, user, rest, images, ranks);
  const auto scores = [&](Tensor batch) { return rest.WithoutOwner(std::move(batch)); };
  PRIVDNN_ASSIGN_OR_RETURN(const auto predictions, Predict(images, command.options.batch, scores,
                                                           Evaluating("without the owner", images.count)));
  CommandOutput output{Describe(command, user, images), ""};
  FactTable table("inference without the owner: zeros for every encrypted output");
  AddPredictions(command, images, predictions, output.json, table);
  output.text = table.Render();
  return output;
}

}  // namespace

void AddInfer(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "infer", "Classify images privately (the user's side)",
                 "privdnn infer --package alice.privdnn --owner owner.example.org:7070 --tls tls --user alice "
                 "--images t10k-images-idx3-ubyte");
  const auto o = std::make_shared<InferCommand>();
  command->add_option("--package", o->package, "package file from the owner")->required();
  command->add_option("--owner", o->owner, "host:port of the owner's server");
  command->add_option("--tls", o->tls, "directory with ca.crt, NAME.crt and NAME.key");
  command->add_option("--user", o->user, "NAME of the user's certificate")->capture_default_str();
  o->images.Add(command);
  command->add_option("--batch", o->options.batch, "images a message, at most; also bounded by what the owner takes")
      ->check(CLI::Range(1, static_cast<int>(kMaxImagesPerMessage)))
      ->capture_default_str();
  command
      ->add_option("--repeats", o->options.repeats,
                   "evaluate everything so often and report medians; counts towards the budget")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--deadline", o->deadline_s, "seconds for all images, from the first query on")
      ->check(CLI::Range(1, 365 * 24 * 3600))
      ->capture_default_str();
  command->add_option(
      "--outputs", o->outputs,
      "file for the decrypted integers: 64-bit little-endian, for each segment [image][output][position]; -2^63 for "
      "what the owner didn't answer");
  command->add_option("--compare-with", o->plain_model,
                      "ONNX model to run in plaintext beside it, with its time and predictions in the JSON");
  command->add_flag("--offline", o->offline, "without the owner: what the plaintext part alone is worth");
  AddThreads(command, o->options.threads);
  command->callback([o, &action] { action = [o] { return OnRanks([o](Ranks* ranks) { return Infer(*o, ranks); }); }; });
}

}  // namespace privdnn
