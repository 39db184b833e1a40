// From figures to plain words.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// What the encryption protects and what it doesn't, by the steps that have results and by nothing else: a step without
// a result gives no sentence. Two accuracies differ if their difference is more than the 99 % margin of as many
// images (normal approximation, as if they were independent, which is on the safe side for the same images). Throws
// Json::exception if a result hasn't the fields that its command prints.
std::vector<Sentence> Verdict(const Results& results);

// What no step of this report can tell, and which steps are missing.
std::vector<std::string> NotSaid(const Results& results);

// Half the width, in points, of a 99 % interval of the difference of two accuracies in percent, each of `images`.
double DifferenceMargin(double a, double b, double images);

// Whether a is below b or above it, by more than that margin.
enum class Compared { kBelow, kSame, kAbove };
Compared Compare(double a, double b, double images);

}  // namespace privdnn
