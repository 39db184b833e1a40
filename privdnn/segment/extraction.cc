#include "privdnn/segment/extraction.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <optional>

namespace privdnn {
namespace {

// Beyond these, coefficients are counted one by one, and classes of positions are not told apart.
constexpr uint64_t kMaxCoefficients = uint64_t{1} << 24;
constexpr size_t kMaxClasses = 16;

// A forest of ranges of taps, each an edge from begin to end.
class RangeForest {
 public:
  explicit RangeForest(uint32_t taps) : parent_(taps + 1), height_(taps + 1) {
    std::iota(parent_.begin(), parent_.end(), 0U);
  }
  // Whether the range is independent of those before.
  bool Add(const TapRange& range) {
    const auto [a, to_a] = Root(range.begin);
    const auto [b, to_b] = Root(range.end);
    if (a == b) {
      balanced_ = balanced_ && to_b - to_a == 1;
      return false;
    }
    parent_[b] = a;
    height_[b] = to_a + 1 - to_b;
    return true;
  }
  // Whether heights exist such that every range so far climbs from its begin to its end by 1.
  bool balanced() const { return balanced_; }

 private:
  // The root of a node, and the node's height above it.
  std::pair<uint32_t, int64_t> Root(uint32_t node) const {
    int64_t height = 0;
    for (; parent_[node] != node; node = parent_[node]) height += height_[node];
    return {node, height};
  }
  std::vector<uint32_t> parent_;
  std::vector<int64_t> height_;  // above the parent
  bool balanced_ = true;
};

uint64_t DivideUp(uint64_t a, uint64_t b) { return b == 0 ? 0 : (a + b - 1) / b; }

// The ranges along the path between a range's ends, with the sign in which each is passed.
std::vector<std::pair<uint32_t, int>> Path(const std::vector<TapRange>& basis, const TapRange& range, uint32_t taps) {
  struct Step {
    uint32_t edge;
    int sign;
    uint32_t from;
  };
  std::vector<std::optional<Step>> reached(taps + 1);
  std::deque<uint32_t> open{range.begin};
  reached[range.begin] = Step{0, 0, range.begin};
  while (!open.empty() && !reached[range.end]) {
    const uint32_t node = open.front();
    open.pop_front();
    for (uint32_t e = 0; e < basis.size(); ++e) {
      if (basis[e].begin == node && !reached[basis[e].end]) {
        reached[basis[e].end] = Step{e, 1, node};
        open.push_back(basis[e].end);
      } else if (basis[e].end == node && !reached[basis[e].begin]) {
        reached[basis[e].begin] = Step{e, -1, node};
        open.push_back(basis[e].begin);
      }
    }
  }
  std::vector<std::pair<uint32_t, int>> path;
  for (uint32_t node = range.end; node != range.begin; node = reached[node]->from) {
    path.emplace_back(reached[node]->edge, reached[node]->sign);
  }
  return path;
}

}  // namespace

struct PatchAxis::AxisSpec {
  uint32_t kernel, stride, origin, outputs;  // of the group
  uint32_t pad2, layer1;
  uint32_t window, z_stride;
  uint32_t pool, stride1, pad1, input;
};

PatchAxis PatchAxis::Rows(const Geometry& g, size_t group) {
  const SegmentSpec& s = g.spec();
  const OutputGroup& o = s.groups[group];
  return PatchAxis({o.kernel.h, o.stride.h, o.origin.h, o.map.h, s.pads2.top, g.layer1().h, s.kernel1.h, g.z_stride().h,
                    s.pool1.h, s.stride1.h, s.pads1.top, s.input.h});
}

PatchAxis PatchAxis::Columns(const Geometry& g, size_t group) {
  const SegmentSpec& s = g.spec();
  const OutputGroup& o = s.groups[group];
  return PatchAxis({o.kernel.w, o.stride.w, o.origin.w, o.map.w, s.pads2.left, g.layer1().w, s.kernel1.w,
                    g.z_stride().w, s.pool1.w, s.stride1.w, s.pads1.left, s.input.w});
}

PatchAxis::PatchAxis(const AxisSpec& s)
    : size_(s.z_stride * (s.kernel - 1) + s.window),
      taps_(s.kernel),
      window_(s.window),
      z_stride_(s.z_stride),
      stride_(s.stride),
      offset_(int64_t{s.origin} - s.pad2) {
  // Whether a place of the z map averages any of the image's values.
  const auto visible = [&](int64_t z) {
    for (int64_t i = 0, at = z - s.pad1; i < s.pool; ++i, at += s.stride1) {
      if (at >= 0 && at < s.input) return true;
    }
    return false;
  };
  for (uint32_t i = 0; i < s.outputs; ++i) {
    const int64_t top = int64_t{s.stride} * i + offset_;  // the layer-1 position of tap 0
    Class c{i, 1, {}, 0, size_};
    c.taps.begin = static_cast<uint32_t>(std::clamp<int64_t>(-top, 0, taps_));
    c.taps.end = static_cast<uint32_t>(std::clamp<int64_t>(int64_t{s.layer1} - top, 0, taps_));
    while (c.visible_begin < size_ && !visible(origin(i) + c.visible_begin)) ++c.visible_begin;
    while (c.visible_end > c.visible_begin && !visible(origin(i) + c.visible_end - 1)) --c.visible_end;
    if (!classes_.empty() && classes_.back().taps == c.taps && classes_.back().visible_begin == c.visible_begin &&
        classes_.back().visible_end == c.visible_end) {
      ++classes_.back().positions;
    } else {
      classes_.push_back(c);
    }
  }
}

size_t PatchAxis::largest_class() const {
  return static_cast<size_t>(std::ranges::max_element(classes_, {}, &Class::positions) - classes_.begin());
}

TapRange PatchAxis::Both(uint32_t a, uint32_t b) const {
  const auto [low, high] = std::minmax(a, b);
  // tap * z_stride <= low and high < tap * z_stride + window
  const uint32_t begin = high < window_ ? 0 : (high - window_) / z_stride_ + 1;
  return {begin, std::min(low / z_stride_ + 1, taps_)};
}

std::vector<TapRange> PatchAxis::Seen(uint32_t a, uint32_t b) const {
  const TapRange both = Both(a, b);
  std::vector<TapRange> seen;
  for (const Class& c : classes_) {
    const bool visible = std::min(a, b) >= c.visible_begin && std::max(a, b) < c.visible_end;
    seen.push_back(visible ? TapRange{std::max(both.begin, c.taps.begin), std::min(both.end, c.taps.end)} : TapRange{});
  }
  return seen;
}

std::vector<TapRange> PatchAxis::SeenConstant() const {
  std::vector<TapRange> seen;
  for (const Class& c : classes_) seen.push_back(c.taps);
  return seen;
}

TapSums PatchAxis::Sums(const std::vector<TapRange>& seen) const {
  // What most positions see becomes an unknown of its own.
  std::vector<size_t> order(seen.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t k) { return classes_[k].positions; });
  RangeForest forest(taps_);
  TapSums sums;
  sums.terms.resize(seen.size());
  for (const size_t k : order) {
    if (seen[k].empty()) {
      sums.balanced = false;
    } else if (forest.Add(seen[k])) {
      sums.basis.push_back(seen[k]);
    }
  }
  for (size_t k = 0; k < seen.size(); ++k) {
    if (!seen[k].empty()) sums.terms[k] = Path(sums.basis, seen[k], taps_);
  }
  sums.balanced = sums.balanced && forest.balanced();
  return sums;
}

PatchAxis::Ranks PatchAxis::CountRanks(const std::vector<bool>& mask) const {
  const auto rank = [&](const std::vector<TapRange>& seen) {
    RangeForest forest(taps_);
    uint64_t count = 0;
    for (size_t k = 0; k < seen.size(); ++k) count += mask[k] && !seen[k].empty() && forest.Add(seen[k]);
    return count;
  };
  Ranks ranks;
  ranks.constant = rank(SeenConstant());
  for (uint32_t a = 0; a < size_; ++a) {
    ranks.places += rank(Seen(a, a));
    for (uint32_t b = a + 1; b < std::min(a + window_, size_); ++b) ranks.pairs += 2 * rank(Seen(a, b));
  }
  ranks.pairs += ranks.places;
  return ranks;
}

namespace {

// Sets of an axis's classes, and what is seen outside each.
struct ClassSet {
  uint64_t positions;        // in the set
  PatchAxis::Ranks outside;  // sums that the other classes see
};

// Ranges of neighbouring classes and what is outside of one; only the largest class and all, if there are many.
std::vector<ClassSet> ClassSets(const PatchAxis& axis) {
  const size_t count = axis.classes().size();
  std::vector<ClassSet> sets;
  const auto add = [&](size_t begin, size_t end, bool inside) {
    std::vector<bool> outside(count);
    ClassSet set{0, {}};
    for (size_t k = 0; k < count; ++k) {
      const bool in = (k >= begin && k < end) == inside;
      outside[k] = !in;
      if (in) set.positions += axis.classes()[k].positions;
    }
    if (set.positions == 0) return;
    set.outside = axis.CountRanks(outside);
    sets.push_back(set);
  };
  if (count > kMaxClasses) {
    add(0, count, true);
    add(axis.largest_class(), axis.largest_class() + 1, false);
    return sets;
  }
  for (size_t begin = 0; begin < count; ++begin) {
    for (size_t end = begin + 1; end <= count; ++end) {
      add(begin, end, true);
      add(begin, end, false);
    }
  }
  return sets;
}

class Counter {
 public:
  Counter(const Geometry& g, size_t group)
      : channels_(g.spec().channels),
        quadratic_(g.spec().kind == SegmentKind::kQuadratic),
        rows_(PatchAxis::Rows(g, group)),
        columns_(PatchAxis::Columns(g, group)) {
    all_rows_ = rows_.CountRanks(std::vector<bool>(rows_.classes().size(), true));
    all_columns_ = columns_.CountRanks(std::vector<bool>(columns_.classes().size(), true));
    // A bias that some position sees without, or with another number of constants, is an unknown of its own.
    bias_ = !quadratic_ || !rows_.ConstantSums().balanced || !columns_.ConstantSums().balanced ? 1 : 0;
  }

  ExtractionCount Count(uint64_t positions) const {
    ExtractionCount count;
    count.unknowns = Unknowns(all_rows_, all_columns_) + bias_;
    for (const ClassSet& a : ClassSets(rows_)) {
      for (const ClassSet& b : ClassSets(columns_)) {
        const uint64_t only_here = Unknowns(Minus(all_rows_, a.outside), Minus(all_columns_, b.outside));
        count.images = std::max(count.images, DivideUp(only_here, a.positions * b.positions));
        const uint64_t rows_outside = TotalPositions(rows_) - a.positions;
        const uint64_t outside = rows_outside * (TotalPositions(columns_) - b.positions);
        const uint64_t frame = count.unknowns - Unknowns(a.outside, b.outside) - (outside > 0 ? bias_ : 0);
        count.images = std::max(count.images, DivideUp(frame, positions - outside));
      }
    }
    const auto [row_ranks, rows] = Inner(rows_);
    const auto [column_ranks, columns] = Inner(columns_);
    count.inner_unknowns = Unknowns(row_ranks, column_ranks) + (quadratic_ ? 0 : 1);
    count.inner_positions = rows * columns;
    // What determines everything determines the inner sums too; few positions by themselves may take longer.
    count.inner_images = std::min(DivideUp(count.inner_unknowns, count.inner_positions), count.images);
    return count;
  }

 private:
  static uint64_t TotalPositions(const PatchAxis& axis) {
    uint64_t sum = 0;
    for (const PatchAxis::Class& c : axis.classes()) sum += c.positions;
    return sum;
  }
  static PatchAxis::Ranks Minus(const PatchAxis::Ranks& a, const PatchAxis::Ranks& b) {
    return {a.pairs - b.pairs, a.places - b.places, a.constant - b.constant};
  }
  // What the largest class sees, and positions that see no more.
  static std::pair<PatchAxis::Ranks, uint64_t> Inner(const PatchAxis& axis) {
    const size_t largest = axis.largest_class();
    std::vector<bool> mask(axis.classes().size());
    mask[largest] = true;
    const PatchAxis::Ranks ranks = axis.CountRanks(mask);
    uint64_t positions = axis.classes()[largest].positions;
    for (size_t k = 0; k < mask.size(); ++k) {
      if (k == largest) continue;
      mask[k] = true;
      const PatchAxis::Ranks more = axis.CountRanks(mask);
      mask[k] = false;
      if (more.pairs == ranks.pairs && more.constant == ranks.constant) positions += axis.classes()[k].positions;
    }
    return {ranks, positions};
  }
  // Independent sums that a product of sets of classes sees. Unordered pairs of places are half of the ordered ones and
  // half of the squares.
  uint64_t Unknowns(const PatchAxis::Ranks& r, const PatchAxis::Ranks& c) const {
    const uint64_t places = channels_ * r.places * c.places;
    if (!quadratic_) return places;
    return (channels_ * channels_ * r.pairs * c.pairs + places) / 2 + places + r.constant * c.constant;
  }

  uint64_t channels_;
  bool quadratic_;
  PatchAxis rows_, columns_;
  PatchAxis::Ranks all_rows_, all_columns_;
  uint64_t bias_ = 0;
};

}  // namespace

ExtractionCount CountExtraction(const Geometry& g, size_t group) {
  const OutputGroup& o = g.spec().groups[group];
  const uint64_t coefficients = g.features() * o.kernel.area() + 1;
  if (coefficients <= kMaxCoefficients) return Counter(g, group).Count(o.positions());
  const uint64_t images = DivideUp(coefficients, o.positions());
  return {coefficients, images, coefficients, o.positions(), images};
}

}  // namespace privdnn
