// Turns figures into plain words.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// Says what the encryption protects and what it doesn't, based only on the steps that have results: a step without a
// result gives no sentence. Two accuracies differ if their difference exceeds the 99 % margin for that many images
// (normal approximation, as if they were independent, which is conservative for the same images). Throws
// Json::exception if a result doesn't have the fields that its command prints.
std::vector<Sentence> Verdict(const Results& results);

// Says what no step of this report can show, and which steps are missing.
std::vector<std::string> NotSaid(const Results& results);

// Returns half the width, in points, of a 99 % interval of the difference of two accuracies in percent, each measured
// on `images` images.
double DifferenceMargin(double a, double b, double images);

// Returns whether a is below or above b by more than that margin.
enum class Compared { kBelow, kSame, kAbove };
Compared Compare(double a, double b, double images);

}  // namespace privdnn
