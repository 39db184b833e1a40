// Results as the commands print them, as far as reports read them.
#pragma once

#include <gmock/gmock.h>

#include "privdnn/report/results.h"

namespace privdnn {

MATCHER_P2(Says, tone, text, "") { return arg.tone == tone && arg.text.find(text) != std::string::npos; }

inline Json TestPlan(uint64_t budget) {
  return Json::parse(R"({"lattice_security_bits": 128, "statistical_security_bits": 43.5, "package_bytes": 9489942,
      "plaintext_model_bytes": 171150, "query_bytes_per_image": 53800, "reply_bytes_per_image": 1040,
      "images_to_reconstruct": 366, "images_to_reconstruct_first": 366, "images_to_recover_keys": 12,
      "images_to_recover_keys_by_lattice": 6, "images_that_keep_keys_safe": 0,
      "images_by_parameter_count": 13, "costs": {"measured_here": false, "cpu": "a processor"},
      "predicted": [{"images": 1, "user_encrypted_ms_per_image": 1.5, "owner_ms_per_image": 0.5,
                     "peak_rss_bytes_user": 1000, "peak_rss_bytes_owner": 2000}],
      "segments": [{"kind": "quadratic", "layers": [1, 2], "core_neurons": [2, 13], "neurons": [6, 16],
                    "images_to_reconstruct": 366,
                    "statistical_security_bits": 43.5, "ring_dimension": 4096, "log_q": 99.9, "plain_bits": 37}],
      "image_budget": )" +
                     std::to_string(budget) + "}");
}

inline Json TestEval(double original, double separated, double removed) {
  return {{"images", 5000},
          {"classes", 10},
          {"accuracy_original", original},
          {"accuracy_separated", separated},
          {"accuracy_without_core", removed}};
}

inline Json TestTraining(double reached, uint64_t images = 5000) {
  return {{"samples", 1000},
          {"epochs", 64},
          {"test_images", images},
          {"accuracy_original", 99.3},
          {"weights", 44426},
          {"weights_unknown", 2165},
          {"accuracy_after_training", reached}};
}

// The result for one segment. If `needed` is null, the images did not determine its kernels.
inline Json TestExtract(const Json& needed) {
  Json json = Json::parse(R"({"images_predicted": 366, "images_asked": 384, "kernel_mismatches": 0,
      "unknowns_per_output": 5851, "outputs_attacked": 13, "check_integers": 1664, "check_mismatches": 0,
      "clone_accuracy": 98.6, "clone_images": 500, "accuracy_separated": 98.5, "accuracy_without_core": 22.6,
      "curve": [{"images_used": 11, "clone_accuracy": 95.0}, {"images_used": 37, "clone_accuracy": 97.8}],
      "layers": [{"segment": 0, "known_neurons": [1], "first_layer_errors": [0.0001, 0],
                  "second_layer_errors": [0.001, 0.002]}]})");
  json["images_needed"] = needed;
  json["segments"] = {{{"segment", 0}, {"outputs", 13}, {"images_needed", needed}}};
  return json;
}

// One level of errors on outputs; `needed` and `as_noisy` are numbers of images, or null.
inline Json TestNoiseLevel(double share, double user, const Json& needed, const Json& as_noisy) {
  return {{"output_noise", 2 * share},
          {"shares_of_deviation", {share / 2, share}},
          {"user_accuracy", user},
          {"images_needed", share == 0 ? Json(366) : Json(nullptr)},
          {"images_to_noisy_accuracy", as_noisy},
          {"images_to_exact_accuracy", needed},
          {"images_tried", 500}};
}

// Like TestExtract(366), with levels of errors on outputs; a user without errors has 98.5 %.
inline Json TestNoise(const Json& levels) {
  Json json = TestExtract(366);
  json["within"] = 1.0;
  json["noise"] = levels;
  json["noise_left_out"] = Json::array();
  return json;
}

inline Json TestNoise() {
  return TestNoise({TestNoiseLevel(0, 98.5, 24, 24), TestNoiseLevel(0.1, 98.3, 30, 30),
                    TestNoiseLevel(0.316, 96.5, 120, 24), TestNoiseLevel(1, 72.2, nullptr, 12)});
}

inline Json TestObfuscated(double accuracy, bool kept) {
  return {{"training_images", 60000},
          {"epochs", 20},
          {"test_images", 5000},
          {"test_accuracy", accuracy},
          {"test_accuracy_original", 99.3},
          {"loss", kept ? 0.2 : 1.4},
          {"max_loss", 0.5},
          {"kept", kept}};
}

// The worth of stolen neurons, unchanged and after training.
inline Json TestTransplant(double before, double after, uint64_t images = 5000) {
  Json json = TestTraining(after, images);
  json["accuracy_original"] = 99.1;
  json["accuracy_without_core"] = 27.6;
  json["accuracy_before_training"] = before;
  return json;
}

inline Json TestInvert(bool query_equals_guess, bool features_better) {
  Json json = Json::parse(R"({"images": 24, "steps": 1000, "confidence": 0.99,
      "one_image": {"psnr_mean": 9.2, "ssim_mean": 0.11}, "mean_image": {"psnr_mean": 12.2, "ssim_mean": 0.12},
      "reconstructions": [{"view": "features", "method": "decoder", "psnr_mean": 17.2, "ssim_mean": 0.62,
                           "over_mean_image": {"ssim": {"low": 0.3, "high": 0.7}}},
                          {"view": "query", "method": "decoder", "psnr_mean": 7.6, "ssim_mean": -0.01,
                           "better_than_blind_guess": false,
                           "over_mean_image": {"ssim": {"low": -0.2, "high": -0.1}}}]})");
  json["query_equals_guess"] = query_equals_guess;
  json["reconstructions"][0]["better_than_blind_guess"] = features_better;
  json["reconstructions"][1]["equals_guess"] = query_equals_guess;
  return json;
}

inline Results TestResults(std::initializer_list<std::pair<const char*, Json>> steps) {
  Results results{"a report", {{"model", "a model"}}, {}};
  for (const auto& [name, json] : steps) results.steps.push_back({name, name, "privdnn " + std::string(name), 1, json});
  return results;
}

}  // namespace privdnn
