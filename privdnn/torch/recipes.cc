#include "privdnn/torch/recipes.h"

#include "privdnn/graph/architectures.h"

namespace privdnn {
namespace {

// Augmentation with affine maps, Adam and an average of the weights, as for MNIST, but for eight thousand images.
Recipe LetterLenet() {
  TrainOptions options;
  options.epochs = 150;
  return {"emnist-letters13", options};
}

// Signs have sides, so that they are not mirrored.
Recipe Alexnet() {
  TrainOptions options;
  options.epochs = 12;
  options.batch = 64;
  options.learning_rate = 1e-3;
  options.warm_up = 0.1;
  options.averaging = 0.99;
  options.precision = Precision::kBfloat16;
  options.augmentation.grayscale = 0.1;
  return {"gtsrb", options};
}

// VGG16 and ResNet18: batch normalisation throughout takes high rates, and short schedules then do.
TrainOptions DeepNetwork() {
  TrainOptions options;
  options.optimizer = Optimizer::kSgd;
  options.learning_rate = 0.05;
  options.warm_up = 0.2;
  options.weight_decay = 5e-4;
  options.label_smoothing = 0.1;
  options.precision = Precision::kBfloat16;
  options.averaging = 0;
  options.augmentation = Augmentation::None();
  options.augmentation.flip = 0.5;
  options.augmentation.crop_padding = 4;
  return options;
}

Recipe Vgg16() {
  TrainOptions options = DeepNetwork();
  options.epochs = 14;
  return {"cifar10", options};
}

Recipe Resnet18() {
  TrainOptions options = DeepNetwork();
  options.epochs = 20;
  options.half_size_epochs = 16;
  options.batch = 64;
  options.augmentation.grayscale = 0.05;
  return {"tiny-imagenet", options};
}

}  // namespace

absl::StatusOr<Recipe> FindRecipe(const std::string& architecture) {
  if (architecture == "lenet5-mnist") return Recipe{"mnist", {}};
  if (architecture == "lenet5-emnist") return LetterLenet();
  if (architecture == "alexnet-gtsrb") return Alexnet();
  if (architecture == "vgg16-cifar10") return Vgg16();
  if (architecture == "resnet18-tinyimagenet") return Resnet18();
  return NotFound("architecture '{}' has no recipe (known: {})", architecture, fmt::join(ArchitectureNames(), ", "));
}

}  // namespace privdnn
