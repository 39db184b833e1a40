// The steps of a privacy report: which command each is, with which options at which effort.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "privdnn/report/results.h"

namespace privdnn {

// How much the attackers get.
struct Effort {
  int64_t samples;  // labelled images to train with, of a data set
  int64_t scratch_epochs, recover_epochs;
  int64_t inverted, inversion_steps;  // images and steps of the search
  int64_t decoder_epochs;             // of a network that turns features into images; 0: none
  int64_t judged;                     // images that clones are judged by, at least
  int64_t evaluated;                  // images for A_o, A_s and A_r; 0: all
  std::string noise;                  // shares of outputs' deviation, as attack extract takes them
  // Of a data set, for the networks of two users; images 0: all.
  int64_t obfuscation_images, obfuscation_epochs;
};

struct ReportInput {
  std::string model, selection;   // as given; empty: the embedded ones
  std::string compact_selection;  // the same core neurons as text
  std::string data_set, data;     // empty: the embedded images
  Effort effort;
  std::optional<uint64_t> image_budget;
  std::optional<uint64_t> seed;
  int threads = 1;
  std::filesystem::path files;  // where steps find what earlier ones made

  bool embedded_images() const { return data_set.empty() && data.empty(); }
  // The known data set that the images are of.
  std::string images_of() const { return data_set.empty() ? "mnist" : data_set; }
};

struct ReportStep {
  std::string name, title;
  std::string part;         // what --skip calls it
  bool required = false;    // without its result there is no report
  bool checkpoint = false;  // takes --checkpoint
  bool picture = false;     // takes --out for a PNG
  bool trains = false;      // on a data set, which the embedded images are none of
  // A file in ReportInput::files that it writes, as secret as the model, and such files that it reads. They are there
  // for later steps alone and go when the report is complete.
  std::string makes = {};
  std::vector<std::string> takes = {};
  // The command line behind the program's name, without --json. `before`: what earlier steps found.
  std::function<std::vector<std::string>(const ReportInput& input, const Results& before)> arguments = {};
};

// In the order in which they run. A step more is an entry here, and its figures in report/privacy_report.cc.
const std::vector<ReportStep>& ReportSteps();

// By the names that --effort takes.
const std::map<std::string, Effort>& Efforts();

}  // namespace privdnn
