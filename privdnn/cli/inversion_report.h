// What `attack invert` found, as JSON, as a table and as pictures.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "privdnn/attack/inversion.h"
#include "privdnn/cli/command.h"

namespace privdnn {

// One way to look for images in one thing that the owner sees, and what came of it.
struct Reconstruction {
  std::string view, what;  // its name, and in words
  std::string method;
  bool query;          // the view is that of queries
  Tensor images;       // (N, C, H, W)
  double seconds = 0;  // that the method took
};

struct InversionReport {
  Tensor originals;  // (N, C, H, W)
  // Blind guesses: some of the attacker's own images, and (1, C, H, W) the mean of all of them.
  Tensor attackers, mean_image;
  std::vector<Reconstruction> reconstructions;  // view by view, the methods in the same order in each
};

// A reconstruction's scores beside others, with intervals.
struct JudgedReconstruction {
  std::string view, what, method;
  double seconds = 0;
  Scores scores = {};
  Advantage over_one = {}, over_mean = {};  // blind guesses
  // Of queries: over reconstructions from other images' queries.
  std::optional<Advantage> over_others = {};

  // Than both blind guesses.
  bool better() const { return over_one.better() && over_mean.better(); }
};

struct JudgedInversion {
  Scores one_image, mean_image;  // of blind guesses
  double confidence = 0;         // of each interval
  double joint = 0;  // of each that decides about queries, so that all of them hold together with the former
  std::vector<JudgedReconstruction> reconstructions;

  // Whether reconstructions from queries are, as a whole, neither nearer to their images than others' are nor further:
  // they should not differ.
  bool query_equals_guess() const;
};
JudgedInversion Judge(const InversionReport& report);

// Adds "confidence", "one_image", "mean_image", "reconstructions", "query_equals_guess".
void AddInversion(const JudgedInversion& judged, Json& json);
std::string InversionText(const JudgedInversion& judged, const std::string& title);

// PNG file with a row for each method of each of the first `count` images: the original, then what the method made of
// each view.
absl::Status WritePictures(const InversionReport& report, int64_t count, const std::string& file);

}  // namespace privdnn
