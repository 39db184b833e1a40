#include "privdnn/cli/bench_infer.h"

namespace privdnn {

void BenchModel::AddOptions(CLI::App* command) {
  model.AddOption(command);
  Add(command, "--select,--selection");
  command->add_option("--images", images, "how many images")->check(CLI::Range(1, 100000))->capture_default_str();
  command
      ->add_option("--data-set", input.data_set,
                   "whose test images; default: random pixels, with the embedded model MNIST's")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", input.data, "data root that holds it; default with --data-set: PRIVDNN_DATA");
}

absl::StatusOr<BenchModel::Loaded> BenchModel::LoadAll() const {
  Loaded loaded;
  PRIVDNN_ASSIGN_OR_RETURN(loaded.graph, Load());
  loaded.weights = architecture.empty() ? "of the model" : fmt::format("random, seed {}", seed);
  PRIVDNN_ASSIGN_OR_RETURN(loaded.selection, Select(loaded.graph));
  PRIVDNN_ASSIGN_OR_RETURN(loaded.images, Images(loaded.graph, input, images));
  loaded.labelled = HasImages(input);
  loaded.pixels = loaded.labelled ? "of the data" : fmt::format("random, seed {}", seed);
  return loaded;
}

absl::StatusOr<Json> BenchInfer(const BenchModel& model, const TwoPartyOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const BenchModel::Loaded loaded, model.LoadAll());
  PRIVDNN_ASSIGN_OR_RETURN(const TwoPartyResult result,
                           RunTwoParties(loaded.graph, loaded.selection, loaded.images, options));
  Json json = CommonJson(result, loaded.images);
  if (!model.architecture.empty()) json["architecture"] = model.architecture;
  if (model.percent) json["percent"] = model.percent;
  json["weights"] = loaded.weights;
  json["pixels"] = loaded.pixels;
  if (loaded.labelled) AddAccuracies(result, json);
  json["repeats"] = options.repeats;
  json["batch"] = result.user["batch"];
  json["encrypted_over_plaintext"] =
      json["user_encrypted_ms_per_image"].get<double>() / json["plain_ms_per_image"].get<double>();
  PRIVDNN_RETURN_IF_ERROR(CheckAgreement(result));
  return json;
}

}  // namespace privdnn
