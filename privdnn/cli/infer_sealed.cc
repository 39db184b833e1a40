#include "privdnn/cli/infer_sealed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "privdnn/base/file.h"
#include "privdnn/data/arrays.h"
#include "privdnn/pipeline/inference_report.h"
#include "privdnn/pipeline/sealed_inference.h"
#include "privdnn/report/table.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

struct Answers {
  std::vector<int32_t> labels;
  std::vector<float> scores;  // [image][class]; empty unless the package reveals them
  uint64_t bytes_up = 0, bytes_down = 0, messages = 0, images_remaining = 0;
  double owner_ms = 0;
  absl::Status ended;  // why not all images have an answer
};

Answers AskAll(const SealedUser& user, OwnerTransport& owner, const ImageSet& images, const SealedQuestion& question) {
  Answers answers;
  const auto end = std::chrono::steady_clock::now() + question.deadline;
  const double unit = std::ldexp(1.0, -user.program().values.back().exponent);
  answers.ended = InBatches(
      images.count, std::min<int64_t>(question.batch, kMaxImagesPerMessage),
      MakeProgress(std::make_shared<ProgressBar>(fmt::format("sealed inference, {} images", images.count))),
      [&](int64_t first, int64_t last) -> absl::Status {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() < 1) return absl::DeadlineExceededError("the deadline has passed");
        PRIVDNN_ASSIGN_OR_RETURN(const SealedUser::Asked asked, user.Ask(owner, images.Batch(first, last), left));
        answers.bytes_up += asked.bytes_up;
        answers.bytes_down += asked.bytes_down;
        answers.messages += asked.messages;
        answers.owner_ms += asked.owner_ms;
        answers.images_remaining = asked.images_remaining;
        for (const uint32_t label : asked.answer.labels) answers.labels.push_back(static_cast<int32_t>(label));
        if (asked.answer.scores.empty()) return absl::OkStatus();
        const size_t classes = asked.answer.scores.size() / static_cast<size_t>(last - first);
        for (auto row = asked.answer.scores.begin(); row != asked.answer.scores.end();
             row += static_cast<std::ptrdiff_t>(classes)) {
          const auto row_end = row + static_cast<std::ptrdiff_t>(classes);
          answers.labels.push_back(static_cast<int32_t>(std::max_element(row, row_end) - row));
          std::transform(row, row_end, std::back_inserter(answers.scores),
                         [&](int32_t v) { return static_cast<float>(v * unit); });
        }
        return absl::OkStatus();
      });
  return answers;
}

absl::Status WriteSealedScores(const std::string& path, const Answers& answers) {
  const auto images = static_cast<int64_t>(answers.labels.size());
  const Tensor rows{{images, std::ssize(answers.scores) / images}, answers.scores};
  const std::string extension = std::filesystem::path(path).extension();
  if (extension == ".npy") return WriteFile(path, WriteNumpy(rows));
  if (extension == ".csv") return WriteTextFile(path, WriteTable(rows));
  Json json = Json::array();
  const auto columns = static_cast<size_t>(rows.dim(1));
  for (size_t i = 0; i < rows.values.size(); i += columns) {
    json.push_back(std::vector<float>(rows.values.begin() + static_cast<std::ptrdiff_t>(i),
                                      rows.values.begin() + static_cast<std::ptrdiff_t>(i + columns)));
  }
  return WriteTextFile(path, json.dump() + "\n");
}

}  // namespace

absl::StatusOr<CommandOutput> InferSealed(Package package, OwnerTransport& owner, const SealedQuestion& question) {
  const std::string id = HexEncode(package.id());
  const uint64_t bytes = package.size();
  PRIVDNN_ASSIGN_OR_RETURN(const SealedUser user, SealedUser::Create(std::move(package), question.threads));
  if (!question.scores.empty() && user.program().reveal != Reveal::kScores) {
    return InvalidArgument("--scores: the owner reveals labels alone (encrypt --reveal scores)");
  }
  ImageSet images = *question.images;
  PRIVDNN_RETURN_IF_ERROR(FitInputs(user.image_shape(), images));
  const auto start = std::chrono::steady_clock::now();
  const Answers answers = AskAll(user, owner, images, question);
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (answers.labels.empty()) PRIVDNN_RETURN_IF_ERROR(answers.ended);

  const auto answered = static_cast<double>(answers.labels.size());
  CommandOutput output;
  output.json = {{"mode", "sealed"},
                 {"reveal", user.program().reveal == Reveal::kLabel ? "label" : "scores"},
                 {"images", images.count},
                 {"threads", question.threads},
                 {"package_id", id},
                 {"package_bytes", bytes},
                 {"predictions", answers.labels},
                 {"wall_ms_per_image", ms / answered},
                 {"owner_ms_per_image", answers.owner_ms / answered},
                 {"bytes_up_per_image", static_cast<double>(answers.bytes_up) / answered},
                 {"bytes_down_per_image", static_cast<double>(answers.bytes_down) / answered},
                 {"messages", answers.messages},
                 {"images_remaining", answers.images_remaining}};
  FactTable table(fmt::format("sealed inference with {}{}", question.owner, answers.ended.ok() ? "" : ", ended early"));
  if (question.labelled) {
    const double accuracy = AccuracyPercent(answers.labels, images.labels);
    output.json["accuracy"] = accuracy;
    table.Add("accuracy", fmt::format("{:.2f} % of {} images", accuracy, answers.labels.size()));
  }
  table.Add("an image", FormatMilliseconds(ms / answered));
  table.Add("messages",
            fmt::format("{} up, {} down an image; {} in all",
                        FormatBytes(static_cast<uint64_t>(static_cast<double>(answers.bytes_up) / answered)),
                        FormatBytes(static_cast<uint64_t>(static_cast<double>(answers.bytes_down) / answered)),
                        answers.messages));
  table.Add("left of the budget", fmt::format("{} images", answers.images_remaining));
  constexpr size_t kShown = 20;
  const auto shown = std::span(answers.labels).first(std::min(kShown, answers.labels.size()));
  table.Add("predictions", fmt::format("{}{}", fmt::join(shown, " "),
                                       shown.size() < answers.labels.size() ? " ... (all with --json)" : ""));
  output.text = table.Render();
  if (!question.scores.empty()) output.not_written = WriteSealedScores(question.scores, answers);
  if (!answers.ended.ok()) {
    output.failed = true;
    output.json["error"] = Message(answers.ended);
    output.json["images_answered"] = answers.labels.size();
    spdlog::error("{}; {} of {} images have a prediction", Message(answers.ended), answers.labels.size(), images.count);
  }
  return output;
}

}  // namespace privdnn
