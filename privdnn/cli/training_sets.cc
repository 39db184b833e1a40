#include "privdnn/cli/training_sets.h"

#include "privdnn/cli/inputs.h"

namespace privdnn {

void AddHoldOut(CLI::App* command, int64_t& hold_out) {
  command
      ->add_option("--hold-out", hold_out,
                   "choose the epoch on the last N training images, and report on all test images; without it, half "
                   "of the test images choose and the other half reports")
      ->check(PositiveInt());
}

absl::StatusOr<TrainingSets> LoadTrainingSets(const std::string& name, const std::string& data, int64_t hold_out,
                                              int threads) {
  PRIVDNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(data));
  const LoadOptions options{threads, MakeProgress(std::make_shared<ProgressBar>("reading"))};
  TrainingSets sets;
  PRIVDNN_ASSIGN_OR_RETURN(sets.train, LoadDataSet(name, root, Split::kTrain, options));
  if (hold_out == 0) {
    PRIVDNN_ASSIGN_OR_RETURN(sets.validation, LoadDataSet(name, root, Split::kValidationHalf, options));
    PRIVDNN_ASSIGN_OR_RETURN(sets.test, LoadDataSet(name, root, Split::kTestHalf, options));
    return sets;
  }
  if (hold_out >= sets.train.count) {
    return InvalidArgument("{}: {} training images, of which {} cannot be held out", name, sets.train.count, hold_out);
  }
  auto [train, held_out] = SplitValidation(sets.train, hold_out);
  sets.train = std::move(train);
  sets.validation = std::move(held_out);
  PRIVDNN_ASSIGN_OR_RETURN(sets.test, LoadDataSet(name, root, Split::kTest, options));
  return sets;
}

}  // namespace privdnn
