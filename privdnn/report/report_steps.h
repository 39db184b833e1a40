// The steps of a privacy report: the command of each, with its options for each effort.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/report/results.h"

namespace privdnn {

// The resources that the attackers get.
struct Effort {
  int64_t samples;  // labelled images to train with, from a data set
  int64_t scratch_epochs, recover_epochs;
  int64_t inverted, inversion_steps;  // images and steps of the search
  int64_t decoder_epochs;             // for a network that turns features into images; 0: none
  int64_t judged;                     // least number of images on which clones are judged
  int64_t evaluated;                  // images for A_o, A_s and A_r; 0: all
  std::string noise;                  // shares of outputs' deviation, in the form for attack extract
  // For the networks of two users, from a data set; images 0: all.
  int64_t obfuscation_images, obfuscation_epochs;
};

struct ReportInput {
  std::string model, selection;            // as given by the user; empty: the embedded ones
  std::vector<std::string> model_options;  // that say what the model's input and output are
  std::string compact_selection;           // the same core neurons as text
  std::string data_set, data;              // empty: the embedded images
  Effort effort;
  std::optional<uint64_t> image_budget;
  std::optional<uint64_t> seed;
  int threads = 1;
  std::filesystem::path files;  // where steps find what earlier steps made

  bool embedded_images() const { return data_set.empty() && data.empty(); }
  // Returns the known data set that the images come from.
  std::string images_of() const { return data_set.empty() ? "mnist" : data_set; }
};

struct ReportStep {
  std::string name, title;
  std::string part;         // its name for --skip
  bool required = false;    // without its result there is no report
  bool checkpoint = false;  // takes --checkpoint
  bool picture = false;     // takes --out for a PNG
  bool trains = false;      // on a data set; the embedded images are not one
  // The file in ReportInput::files that this step writes, as secret as the model, and the files there that it reads.
  // Such files serve only later steps and are removed when the report is complete.
  std::string makes = {};
  std::vector<std::string> takes = {};
  // Returns the arguments after the program's name, without --json. `before` holds the results of earlier steps.
  std::function<std::vector<std::string>(const ReportInput& input, const Results& before)> arguments = {};
};

// Returns the steps in the order in which they run. To add a step, add an entry here, and its figures in
// report/privacy_report.cc.
const std::vector<ReportStep>& ReportSteps();

// Returns the efforts by the names that --effort takes.
const std::map<std::string, Effort>& Efforts();

}  // namespace privdnn
