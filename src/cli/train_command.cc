#include <spdlog/spdlog.h>

#include "base/file.h"
#include "cli/inputs.h"
#include "nn/architectures.h"
#include "nn/executor.h"
#include "nn/onnx.h"
#include "nn/train.h"

namespace privdnn::cli {
namespace {

// Images at the end of the training set that choose the epoch; the test set is never used for that.
constexpr int64_t kValidationImages = 5000;

struct TrainCommand {
  std::string architecture = "lenet5-mnist", data, out, checkpoint;
  nn::TrainOptions options;
  bool no_augmentation = false;
};

absl::StatusOr<CommandOutput> Train(TrainCommand command) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(command.data));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet all, nn::LoadDataSet("mnist", root, nn::Split::kTrain));
  PRIVDNN_ASSIGN_OR_RETURN(const nn::ImageSet test, nn::LoadDataSet("mnist", root, nn::Split::kTest));
  if (all.count <= kValidationImages) {
    return InvalidArgument("{}: {} training images, more than {} are needed", root, all.count, kValidationImages);
  }
  PRIVDNN_ASSIGN_OR_RETURN(const nn::Graph initial, nn::BuildArchitecture(command.architecture, command.options.seed));
  nn::TrainOptions options = command.options;
  options.augment = !command.no_augmentation;
  options.checkpoint = command.checkpoint;
  options.on_epoch = [&](const nn::EpochReport& e) {
    spdlog::info("epoch {:3} of {}: loss {:.4f}, validation accuracy {:.2f} %", e.epoch, options.epochs, e.train_loss,
                 e.validation_accuracy);
  };
  nn::SetExecutorThreads(options.threads);
  const int64_t train_images = all.count - kValidationImages;
  PRIVDNN_ASSIGN_OR_RETURN(const nn::TrainResult result,
                           nn::Train(initial, all.Slice(0, train_images), all.Slice(train_images, all.count), options,
                                     MakeProgress(std::make_shared<ProgressBar>("training"))));
  PRIVDNN_ASSIGN_OR_RETURN(const double accuracy, nn::Accuracy(result.graph, test));
  PRIVDNN_RETURN_IF_ERROR(nn::SaveOnnx(result.graph, command.out));
  CommandOutput output;
  output.json = {{"architecture", command.architecture},
                 {"model", command.out},
                 {"epochs", result.epochs.size()},
                 {"seed", options.seed},
                 {"training_images", train_images},
                 {"validation_images", kValidationImages},
                 {"validation_accuracy", result.validation_accuracy},
                 {"test_images", test.count},
                 {"test_accuracy", accuracy}};
  output.text = fmt::format("{}: {:.2f} % of {} test images right ({:.2f} % of {} validation images)\n", command.out,
                            accuracy, test.count, result.validation_accuracy, kValidationImages);
  return output;
}

}  // namespace

void AddTrain(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "train", "Train a network of the paper on the user's own data files",
                             "privdnn train --arch lenet5-mnist --data ~/data --out model.onnx");
  const auto o = std::make_shared<TrainCommand>();
  command->add_option("--arch", o->architecture, "architecture")
      ->check(CLI::IsMember(nn::ArchitectureNames()))
      ->capture_default_str();
  command->add_option("--data", o->data, "data root that holds mnist/; default: PRIVDNN_DATA");
  command->add_option("--out", o->out, "ONNX file to write")->required();
  command->add_option("--epochs", o->options.epochs, "passes over the training images")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--batch", o->options.batch, "images a step")->check(CLI::Range(1, 65536))->capture_default_str();
  command->add_option("--learning-rate", o->options.learning_rate, "highest learning rate of Adam")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--weight-decay", o->options.weight_decay, "weight decay")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", o->options.seed, "of initial weights, order and augmentation")->capture_default_str();
  command->add_flag("--no-augmentation", o->no_augmentation, "train on the images as they are");
  command->add_option("--checkpoint", o->checkpoint,
                      "file for the state of an unfinished training; the same command goes on from it");
  AddThreads(command, o->options.threads);
  command->callback([o, &action] { action = [o] { return Train(*o); }; });
}

}  // namespace privdnn::cli
