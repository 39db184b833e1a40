#include "privdnn/cli/recipe_options.h"

#include "privdnn/cli/choice.h"

namespace privdnn {
namespace {

const std::map<std::string, Optimizer> kOptimizers = {{"adam", Optimizer::kAdam}, {"sgd", Optimizer::kSgd}};
const std::map<std::string, Precision> kPrecisions = {{"float32", Precision::kFloat32},
                                                      {"bfloat16", Precision::kBfloat16}};

}  // namespace

void RecipeOptions::Add(CLI::App* command, const std::string& group) {
  const auto share = CLI::Range(0.0, 1.0);
  command->add_option("--epochs", epochs, "make this many passes over the training images")
      ->check(CLI::Range(1, 10000))
      ->group(group);
  command->add_option("--half-size-epochs", half_size_epochs, "train the first N of these on images of half the side")
      ->check(NonNegativeInt())
      ->group(group);
  command->add_option("--batch", batch, "use this many images per step")->check(CLI::Range(1, 65536))->group(group);
  AddChoice(command, "--optimizer", optimizer, "use adam, or sgd with Nesterov's momentum 0.9", kOptimizers)
      ->group(group);
  command->add_option("--learning-rate", learning_rate, "set the highest rate; it falls to 0 along a cosine")
      ->check(PositiveNumber())
      ->group(group);
  command->add_option("--warm-up", warm_up, "let it rise for this share of the steps")->check(share)->group(group);
  command->add_option("--weight-decay", weight_decay, "set the weight decay")->check(NonNegativeNumber())->group(group);
  command->add_option("--label-smoothing", label_smoothing, "spread this share of the target over all classes")
      ->check(share)
      ->group(group);
  command->add_option("--averaging", averaging, "keep an average of the weights with this decay; 0: no average")
      ->check(share)
      ->group(group);
  AddChoice(command, "--precision", precision, "set the precision of convolutions and products", kPrecisions)
      ->group(group);
  command->add_option("--crop-padding", crop_padding, "crop at random, with this many black pixels around the image")
      ->check(NonNegativeInt())
      ->group(group);
  command->add_option("--flip", flip, "mirror images with this probability")->check(share)->group(group);
  command->add_option("--grayscale", grayscale, "remove an image's colours with this probability")
      ->check(share)
      ->group(group);
}

TrainOptions RecipeOptions::Apply(TrainOptions options) const {
  const auto set = [](auto& option, const auto& given) {
    if (given.has_value()) option = *given;
  };
  set(options.epochs, epochs);
  set(options.half_size_epochs, half_size_epochs);
  set(options.batch, batch);
  set(options.optimizer, optimizer);
  set(options.learning_rate, learning_rate);
  set(options.warm_up, warm_up);
  set(options.weight_decay, weight_decay);
  set(options.label_smoothing, label_smoothing);
  set(options.averaging, averaging);
  set(options.precision, precision);
  set(options.augmentation.crop_padding, crop_padding);
  set(options.augmentation.flip, flip);
  set(options.augmentation.grayscale, grayscale);
  return options;
}

std::string TrainingLabel(const std::string& name, int epochs, int64_t images) {
  return fmt::format("{}, {} epochs of {} images", name, epochs, images);
}

Json RecipeJson(const TrainOptions& o) {
  const Augmentation& a = o.augmentation;
  return {{"epochs", o.epochs},
          {"half_size_epochs", o.half_size_epochs},
          {"patience", o.patience},
          {"batch", o.batch},
          {"optimizer", NameOf(kOptimizers, o.optimizer)},
          {"learning_rate", o.learning_rate},
          {"warm_up", o.warm_up},
          {"weight_decay", o.weight_decay},
          {"label_smoothing", o.label_smoothing},
          {"averaging", o.averaging},
          {"precision", NameOf(kPrecisions, o.precision)},
          {"shift_pixels", a.shift_pixels},
          {"rotation_degrees", a.rotation_degrees},
          {"log_scale", a.log_scale},
          {"shear", a.shear},
          {"crop_padding", a.crop_padding},
          {"flip", a.flip},
          {"grayscale", a.grayscale},
          {"seed", o.seed},
          {"threads", o.threads}};
}

}  // namespace privdnn
