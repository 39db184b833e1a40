#include "privdnn/cli/bench_infer.h"

#include "privdnn/cli/plan_options.h"
#include "privdnn/cli/two_parties_json.h"

namespace privdnn {

void BenchModel::AddOptions(CLI::App* command) {
  model.AddOption(command);
  Add(command, "--select,--selection");
  command->add_option("--images", images, "run this many images")->check(CLI::Range(1, 100000))->capture_default_str();
  command
      ->add_option("--data-set", input.data_set,
                   "use this data set's test images; default: random pixels, or MNIST's with the embedded model")
      ->check(CLI::IsMember(DataSetNames()));
  command->add_option("--data", input.data, "find it in this data root; default with --data-set: PRIVDNN_DATA")
      ->type_name(kFolder);
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

absl::StatusOr<BenchRun> BenchInfer(const BenchModel& model, TwoPartyOptions options) {
  PRIVDNN_ASSIGN_OR_RETURN(options.plan, OnThisMachine(options.plan));
  PRIVDNN_ASSIGN_OR_RETURN(const BenchModel::Loaded loaded, model.LoadAll());
  PRIVDNN_ASSIGN_OR_RETURN(TwoPartyResult run, RunTwoParties(loaded.graph, loaded.selection, loaded.images, options));
  PRIVDNN_RETURN_IF_ERROR(CheckAgreement(run));
  return BenchRun{model.architecture, model.percent,   loaded.weights, loaded.pixels,
                  loaded.labelled,    options.repeats, std::move(run)};
}

Json BenchInferJson(const BenchRun& bench) {
  const InferenceReport::Figures& figures = bench.run.figures();
  Json json = TwoPartyJson(bench.run);
  if (!bench.architecture.empty()) json["architecture"] = bench.architecture;
  if (bench.percent) json["percent"] = bench.percent;
  json["weights"] = bench.weights;
  json["pixels"] = bench.pixels;
  if (bench.labelled) AddAccuracies(bench.run, json);
  json["repeats"] = bench.repeats;
  json["batch"] = bench.run.online().batch;
  json["encrypted_over_plaintext"] = figures.user_encrypted_ms / figures.plain->ms;
  return json;
}

}  // namespace privdnn
