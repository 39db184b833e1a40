// infer: the user's side, on its own images.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "privdnn/base/file.h"
#include "privdnn/cli/infer_sealed.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/on_ranks.h"
#include "privdnn/cli/user_tls.h"
#include "privdnn/data/arrays.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/pipeline/answer_file.h"
#include "privdnn/pipeline/describe_inference.h"
#include "privdnn/pipeline/grpc_transport.h"
#include "privdnn/pipeline/ranked_inference.h"
#include "privdnn/pipeline/sealed_inference.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

struct InferCommand {
  std::string package, owner, tls, user = "user", outputs, scores, plain_model, resume;
  InputShape plain_shape;
  ImageInput images;
  InferenceOptions options;
  int threads = 1;
  int deadline_s = 3600;
  int64_t max_memory_mb = 0;  // 0: as much as the package explains
  bool offline = false;
};

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

// In the format that the path's extension names.
absl::Status WriteScores(const std::string& path, const InferenceReport& report) {
  const Tensor rows{{report.images, std::ssize(report.scores) / report.images}, report.scores};
  const std::string extension = std::filesystem::path(path).extension();
  if (extension == ".npy") return WriteFile(path, WriteNumpy(rows));
  if (extension == ".csv") return WriteTextFile(path, WriteTable(rows));
  return WriteTextFile(path, WriteInferenceReport(report).at("scores").dump() + "\n");
}

// The network to compare with; nothing without a path.
absl::StatusOr<std::optional<PlainNetwork>> LoadPlain(const InferCommand& command) {
  if (command.plain_model.empty()) return std::optional<PlainNetwork>();
  const ModelInput model{.path = command.plain_model, .shape = command.plain_shape};
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, model.Load());
  PRIVDNN_ASSIGN_OR_RETURN(PlainNetwork network, PlainNetwork::Create(graph));
  return std::optional<PlainNetwork>(std::move(network));
}

// The first rows of scores.
void AddScores(const InferenceReport& report, FactTable& table) {
  constexpr size_t kRows = 5, kColumns = 8;
  const size_t columns = report.scores.size() / static_cast<size_t>(report.images);
  for (size_t i = 0; i < std::min(kRows, static_cast<size_t>(report.images)); ++i) {
    const auto row = std::span(report.scores).subspan(i * columns, std::min(columns, kColumns));
    table.Add(fmt::format("{}, image {}", report.outputs, i),
              fmt::format("{:.4g}{}", fmt::join(row, " "), columns > kColumns ? " ..." : ""));
  }
  if (report.images > static_cast<int64_t>(kRows)) table.Add("...", "all with --json or --scores");
}

// Accuracy if there are labels, then the first predictions.
void AddPredictions(const InferenceReport& report, FactTable& table) {
  constexpr size_t kShown = 20;
  if (report.outputs != OutputKindName(OutputKind::kClasses)) return AddScores(report, table);
  std::string shown;
  for (size_t i = 0; i < std::min(report.predictions.size(), kShown); ++i) {
    const int32_t label = report.predictions[i];
    shown += label == kNoPrediction ? "- " : fmt::format("{} ", label);
  }
  if (report.predictions.size() > kShown) shown += "... (all with --json)";
  if (report.accuracy) {
    const auto without = std::ranges::count(report.predictions, kNoPrediction);
    table.Add("accuracy", fmt::format("{:.2f} % of {} images", *report.accuracy, report.images - without));
  }
  table.Add("predictions", shown);
}

// Times, messages and shares of a whole run.
void AddFigures(const InferenceReport& report, const InferenceReport::Figures& f, FactTable& table) {
  const auto count = static_cast<uint64_t>(report.images);
  if (f.plain) table.Add("an image, whole network in plaintext", FormatMilliseconds(f.plain->ms));
  for (size_t rank = 0; rank < f.ranks.size(); ++rank) {
    const RankShare& share = f.ranks[rank];
    table.Add(fmt::format("rank {} ({})", rank, share.host),
              fmt::format("{} images in {}", share.images, FormatMilliseconds(share.ms)));
  }
  table.Add("an image, user",
            fmt::format("{} encrypted part, {} rest of the network", FormatMilliseconds(f.user_encrypted_ms),
                        FormatMilliseconds(f.user_plain_ms)));
  table.Add("an image, owner", FormatMilliseconds(f.owner_ms));
  table.Add("an image, network",
            fmt::format("{} up, {} down", FormatBytes(f.bytes_up / count), FormatBytes(f.bytes_down / count)));
}

std::string OnlineText(const std::string& owner, const InferenceReport& report) {
  const InferenceReport::Online& online = *report.online;
  FactTable table(fmt::format("private inference with {}{}", owner, online.ended ? ", ended early" : ""));
  if (online.ended) {
    table.Add("answered", fmt::format("{} of {} images", online.ended->images_answered, report.images));
  } else {
    AddFigures(report, *online.figures, table);
  }
  table.Add("left of the budget", fmt::format("{} images", online.images_remaining));
  table.Add("outputs of encrypted neurons",
            online.output_noise > 0
                ? fmt::format("perturbed by the owner, errors of deviation {:.4g}", online.output_noise)
                : "exact, as the owner says");
  for (size_t k = 0; k < online.clamped.size(); ++k) {
    const auto& c = online.clamped[k];
    if (c.clamped == 0) continue;
    table.Add(fmt::format("inputs beyond the range of segment {}", k),
              fmt::format("{} of {} values, in {} images", c.clamped, c.values, c.images));
  }
  AddPredictions(report, table);
  return table.Render();
}

// Above this share of values, results are no longer those of the network.
constexpr double kMuchClamped = 0.001;

void WarnOfClamping(const InferenceReport::Online& online) {
  for (size_t k = 0; k < online.clamped.size(); ++k) {
    const auto& c = online.clamped[k];
    if (static_cast<double>(c.clamped) <= kMuchClamped * static_cast<double>(c.values)) continue;
    spdlog::warn(
        "segment {}: {} of {} values ({:.1f} %, in {} images) lay beyond the range that the owner calibrated and were "
        "clamped: predictions may be wrong; the owner should encrypt with images like these (encrypt --images)",
        k, c.clamped, c.values, 100.0 * static_cast<double>(c.clamped) / static_cast<double>(c.values), c.images);
  }
}

std::string OfflineText(const InferenceReport& report) {
  FactTable table("inference without the owner: zeros for every encrypted output");
  AddPredictions(report, table);
  return table.Render();
}

// An owner that is busy is waited for, and people are told.
ClientOptions WaitingForRoom() {
  ClientOptions options;
  options.on_busy = [](const std::string& why) { spdlog::warn("{}", why); };
  options.go_on = GoOn;
  return options;
}

absl::StatusOr<std::unique_ptr<OwnerTransport>> Connect(const InferCommand& command) {
  PRIVDNN_ASSIGN_OR_RETURN(const TlsFiles tls, LoadUserTls(command.tls, command.user));
  return GrpcTransport::Connect(command.owner, tls, WaitingForRoom());
}

absl::StatusOr<InferenceSession> OpenSession(const InferCommand& command, Package package, const ImageSet& images) {
  SetExecutorThreads(command.threads);
  std::unique_ptr<OwnerTransport> owner;
  if (!command.offline) {
    PRIVDNN_ASSIGN_OR_RETURN(owner, Connect(command));
  }
  auto session = InferenceSession::Open(std::move(package), std::move(owner),
                                        {.threads = command.threads,
                                         .images = &images,
                                         .max_value_bytes = static_cast<uint64_t>(command.max_memory_mb) << 20});
  if (!absl::IsOutOfRange(session.status())) return session;
  return absl::Status(session.status().code(), Message(session.status()) + "; --max-memory-mb allows more");
}

// A budget that ends on the way would have been spent for nothing.
absl::Status CheckBudget(const InferenceSession& session, int64_t images, int repeats) {
  const absl::Status status = session.CheckBudget(images, repeats);
  if (!absl::IsFailedPrecondition(status) || *session.terms().images_remaining == 0) return status;
  return absl::Status(status.code(), Message(status) + ": --limit takes fewer");
}

absl::StatusOr<CommandOutput> InferOnline(const InferCommand& command, InferenceSession& session,
                                          const ImageSet& images, Ranks* ranks) {
  InferenceOptions options = command.options;
  options.deadline = std::chrono::seconds(command.deadline_s);
  options.outputs = !command.outputs.empty();
  options.scores = !command.scores.empty() || session.rest().output_kind() != OutputKind::kClasses;
  if (session.terms().output_noise > 0) {
    spdlog::warn("the owner perturbs its replies: outputs have errors of deviation {:.4g}, results are not exact",
                 session.terms().output_noise);
  }
  const bool leads = ranks == nullptr || ranks->rank() == 0;
  std::optional<AnswerFile> answers;
  if (!command.resume.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(AnswerFile opened, AnswerFile::Open(command.resume, {session, images, options}));
    answers.emplace(std::move(opened));
    if (answers->answered() > 0) spdlog::info("{} images are answered in {}", answers->answered(), command.resume);
  }
  const int64_t missing = images.count - (answers ? answers->answered() : 0);
  if (leads) PRIVDNN_RETURN_IF_ERROR(CheckBudget(session, missing, options.repeats));
  PRIVDNN_ASSIGN_OR_RETURN(const auto plain, LoadPlain(command));
  options.plain = plain ? &*plain : nullptr;
  const InferenceSetup setup{session, images, options};
  if (!leads) {
    PRIVDNN_RETURN_IF_ERROR(ServeInference(*ranks, setup, GoOn));
    return CommandOutput{};
  }
  const ProgressFn progress = MakeProgress(
      std::make_shared<ProgressBar>(fmt::format("private inference, {} images", images.count * options.repeats)));
  InferenceResult result;
  std::vector<RankShare> shares;
  if (ranks != nullptr) {
    PRIVDNN_ASSIGN_OR_RETURN(result, InferOnRanks(*ranks, setup, progress, GoOn, shares));
  } else if (answers) {
    result = answers->Infer(progress);
  } else {
    result = session.Infer(images, options, progress);
  }
  // Outputs of the first segments may have been paid for although no image got through all of them.
  absl::Status written = AnyOutput(result.outputs) ? WriteOutputs(command.outputs, result.outputs) : absl::OkStatus();
  if (CountAnswered(result) == 0) {
    if (!written.ok()) spdlog::error("{}", Message(written));
    PRIVDNN_RETURN_IF_ERROR(result.ended);
  }
  const InferenceReport report =
      ReportOnline(session, options, result, std::move(shares), command.images.labelled() ? &images.labels : nullptr);
  if (!command.scores.empty()) written.Update(WriteScores(command.scores, report));
  WarnOfClamping(*report.online);
  if (const auto& ended = report.online->ended) {
    spdlog::error("{}; {} of {} images have a prediction", ended->error, ended->images_answered, report.images);
  }
  return CommandOutput{WriteInferenceReport(report), OnlineText(command.owner, report), !result.ended.ok(), written};
}

absl::StatusOr<CommandOutput> InferOffline(const InferCommand& command, const InferenceSession& session,
                                           const ImageSet& images) {
  if (const OutputKind kind = session.rest().output_kind(); kind != OutputKind::kClasses) {
    return InvalidArgument("{}: its network's outputs are {}; --offline is for classes", command.package,
                           OutputKindName(kind));
  }
  PRIVDNN_ASSIGN_OR_RETURN(
      auto predictions, session.Offline(images, command.options.batch, Evaluating("without the owner", images.count)));
  const InferenceReport report =
      ReportOffline(session, std::move(predictions), command.images.labelled() ? &images.labels : nullptr);
  return CommandOutput{WriteInferenceReport(report), OfflineText(report)};
}

// A sealed package has no outputs to keep, and no parts to answer one by one.
absl::StatusOr<CommandOutput> InferSealedPackage(const InferCommand& command, Package package, const ImageSet& images,
                                                 bool on_ranks) {
  if (on_ranks || command.offline || command.options.repeats > 1 || !command.plain_model.empty() ||
      !command.outputs.empty() || !command.resume.empty()) {
    return WrongUsage(
        "a sealed package goes without mpirun, --offline, --repeats, --compare-with, --outputs and --resume");
  }
  PRIVDNN_ASSIGN_OR_RETURN(const auto owner, Connect(command));
  SetExecutorThreads(command.threads);
  return InferSealed(std::move(package), *owner,
                     {.images = &images,
                      .labelled = command.images.labelled(),
                      .batch = command.options.batch,
                      .threads = command.threads,
                      .deadline = std::chrono::seconds(command.deadline_s),
                      .scores = command.scores,
                      .owner = command.owner});
}

absl::StatusOr<CommandOutput> Infer(const InferCommand& command, Ranks* ranks) {
  if (!command.offline && (command.owner.empty() || command.tls.empty())) {
    return WrongUsage(
        "--owner and --tls are needed (or --offline, to see what the package is worth without the owner)");
  }
  if (!command.resume.empty() &&
      (ranks != nullptr || command.offline || command.options.repeats > 1 || !command.plain_model.empty())) {
    return WrongUsage("--resume goes without mpirun, --offline, --repeats and --compare-with");
  }
  if (ranks != nullptr && (command.offline || command.options.repeats > 1 || !command.plain_model.empty())) {
    return WrongUsage("--offline, --repeats and --compare-with are for one process; leave out mpirun");
  }
  for (const std::string& file : {command.outputs, command.scores, command.resume}) {
    for (const std::string& name : {std::string("ca.crt"), command.user + ".crt", command.user + ".key"}) {
      const std::filesystem::path of_tls = std::filesystem::path(command.tls) / name;
      if (!command.tls.empty() && !file.empty() && IsSameFile(file, of_tls)) {
        return WrongUsage(fmt::format("{}: is a file of --tls, not to be replaced", file));
      }
    }
  }
  // Before answers are paid for; other ranks may be machines without this folder.
  for (const std::string& file : {command.outputs, command.scores}) {
    if (ranks == nullptr || ranks->rank() == 0) PRIVDNN_RETURN_IF_ERROR(CheckWritable(file));
  }
  PRIVDNN_RETURN_IF_ERROR(CheckWritable(command.resume));
  PRIVDNN_ASSIGN_OR_RETURN(const ImageSet images, command.images.Load());
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Open(command.package));
  if (SealedUser::Takes(package)) return InferSealedPackage(command, std::move(package), images, ranks != nullptr);
  auto opened = OpenSession(command, std::move(package), images);
  if (absl::IsInvalidArgument(opened.status()) && !command.images.given()) {
    return Annotate(opened.status(), "without --images, MNIST digits are asked");
  }
  PRIVDNN_ASSIGN_OR_RETURN(InferenceSession session, std::move(opened));
  if (!command.images.labels.empty()) {
    PRIVDNN_RETURN_IF_ERROR(Annotate(CheckClasses(session.rest().output_kind()), command.images.labels));
  }
  return command.offline ? InferOffline(command, session, images) : InferOnline(command, session, images, ranks);
}

}  // namespace

void AddInfer(CLI::App& app, Globals& globals, Action& action) {
  auto* command =
      AddCommand(app, globals, "infer", "Classify images privately, as the user",
                 "privdnn infer --package alice.privdnn --owner owner.example.org:7070 --tls tls --user alice "
                 "--images t10k-images-idx3-ubyte");
  const auto o = std::make_shared<InferCommand>();
  command->add_option("--package", o->package, "read the owner's package file")->type_name(kFile)->required();
  command->add_option("--owner", o->owner, "connect to the owner's server at this host:port");
  command->add_option("--tls", o->tls, "use ca.crt, NAME.crt and NAME.key in this directory")->type_name(kFolder);
  command->add_option("--user", o->user, "use the certificate of this NAME")->capture_default_str();
  o->images.Add(command);
  command
      ->add_option("--batch", o->options.batch,
                   "put at most this many images in a message; the owner may set a lower bound")
      ->check(CLI::Range(1, static_cast<int>(kMaxImagesPerMessage)))
      ->capture_default_str();
  command
      ->add_option("--repeats", o->options.repeats,
                   "evaluate everything this many times and report medians; each time counts towards the budget")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--deadline", o->deadline_s, "allow this many seconds for all images, from the first query on")
      ->check(CLI::Range(1, 365 * 24 * 3600))
      ->capture_default_str();
  command
      ->add_option("--outputs", o->outputs,
                   "write the decrypted integers to this file: 64-bit little-endian, for each segment "
                   "[image][output][position]; -2^63 where the owner didn't answer")
      ->type_name(kNewFile);
  command
      ->add_option("--resume", o->resume,
                   "keep answers in this file, after every few messages; the same command asks only for those that "
                   "are not in it")
      ->type_name(kNewFile);
  command
      ->add_option("--scores", o->scores,
                   "write the network's scores to this file, a row per image: .csv, .npy or .json. They are "
                   "probabilities where the network ends in a softmax or a sigmoid")
      ->type_name(kNewFile)
      ->check([](const std::string& path) {
        const std::string extension = std::filesystem::path(path).extension();
        const bool known = extension == ".csv" || extension == ".npy" || extension == ".json";
        return known ? std::string() : path + " must end in .csv, .npy or .json";
      });
  command
      ->add_option("--max-memory-mb", o->max_memory_mb,
                   "let the images of a message take this much memory in the plaintext part, in MiB; default: as much "
                   "as the package's size explains, at least 256")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  o->plain_shape.Add(
      command, command
                   ->add_option("--compare-with", o->plain_model,
                                "also run this ONNX model in plaintext; its time and predictions go into the JSON")
                   ->type_name(kFile));
  command->add_flag("--offline", o->offline, "run without the owner, to see what the plaintext part alone is worth");
  AddThreads(command, o->threads);
  command->callback([o, &action] { action = [o] { return OnRanks([o](Ranks* ranks) { return Infer(*o, ranks); }); }; });
}

}  // namespace privdnn
