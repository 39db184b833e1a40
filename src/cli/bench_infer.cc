#include "cli/bench_infer.h"

#include "nn/architectures.h"

namespace privdnn::cli {
namespace {

// The first `percent` of a layer's neurons, at least one. Which ones makes no difference to the cost.
std::vector<int64_t> FirstNeurons(const nn::Layer& layer, int percent) {
  std::vector<int64_t> neurons;
  for (int64_t i = 0; i < std::max<int64_t>(layer.neurons * percent / 100, 1); ++i) neurons.push_back(i);
  return neurons;
}

absl::StatusOr<nn::Selection> ChooseNeurons(const BenchModel& model, const nn::Graph& graph) {
  if (model.percent == 0)
    return LoadSelection(model.selection.empty() ? "1:0;2:0" : model.selection, model.model, graph);
  PRIVDNN_ASSIGN_OR_RETURN(const auto pair, nn::FindQuadraticPair(graph));
  return nn::Selection{{{pair.first.number, FirstNeurons(pair.first, model.percent)},
                        {pair.second.number, FirstNeurons(pair.second, model.percent)}}};
}

// Pixels from a seed, for networks whose data set is not at hand: cost does not depend on them.
nn::ImageSet RandomPixels(const std::vector<int64_t>& shape, int64_t count, uint64_t seed) {
  nn::ImageSet set;
  set.count = count;
  set.channels = shape[1];
  set.height = shape[2];
  set.width = shape[3];
  set.pixels.resize(static_cast<size_t>(count * set.channels * set.height * set.width));
  DeterministicRandom(seed).Fill(std::span<uint8_t>(set.pixels));
  set.labels.assign(static_cast<size_t>(count), 0);
  set.classes = 256;
  return set;
}

}  // namespace

void BenchModel::Add(CLI::App* command) {
  model.AddOption(command);
  command
      ->add_option("--arch", architecture,
                   "a network of the paper with random weights instead of --model: cost without training")
      ->check(CLI::IsMember(nn::ArchitectureNames()))
      ->excludes("--model");
  command->add_option("--seed", seed, "of random weights and pixels")->capture_default_str();
  auto* select =
      command->add_option("--select,--selection", selection, "core neurons: a file, or 1:0,3;2:5; default: 1:0;2:0");
  command->add_option("--percent", percent, "the first so many percent of the neurons of both layers around a square")
      ->check(CLI::Range(1, 100))
      ->excludes(select);
  command->add_option("--images", images, "how many images")->check(CLI::Range(1, 100000))->capture_default_str();
  command
      ->add_option("--data-set", input.data_set,
                   "whose test images; default: random pixels, with the embedded model MNIST's")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", input.data, "data root that holds it; default with --data-set: PRIVDNN_DATA");
}

absl::StatusOr<BenchModel::Loaded> BenchModel::Load() const {
  Loaded loaded;
  if (architecture.empty()) {
    PRIVDNN_ASSIGN_OR_RETURN(loaded.graph, model.Load());
    loaded.weights = "of the model";
  } else {
    PRIVDNN_ASSIGN_OR_RETURN(loaded.graph, nn::BuildArchitecture(architecture, seed));
    loaded.weights = fmt::format("random, seed {}", seed);
  }
  PRIVDNN_ASSIGN_OR_RETURN(loaded.selection, ChooseNeurons(*this, loaded.graph));
  if (input.given() || (architecture.empty() && model.path.empty())) {
    ImageInput limited = input;
    limited.limit = images;
    PRIVDNN_ASSIGN_OR_RETURN(loaded.images, limited.Load());
    loaded.pixels = "of the data";
    loaded.labelled = true;
  } else {
    loaded.images = RandomPixels(loaded.graph.inputs[0].shape, images, seed);
    loaded.pixels = fmt::format("random, seed {}", seed);
  }
  return loaded;
}

absl::StatusOr<Json> BenchInfer(const BenchModel& model, const TwoPartyOptions& options) {
  PRIVDNN_ASSIGN_OR_RETURN(const BenchModel::Loaded loaded, model.Load());
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

}  // namespace privdnn::cli
