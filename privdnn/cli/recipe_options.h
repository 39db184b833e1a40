// Options of a command that trains: what replaces a recipe's own choices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "privdnn/cli/command.h"
#include "privdnn/torch/train.h"

namespace privdnn {

struct RecipeOptions {
  std::optional<int> epochs, half_size_epochs;
  std::optional<int64_t> batch, crop_padding;
  std::optional<double> learning_rate, warm_up, weight_decay, label_smoothing, averaging, flip, grayscale;
  std::optional<Optimizer> optimizer;
  std::optional<Precision> precision;
  // Every one of them, in a group with this heading.
  void Add(CLI::App* command, const std::string& group);
  // `options` with what was given.
  TrainOptions Apply(TrainOptions options) const;
};

// What a training is called while it runs: "training, 12 epochs of 55000 images".
std::string TrainingLabel(const std::string& name, int epochs, int64_t images);

// What decides the result of a training, for reports.
Json RecipeJson(const TrainOptions& options);

}  // namespace privdnn
