// What `attack invert` found, as JSON, as a table and as pictures.
#pragma once

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

// Scores with intervals, into members of `json` ("one_image", "mean_image", "reconstructions", "query_equals_guess")
// and as a table with this title. Failed if reconstructions from queries are as a whole nearer to their images than
// others' are, or further: they should not differ.
CommandOutput Judge(const InversionReport& report, Json json, const std::string& title);

// PNG file with a row for each method of each of the first `count` images: the original, then what the method made of
// each view.
absl::Status WritePictures(const InversionReport& report, int64_t count, const std::string& file);

}  // namespace privdnn
