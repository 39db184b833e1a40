// What outputs tell about the kernel behind them by linear algebra alone: which sums of its coefficients they depend
// on, and how many images determine all of them.
//
// An output is a polynomial in the z values that it sees, its patch, in z' = z - zero_point, in which padding is 0:
//   y[p] = bias + sum over monomials m of z'^m * (sum of the coefficients of m in the taps that see it)
// A monomial is a product of two z', one z', or 1. Neighbouring windows overlap, so that several taps hold the same
// product of places; only the sum of their coefficients matters, and only it can be found. At the border some taps lie
// outside the layer-1 map and some places in the padding: there the sum is over fewer taps, and is another unknown.
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

// Sums over ranges of taps, in terms of independent ones: a range [b, e) is an edge from b to e of a graph, ranges are
// independent if they are a forest, and any other one is the signed sum along a path.
struct TapSums {
  std::vector<TapRange> basis;
  // [class]: (index into basis, +1 or -1); nothing where the class sees no tap.
  std::vector<std::vector<std::pair<uint32_t, int>>> terms;
  // Whether every range is a sum of signs that add up to 1, so that a constant added to all ranges stays consistent.
  bool balanced = true;
};

// One axis, rows or columns, of what the outputs of a group read.
class PatchAxis {
 public:
  static PatchAxis Rows(const Geometry& geometry, size_t group);
  static PatchAxis Columns(const Geometry& geometry, size_t group);

  uint32_t size() const { return size_; }  // places of the patch
  uint32_t taps() const { return taps_; }
  // Positions that see the same taps and places form a class; they are neighbours. In ascending order.
  struct Class {
    uint32_t first, positions;
    TapRange taps;                        // within the layer-1 map
    uint32_t visible_begin, visible_end;  // places that are not padding throughout
  };
  const std::vector<Class>& classes() const { return classes_; }
  size_t largest_class() const;
  // Of the z map's axis: what place 0 of the patch of an output position is; may be negative.
  int64_t origin(uint32_t position) const { return (int64_t{stride_} * position + offset_) * z_stride_; }
  // Where the window of a tap begins in the patch.
  uint32_t window_begin(uint32_t tap) const { return tap * z_stride_; }
  uint32_t window() const { return window_; }

  // The taps whose windows hold both places.
  TapRange Both(uint32_t a, uint32_t b) const;
  // The sums that the classes see of a monomial of these places, and of the constant.
  TapSums Sums(uint32_t a, uint32_t b) const { return Sums(Seen(a, b)); }
  TapSums ConstantSums() const { return Sums(SeenConstant()); }

  // Numbers of independent sums that the classes in `mask` see: over all ordered pairs of places, over all places, of
  // the constant.
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

// How many images of generic values determine one group's kernels. All its outputs are determined together.
struct ExtractionCount {
  uint64_t unknowns = 0;  // independent sums of an output's coefficients, bias included
  uint64_t images = 0;    // that determine all of them
  // Positions away from the border see the same sums. The clone of such an output needs no more images than that of
  // all: as many as its own equations take or, where that is sooner, those of all positions.
  uint64_t inner_unknowns = 0, inner_positions = 0, inner_images = 0;
};
// Each image gives an equation a position. Of a set of positions that alone see some unknowns, every image gives as
// many equations as there are: the images that are needed are the largest, over such sets, of unknowns / positions
// rounded up (Rado's condition; sets that are rectangles of classes, or what is outside one, are looked at). Values are
// generic: inputs without structure, no two taps that are equal for another reason. Kernels with more than 2^24
// coefficients are counted without looking for those that coincide.
ExtractionCount CountExtraction(const Geometry& geometry, size_t group);

}  // namespace privdnn
