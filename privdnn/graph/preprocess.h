// What a picture goes through before a network reads it, made part of the network.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "privdnn/graph/graph.h"

namespace privdnn {

// The input of a network as its training prepared it: x = (scale * pixel - mean) / deviation with pixels 0..255, as
// torchvision's ToTensor and Normalize compute it. The default is what every network here reads: pixel / 255, red,
// green, blue, (N, C, H, W).
struct Preprocessing {
  double scale = 1.0 / 255;
  // One number per channel of the network, in its order, or one for all channels. Empty: 0 and 1.
  std::vector<double> mean = {}, deviation = {};
  bool bgr = false;   // the network reads blue, green, red
  bool nhwc = false;  // the network reads (N, H, W, C)
  bool operator==(const Preprocessing&) const = default;
};

// Returns what the graph's metadata says of its input: "privdnn.scale" (a number, or a fraction such as 1/255),
// "privdnn.mean" and "privdnn.std" (numbers with commas between them), "privdnn.channels" (rgb or bgr) and
// "privdnn.layout" (nchw or nhwc). Fails with InvalidArgument, naming the entry, for any other value.
absl::StatusOr<Preprocessing> FindPreprocessing(const Graph& graph);
// Returns the same metadata for a network.
std::map<std::string, std::string> PreprocessingMetadata(const Preprocessing& preprocessing);
// Parse a number or a fraction ("1/255"), and numbers with commas between them. Fail with InvalidArgument.
absl::StatusOr<double> ParseFraction(const std::string& text);
absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& text);

// Returns a graph that reads pixel / 255 in red, green, blue and (N, C, H, W), and computes what `graph` computes on
// prepared inputs. An unpadded first convolution takes over what it can, so that an encrypted first layer still reads
// the pixels themselves; otherwise nodes at the front compute it. The graph's input keeps its name, and metadata on its
// input goes. Fails with InvalidArgument if a number is not finite, a deviation or the scale is not positive, if there
// are not as many numbers as channels, or if the graph has no single input of the layout's shape.
absl::StatusOr<Graph> WithPreprocessing(const Graph& graph, const Preprocessing& preprocessing);

}  // namespace privdnn
