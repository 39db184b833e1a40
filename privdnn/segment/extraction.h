// What outputs reveal about their kernel by linear algebra alone: which sums of coefficients they depend on, and how
// many images determine all of these sums.
//
// An output is a polynomial in the z values that it sees, its patch. With z' = z - zero_point, padding is 0:
//   y[p] = bias + sum over monomials m of z'^m * (sum of the coefficients of m in the taps that see it)
// A monomial is a product of two z', one z', or 1. Neighbouring windows overlap, so several taps may hold the same
// product of places. Only the sum of their coefficients matters, and only this sum can be found. At the border some
// taps lie outside the layer-1 map and some places lie in the padding. There the sum is over fewer taps, so it is
// another unknown.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "privdnn/segment/geometry.h"

namespace privdnn {

// Taps [begin, end) along an axis.
struct TapRange {
  uint32_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  bool operator==(const TapRange&) const = default;
};

// Expresses sums over ranges of taps by independent sums. A range [b, e) is an edge from b to e of a graph. Ranges are
// independent if their edges form a forest; any other range is the signed sum along a path.
struct TapSums {
  std::vector<TapRange> basis;
  // [class]: pairs (index into basis, +1 or -1); empty where the class sees no tap.
  std::vector<std::vector<std::pair<uint32_t, int>>> terms;
  // Whether the signs of every range add up to 1, so that adding a constant to all ranges stays consistent.
  bool balanced = true;
};

// One axis, rows or columns, of the patches that a group's outputs read.
class PatchAxis {
 public:
  static PatchAxis Rows(const Geometry& geometry, size_t group);
  static PatchAxis Columns(const Geometry& geometry, size_t group);

  uint32_t size() const { return size_; }  // places of the patch
  uint32_t taps() const { return taps_; }
  // A class: neighbouring positions that see the same taps and places. Classes are in ascending order.
  struct Class {
    uint32_t first, positions;
    TapRange taps;                        // within the layer-1 map
    uint32_t visible_begin, visible_end;  // places that are not always padding
  };
  const std::vector<Class>& classes() const { return classes_; }
  size_t largest_class() const;
  // Returns the coordinate on the z map's axis of place 0 of a position's patch. May be negative.
  int64_t origin(uint32_t position) const { return (int64_t{stride_} * position + offset_) * z_stride_; }
  // Returns where the window of a tap begins in the patch.
  uint32_t window_begin(uint32_t tap) const { return tap * z_stride_; }
  uint32_t window() const { return window_; }

  // Returns the taps whose windows hold both places.
  TapRange Both(uint32_t a, uint32_t b) const;
  // Return the sums that the classes see: of a monomial of these places, and of the constant.
  TapSums Sums(uint32_t a, uint32_t b) const { return Sums(Seen(a, b)); }
  TapSums ConstantSums() const { return Sums(SeenConstant()); }

  // The numbers of independent sums that the classes in `mask` see: over all ordered pairs of places, over all places,
  // and of the constant.
  struct Ranks {
    uint64_t pairs = 0, places = 0, constant = 0;
  };
  Ranks CountRanks(const std::vector<bool>& mask) const;

 private:
  PatchAxis() = default;
  struct AxisSpec;
  explicit PatchAxis(const AxisSpec& spec);
  std::vector<TapRange> Seen(uint32_t a, uint32_t b) const;
  std::vector<TapRange> SeenConstant() const;
  TapSums Sums(const std::vector<TapRange>& seen) const;

  uint32_t size_ = 0, taps_ = 0, window_ = 0, z_stride_ = 0, stride_ = 0;
  int64_t offset_ = 0;
  std::vector<Class> classes_;
};

// The number of images with generic values that determine one group's kernels. All its outputs are determined together.
struct ExtractionCount {
  uint64_t unknowns = 0;  // independent sums of an output's coefficients, bias included
  uint64_t images = 0;    // enough to determine all unknowns
  // Positions away from the border see the same sums. Cloning such an output needs no more images than cloning all
  // outputs: the number that its own equations need, or that all positions need if that is less.
  uint64_t inner_unknowns = 0, inner_positions = 0, inner_images = 0;
};
// Counts images. Each image gives one equation per position. Consider a set of positions that alone see some unknowns:
// every image gives one equation for each of them. The number of images needed is the maximum, over such sets, of
// unknowns / positions rounded up (Rado's condition; only rectangles of classes and their complements are considered).
// Assumes generic values: inputs have no structure, and no two taps are equal for another reason. Counts kernels with
// more than 2^24 coefficients without merging coefficients that coincide.
ExtractionCount CountExtraction(const Geometry& geometry, size_t group);

}  // namespace privdnn
