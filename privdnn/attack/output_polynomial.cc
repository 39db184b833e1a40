#include "privdnn/attack/output_polynomial.h"

#include <algorithm>

namespace privdnn {

absl::StatusOr<OutputPolynomial> OutputPolynomial::Create(const Geometry& geometry, size_t group,
                                                          uint64_t max_unknowns) {
  constexpr double kPerSecond = 6e9;  // multiplications of a processor; measured: 5.7e9 to 6.5e9
  const uint64_t unknowns = CountExtraction(geometry, group).unknowns;
  if (unknowns > max_unknowns) {
    const auto n = static_cast<double>(unknowns), f = static_cast<double>(geometry.spec().groups[group].outputs);
    return InvalidArgument(
        "extraction: {} unknowns an output, at most {} are solved for; so many would take {:.1f} GB and at least "
        "{:.0f} "
        "minutes of a processor",
        unknowns, max_unknowns, 4e-9 * n * (n + f), n * n * (n / 3 + f) / kPerSecond / 60);
  }
  OutputPolynomial polynomial(geometry, group);
  if (polynomial.unknowns_ != unknowns) {
    return absl::InternalError(
        fmt::format("extraction: {} unknowns are listed, {} counted", polynomial.unknowns_, unknowns));
  }
  return polynomial;
}

OutputPolynomial::OutputPolynomial(const Geometry& geometry, size_t group)
    : geometry_(&geometry),
      group_(group),
      rows_(PatchAxis::Rows(geometry, group)),
      columns_(PatchAxis::Columns(geometry, group)),
      entries_(rows_.classes().size() * columns_.classes().size()) {
  const auto classes = [](const PatchAxis& axis) {
    std::vector<uint32_t> of;
    for (uint32_t k = 0; k < axis.classes().size(); ++k) of.insert(of.end(), axis.classes()[k].positions, k);
    return of;
  };
  row_class_ = classes(rows_);
  column_class_ = classes(columns_);
  if (geometry.spec().kind == SegmentKind::kQuadratic) AddProducts();
  if (geometry.spec().kind == SegmentKind::kQuadratic) leading_ = unknowns_;
  AddPlaces();
  if (geometry.spec().kind == SegmentKind::kLinear) leading_ = unknowns_;
  AddConstants();
}

void OutputPolynomial::AddMonomial(const Unknown& monomial, const TapSums& rows, const TapSums& columns) {
  const Size2 z = geometry_->z_map();
  const auto offset = [&](const Place& p) { return (p.channel * z.h + p.row) * z.w + p.column; };
  const uint32_t first = monomial.places > 0 ? offset(monomial.first) : kNone;
  const uint32_t second = monomial.places > 1 ? offset(monomial.second) : kNone;
  const auto width = static_cast<uint32_t>(columns.basis.size());
  for (size_t i = 0; i < rows.terms.size(); ++i) {
    for (size_t j = 0; j < columns.terms.size(); ++j) {
      for (const auto& [a, sign_a] : rows.terms[i]) {
        for (const auto& [b, sign_b] : columns.terms[j]) {
          entries_[i * columns.terms.size() + j].push_back(
              {first, second, static_cast<uint32_t>(unknowns_) + a * width + b, sign_a * sign_b});
        }
      }
    }
  }
  for (const TapRange& a : rows.basis) {
    for (const TapRange& b : columns.basis) {
      list_.push_back(monomial);
      list_.back().rows = a;
      list_.back().columns = b;
    }
  }
  unknowns_ = list_.size();
}

void OutputPolynomial::AddProducts() {
  const uint32_t channels = geometry_->spec().channels;
  for (uint32_t r1 = 0; r1 < rows_.size(); ++r1) {
    for (uint32_t r2 = r1; r2 < std::min(r1 + rows_.window(), rows_.size()); ++r2) {
      const TapSums rows = rows_.Sums(r1, r2);
      if (rows.basis.empty()) continue;
      for (uint32_t c1 = 0; c1 < columns_.size(); ++c1) {
        for (uint32_t c2 = c1 >= columns_.window() ? c1 - columns_.window() + 1 : 0;
             c2 < std::min(c1 + columns_.window(), columns_.size()); ++c2) {
          if (r1 == r2 && c2 < c1) continue;  // each unordered pair once
          const TapSums columns = columns_.Sums(c1, c2);
          if (columns.basis.empty()) continue;
          for (uint32_t a = 0; a < channels; ++a) {
            for (uint32_t b = r1 == r2 && c1 == c2 ? a : 0; b < channels; ++b) {
              AddMonomial({2, {a, r1, c1}, {b, r2, c2}, {}, {}, false}, rows, columns);
            }
          }
        }
      }
    }
  }
}

void OutputPolynomial::AddPlaces() {
  for (uint32_t r = 0; r < rows_.size(); ++r) {
    const TapSums rows = rows_.Sums(r, r);
    for (uint32_t c = 0; c < columns_.size(); ++c) {
      const TapSums columns = columns_.Sums(c, c);
      for (uint32_t a = 0; a < geometry_->spec().channels; ++a) {
        AddMonomial({1, {a, r, c}, {}, {}, {}, false}, rows, columns);
      }
    }
  }
}

// A position's constant is the bias and the constants of its taps. If the signs by which the positions' sums make each
// other up always add to 1, the bias can be part of every sum; otherwise it is an unknown that every position sees.
void OutputPolynomial::AddConstants() {
  bool apart = true;
  if (geometry_->spec().kind == SegmentKind::kQuadratic) {
    const TapSums rows = rows_.ConstantSums(), columns = columns_.ConstantSums();
    apart = !rows.balanced || !columns.balanced;
    AddMonomial({0, {}, {}, {}, {}, !apart}, rows, columns);
  }
  if (!apart) return;
  for (auto& entries : entries_) entries.push_back({kNone, kNone, static_cast<uint32_t>(unknowns_), 1});
  list_.push_back({0, {}, {}, {}, {}, true});
  ++unknowns_;
}

void OutputPolynomial::Equation(std::span<const int16_t> z, uint64_t position, std::span<int64_t> out) const {
  const uint32_t width = geometry_->spec().groups[group_].map.w;
  const auto i = static_cast<uint32_t>(position / width), j = static_cast<uint32_t>(position % width);
  const int64_t origin = rows_.origin(i) * geometry_->z_map().w + columns_.origin(j);
  const int32_t zero = geometry_->spec().zero_point;
  const auto value = [&](uint32_t place) -> int64_t {
    return place == kNone ? 1 : int64_t{z[static_cast<size_t>(origin + place)]} - zero;
  };
  std::fill(out.begin(), out.end(), 0);
  for (const Entry& e : entries_[row_class_[i] * columns_.classes().size() + column_class_[j]]) {
    out[e.column] += e.factor * value(e.first) * value(e.second);
  }
}

uint32_t OutputPolynomial::WindowPlace(const Place& place, uint32_t row, uint32_t column) const {
  const Size2 window = geometry_->spec().kernel1;
  return (place.channel * window.h + place.row - rows_.window_begin(row)) * window.w + place.column -
         columns_.window_begin(column);
}

// Constants that have the bias in them: all of a position's, whose signs add up to 1, or the bias alone.
void OutputPolynomial::AddConstant(double constant, std::span<double> sums) const {
  for (size_t u = 0; u < list_.size(); ++u) sums[u] += list_[u].biased ? constant : 0;
}

std::vector<int64_t> OutputPolynomial::Outputs(
    std::span<const int16_t> z_map, size_t outputs,
    const std::function<int64_t(std::span<const int64_t>, size_t output)>& value) const {
  std::vector<int64_t> y(outputs * positions()), equation(unknowns());
  for (uint64_t p = 0; p < positions(); ++p) {
    Equation(z_map, p, equation);
    for (size_t f = 0; f < outputs; ++f) y[f * positions() + p] = value(equation, f);
  }
  return y;
}

std::vector<int64_t> OutputPolynomial::Sums(std::span<const int32_t> kernel, int64_t bias) const {
  const Geometry& g = *geometry_;
  const Size2 taps = g.spec().groups[group_].kernel;
  const bool quadratic = g.spec().kind == SegmentKind::kQuadratic;
  const uint64_t k = g.window();
  const auto at = [&](uint64_t d, uint64_t tap) -> int64_t { return kernel[d * taps.area() + tap]; };
  const auto product = [&](uint64_t i, uint64_t j) {
    const auto [low, high] = std::minmax(i, j);
    return low * k - low * (low + 1) / 2 + high;
  };
  // Coefficients of a tap in z': of (z' + zero)_i (z' + zero)_j, (z' + zero)_i 2^s and 2^2s.
  const int64_t zero = g.spec().zero_point, lin = int64_t{1} << g.linear_shift(),
                one = int64_t{1} << g.constant_shift();
  std::vector<int64_t> linear(k * taps.area()), constant(taps.area());
  for (uint64_t tap = 0; tap < taps.area(); ++tap) {
    for (uint64_t i = 0; i < k; ++i) {
      int64_t& sum = linear[i * taps.area() + tap];
      sum = quadratic ? at(g.products() + i, tap) * lin : at(i, tap);
      constant[tap] += sum * zero;
      for (uint64_t j = 0; quadratic && j < k; ++j) {
        sum += (i == j ? 2 : 1) * at(product(i, j), tap) * zero;
        if (j >= i) constant[tap] += at(product(i, j), tap) * zero * zero;
      }
    }
    if (quadratic) constant[tap] += at(g.products() + k, tap) * one;
    if (!quadratic) bias += constant[tap];
  }
  std::vector<int64_t> sums;
  for (const Unknown& u : list_) {
    int64_t sum = u.biased ? bias : 0;
    for (uint32_t row = u.rows.begin; row < u.rows.end; ++row) {
      for (uint32_t column = u.columns.begin; column < u.columns.end; ++column) {
        const uint64_t tap = uint64_t{row} * taps.w + column;
        if (u.places == 2)
          sum += at(product(WindowPlace(u.first, row, column), WindowPlace(u.second, row, column)), tap);
        if (u.places == 1) sum += linear[WindowPlace(u.first, row, column) * taps.area() + tap];
        if (u.places == 0) sum += constant[tap];
      }
    }
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace privdnn
