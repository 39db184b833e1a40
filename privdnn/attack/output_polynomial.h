// An encrypted output as a polynomial in the user's z values, whose coefficients an adversary solves for.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "privdnn/lifting/lift.h"
#include "privdnn/segment/extraction.h"

namespace privdnn {

// The unknowns of one group's outputs, and the equation that each position gives. Unknowns are the independent sums of
// coefficients that segment/extraction.h counts, in z' = z - zero_point: first of products of two z', then of single
// z', then constants, bias included. Everything here is public; only Sums() depends on a kernel.
class OutputPolynomial {
 public:
  // Fails with InvalidArgument if there are more than `max_unknowns`; the error says what more would cost. Solving for
  // n unknowns takes 4 n^2 bytes and at least n^3 / 3 multiplications.
  static absl::StatusOr<OutputPolynomial> Create(const Geometry& geometry, size_t group,
                                                 uint64_t max_unknowns = kDefaultUnknowns);
  static constexpr uint64_t kDefaultUnknowns = 12'000, kMaxUnknowns = 30'000;

  const Geometry& geometry() const { return *geometry_; }
  size_t group() const { return group_; }
  uint32_t outputs() const { return geometry_->spec().groups[group_].outputs; }
  uint64_t positions() const { return geometry_->spec().groups[group_].positions(); }
  size_t unknowns() const { return unknowns_; }
  // Returns how many of them belong to monomials of the highest degree. They come first; their coefficients are
  // unmodified sums of a kernel's integers.
  size_t leading() const { return leading_; }

  // Writes the coefficients of the equation of a position, counted row by row through the map, for an image's z map:
  // unknowns() of them, each below 2^32 in absolute value.
  void Equation(std::span<const int16_t> z_map, uint64_t position, std::span<int64_t> out) const;
  // Returns the outputs for an image, [output][position]; `value` computes an output from a position's equation.
  std::vector<int64_t> Outputs(std::span<const int16_t> z_map, size_t outputs,
                               const std::function<int64_t(std::span<const int64_t>, size_t output)>& value) const;
  // Returns the unknowns' values for a kernel, [d][tap], and its bias.
  std::vector<int64_t> Sums(std::span<const int32_t> kernel, int64_t bias) const;
  // Changes an output's unknowns so that every equation gives `constant` more.
  void AddConstant(double constant, std::span<double> sums) const;

  // An unknown: the places of its monomial in the patch, and the taps over which it sums.
  struct Place {
    uint32_t channel, row, column;
  };
  struct Unknown {
    uint32_t places;  // 0, 1 or 2
    Place first, second;
    TapRange rows, columns;
    bool biased;  // includes the bias
  };
  const std::vector<Unknown>& list() const { return list_; }
  // Returns the number, in the window of a tap, of a place in the patch. The window must contain the place.
  uint32_t WindowPlace(const Place& place, uint32_t row, uint32_t column) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // Adds the value of a monomial times `factor` to a column.
  struct Entry {
    uint32_t first, second;  // index in the z map, from the patch's origin; kNone: the factor 1
    uint32_t column;
    int32_t factor;
  };
  OutputPolynomial(const Geometry& geometry, size_t group);
  void AddProducts();
  void AddPlaces();
  void AddConstants();
  void AddMonomial(const Unknown& monomial, const TapSums& rows, const TapSums& columns);

  const Geometry* geometry_;
  size_t group_, unknowns_ = 0, leading_ = 0;
  PatchAxis rows_, columns_;
  std::vector<std::vector<Entry>> entries_;         // [row class][column class]
  std::vector<uint32_t> row_class_, column_class_;  // of each output row and column
  std::vector<Unknown> list_;
};

}  // namespace privdnn
