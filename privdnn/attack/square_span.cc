#include "privdnn/attack/square_span.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace privdnn {
namespace {

// Matrix completion: at most so many iterations; over so many of them the residual has to fall by so much.
constexpr int kIterations = 600, kStretch = 10;
constexpr double kGoodEnough = 0.01;
constexpr double kRidge = 1e-9;  // of the mean diagonal, towards the basis before
constexpr double kFaster = 1.3;  // growth of the steps' factor while they succeed
// Search.
constexpr size_t kStartsEach = 60;   // starts for each neuron that is looked for
constexpr double kDifferent = 1e-3;  // 1 - |cosine| of two neurons that are not the same
// How far a square may be from the span, and by what that grows while none is found. Neurons that outputs hardly depend
// on drown in the span's errors.
constexpr double kInSpan = 0.3, kWider = 1.25;

// Takes out of a row what is along another one, of length 1.
void ProjectOut(double* row, const double* other, size_t width) {
  const double share = std::inner_product(row, row + width, other, 0.0);
  for (size_t i = 0; i < width; ++i) row[i] -= share * other[i];
}

// Makes rows orthonormal, from row `from` on; those before are so already. Rows that depend on others become random.
// There are no more rows than `width`: the others would depend on them whatever they are.
void Orthonormalise(std::vector<double>& rows, size_t width, size_t from, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  for (size_t r = from; r < rows.size() / width; ++r) {
    double* row = rows.data() + r * width;
    double before = Length({row, width});
    for (int pass = 0; pass < 3; ++pass) {
      for (size_t k = 0; k < r; ++k) ProjectOut(row, rows.data() + k * width, width);
      double length = Length({row, width});
      if (!(length > 1e-10 * before)) {
        for (size_t i = 0; i < width; ++i) row[i] = normal(random);
        before = length = Length({row, width});
        pass = -1;
      }
      for (size_t i = 0; i < width; ++i) row[i] /= length;
      before = 1;
    }
  }
}

// Pairs whose coefficients in some equation stand together: their parts of the basis are solved for together.
std::vector<std::vector<uint32_t>> Blocks(const ProductEquations& e) {
  std::vector<uint32_t> parent(e.pairs());
  std::iota(parent.begin(), parent.end(), 0U);
  const auto root = [&](uint32_t p) {
    while (parent[p] != p) p = parent[p] = parent[parent[p]];
    return p;
  };
  for (const auto& terms : e.terms) {
    for (const auto& t : terms) parent[root(t.pair)] = root(terms[0].pair);
  }
  std::vector<std::vector<uint32_t>> of_root(e.pairs()), blocks;
  for (uint32_t p = 0; p < e.pairs(); ++p) of_root[root(p)].push_back(p);
  for (auto& block : of_root) {
    if (!block.empty()) blocks.push_back(std::move(block));
  }
  return blocks;
}

class Completion {
 public:
  Completion(const ProductEquations& equations, std::span<const double> known, size_t unknown,
             std::span<const double> start)
      : e_(equations),
        blocks_(Blocks(equations)),
        pairs_(equations.pairs()),
        fixed_(known.size() / pairs_),
        place_(pairs_),
        equations_of_(blocks_.size()) {
    rows_.assign(known.begin(), known.end());
    Orthonormalise(rows_, pairs_, 0, random_);
    std::normal_distribution<double> normal;
    for (size_t k = 0; k < unknown * pairs_; ++k) rows_.push_back(start.empty() ? normal(random_) : start[k]);
    Orthonormalise(rows_, pairs_, fixed_, random_);
    std::vector<size_t> block_of(pairs_);
    for (size_t b = 0; b < blocks_.size(); ++b) {
      for (size_t k = 0; k < blocks_[b].size(); ++k) {
        place_[blocks_[b][k]] = k;
        block_of[blocks_[b][k]] = b;
      }
    }
    for (uint32_t u = 0; u < e_.size(); ++u) equations_of_[block_of[e_.terms[u][0].pair]].push_back(u);
  }

  const std::vector<double>& rows() const { return rows_; }

  absl::Status Run(const ProgressFn& progress) {
    const size_t unknown = rows_.size() / pairs_ - fixed_;
    for (const auto& block : blocks_) {
      PRIVDNN_RETURN_IF_ERROR(CheckSystem(block.size() * unknown, "squares' coefficients"));
    }
    PRIVDNN_ASSIGN_OR_RETURN(SecondLayer at, SolveSecond(e_, rows_));
    double factor = 1, mark = at.error;
    for (int i = 0; i < kIterations && fixed_ * pairs_ < rows_.size(); ++i) {
      if (!Proceeds(progress, static_cast<uint64_t>(i), kIterations,
                    fmt::format("span of the squares, residual {:.2g}", std::sqrt(at.error / e_.square)))) {
        return absl::CancelledError("interrupted");
      }
      const std::vector<double> before = rows_;
      const auto solution = SolveFirst(at);
      if (!solution.ok()) break;  // rounding leaves nothing to be solved: the basis is as good as it gets
      // The step is lengthened as long as that works: alternating least squares creeps along narrow valleys.
      const auto move = [&](double by) -> absl::StatusOr<SecondLayer> {
        for (size_t k = fixed_ * pairs_; k < rows_.size(); ++k)
          rows_[k] = before[k] + by * ((*solution)[k] - before[k]);
        Orthonormalise(rows_, pairs_, fixed_, random_);
        return SolveSecond(e_, rows_);
      };
      absl::StatusOr<SecondLayer> next = move(factor);
      if (factor > 1 && !(next.ok() && next->error <= at.error)) {
        factor = 1;
        next = move(1);
      } else {
        factor *= kFaster;
      }
      if (!next.ok()) {
        rows_ = before;
        break;
      }
      at = *std::move(next);
      if ((i + 1) % kStretch != 0) continue;
      if (at.error > mark * (1 - kGoodEnough)) break;
      mark = at.error;
    }
    return absl::OkStatus();
  }

 private:
  // The basis, by least squares at these weights, block by block.
  absl::StatusOr<std::vector<double>> SolveFirst(const SecondLayer& second) {
    const size_t all = rows_.size() / pairs_, unknown = all - fixed_, outputs = e_.outputs;
    const auto weights = [&](size_t row, size_t tap) {
      return second.weights.values.data() + (row * e_.taps + tap) * outputs;
    };
    const std::vector<double> gram = WeightProducts(e_, second, fixed_, unknown);
    double trace = 0;
    for (size_t t = 0; t < e_.taps; ++t) {
      for (size_t a = 0; a < unknown; ++a) trace += gram[((t * e_.taps + t) * unknown + a) * unknown + a];
    }
    const double ridge = kRidge * trace / static_cast<double>(e_.taps * unknown);
    std::vector<double> result = rows_;
    std::vector<double> target(outputs);
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const size_t n = blocks_[b].size() * unknown;
      Matrix normal{static_cast<int64_t>(n), static_cast<int64_t>(n), std::vector<double>(n * n)};
      Matrix side{static_cast<int64_t>(n), 1, std::vector<double>(n)};
      for (const uint32_t u : equations_of_[b]) {
        // What is to be made by the unknown rows: what is left, and what they make now.
        std::copy_n(second.left.data() + u * outputs, outputs, target.data());
        for (const auto& t : e_.terms[u]) {
          for (size_t a = 0; a < unknown; ++a) {
            const double x = t.factor * rows_[(fixed_ + a) * pairs_ + t.pair];
            const double* r = weights(fixed_ + a, t.tap);
            for (size_t f = 0; f < outputs; ++f) target[f] += x * r[f];
          }
        }
        for (const auto& s : e_.terms[u]) {
          for (size_t a = 0; a < unknown; ++a) {
            const size_t at = place_[s.pair] * unknown + a;
            side.values[at] +=
                s.factor * std::inner_product(target.begin(), target.end(), weights(fixed_ + a, s.tap), 0.0);
            for (const auto& t : e_.terms[u]) {
              const double* g = gram.data() + ((s.tap * e_.taps + t.tap) * unknown + a) * unknown;
              double* out = normal.values.data() + at * n + place_[t.pair] * unknown;
              for (size_t d = 0; d < unknown; ++d) out[d] += s.factor * t.factor * g[d];
            }
          }
        }
      }
      for (size_t k = 0; k < blocks_[b].size(); ++k) {
        for (size_t a = 0; a < unknown; ++a) {
          const size_t at = k * unknown + a;
          normal.values[at * n + at] += ridge;
          side.values[at] += ridge * rows_[(fixed_ + a) * pairs_ + blocks_[b][k]];
        }
      }
      PRIVDNN_ASSIGN_OR_RETURN(const Matrix x, SolvePositive(normal, side));
      for (size_t k = 0; k < blocks_[b].size(); ++k) {
        for (size_t a = 0; a < unknown; ++a) result[(fixed_ + a) * pairs_ + blocks_[b][k]] = x.values[k * unknown + a];
      }
    }
    return result;
  }

  const ProductEquations& e_;
  std::vector<std::vector<uint32_t>> blocks_;
  size_t pairs_, fixed_;
  std::vector<size_t> place_;                        // [pair]: in its block
  std::vector<std::vector<uint32_t>> equations_of_;  // [block]
  std::mt19937_64 random_{1};
  std::vector<double> rows_;  // [row][pair], orthonormal; the first `fixed_` span the known squares
};

// ||m(w) - its projection on a span||^2 for w of length 1, and its decrease.
class Search {
 public:
  Search(std::span<const double> span, size_t window) : k_(window), dimension_(span.size() / Pairs(window)) {
    // With S_ii = s_ii and S_ij = S_ji = s_ij: <s, m(w)> = w^T S w, since m has 2 w_i w_j.
    forms_.resize(dimension_ * k_ * k_);
    for (size_t c = 0; c < dimension_; ++c) Form(span.subspan(c * Pairs(k_), Pairs(k_)), forms_.data() + c * k_ * k_);
  }

  void Form(std::span<const double> coefficients, double* form) const {
    for (size_t i = 0, p = 0; i < k_; ++i) {
      for (size_t j = i; j < k_; ++j, ++p) form[i * k_ + j] = form[j * k_ + i] = coefficients[p];
    }
  }

  // Levenberg-Marquardt from w, on the sphere. The distance of the square from the span, relative to its length.
  double Descend(std::vector<double>& w) const {
    Point at = Evaluate(w);
    double damping = 1e-2;
    for (int i = 0; i < 100 && damping < 1e6; ++i) {
      // Of m(w): J^T J = 4 I + 4 (w w^T - diag(w^2)), J^T m = 4 w - 2 w^3, where |w| = 1.
      Matrix normal{static_cast<int64_t>(k_), static_cast<int64_t>(k_), std::vector<double>(k_ * k_)};
      Matrix side{static_cast<int64_t>(k_), 1, std::vector<double>(k_)};
      for (size_t r = 0; r < k_; ++r) {
        for (size_t c = 0; c < k_; ++c) normal.values[r * k_ + c] = 8 * w[r] * w[c];  // half of it holds the length
        normal.values[r * k_ + r] += 4 - 4 * w[r] * w[r] + damping;
        side.values[r] = 4 * w[r] - 2 * w[r] * w[r] * w[r];
      }
      for (size_t c = 0; c < dimension_; ++c) {
        const double* q = at.rows.data() + c * k_;  // half the derivative of w^T S w
        for (size_t r = 0; r < k_; ++r) {
          side.values[r] -= 2 * q[r] * at.shares[c];
          for (size_t d = 0; d < k_; ++d) normal.values[r * k_ + d] -= 4 * q[r] * q[d];
        }
      }
      const auto step = SolvePositive(normal, side);
      if (!step.ok()) {  // not convex here
        damping *= 8;
        continue;
      }
      std::vector<double> next = w;
      for (size_t r = 0; r < k_; ++r) next[r] -= step->values[r];
      const double length = Length(next);
      for (double& v : next) v /= length;
      Point there = Evaluate(next);
      if (!(there.error < at.error)) {
        damping *= 8;
        continue;
      }
      const bool done = there.error > at.error * (1 - 1e-6) || there.error < 1e-24;
      damping = std::max(damping / 5, 1e-9);
      w = std::move(next);
      at = std::move(there);
      if (done) break;
    }
    return std::sqrt(std::max(0.0, at.error) / at.square);
  }

 private:
  struct Point {
    std::vector<double> rows, shares;  // S_c w, w^T S_c w
    double square = 0, error = 0;      // ||m(w)||^2, and of what is outside the span
  };
  Point Evaluate(const std::vector<double>& w) const {
    Point p{std::vector<double>(dimension_ * k_), std::vector<double>(dimension_), 2, 0};
    for (const double v : w) p.square -= v * v * v * v;
    p.error = p.square;
    for (size_t c = 0; c < dimension_; ++c) {
      double* q = p.rows.data() + c * k_;
      for (size_t j = 0; j < k_; ++j) {
        const double* row = forms_.data() + (c * k_ + j) * k_;
        for (size_t i = 0; i < k_; ++i) q[i] += w[j] * row[i];
      }
      p.shares[c] = std::inner_product(w.begin(), w.end(), q, 0.0);
      p.error -= p.shares[c] * p.shares[c];
    }
    return p;
  }

  size_t k_, dimension_;
  std::vector<double> forms_;  // [basis][place][place]
};

// About the eigenvector of the eigenvalue that is largest in magnitude, of a quadratic form in n variables, [pair].
std::vector<double> LeadingEigenvector(const std::vector<double>& form, size_t n, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<double> v(n), next(n);
  for (double& x : v) x = normal(random);
  for (int i = 0; i < 60; ++i) {
    std::fill(next.begin(), next.end(), 0);
    for (size_t r = 0, p = 0; r < n; ++r) {
      for (size_t c = r; c < n; ++c, ++p) {
        next[r] += form[p] * v[c];
        next[c] += form[p] * v[r];
      }
    }
    const double length = Length(next);
    for (size_t r = 0; r < n; ++r) v[r] = next[r] / length;
  }
  return v;
}

}  // namespace

absl::StatusOr<std::vector<double>> FindSpan(const ProductEquations& equations, std::span<const double> known,
                                             size_t unknown, std::span<const double> start,
                                             const ProgressFn& progress) {
  Completion completion(equations, known, unknown, start);
  PRIVDNN_RETURN_IF_ERROR(completion.Run(progress));
  return completion.rows();
}

std::vector<double> Remainder(std::span<const double> span, size_t pairs, std::span<const double> squares,
                              size_t count) {
  std::mt19937_64 random(1);
  std::vector<double> taken(squares.begin(), squares.end()), rows(span.begin(), span.end());
  Orthonormalise(taken, pairs, 0, random);
  const size_t before = taken.size();
  // Those first of which most is left.
  for (size_t at = 0; taken.size() < before + count * pairs;) {
    double longest = -1;
    size_t best = 0;
    for (size_t r = 0; r < rows.size(); r += pairs) {
      for (size_t k = at; k < taken.size(); k += pairs) ProjectOut(rows.data() + r, taken.data() + k, pairs);
      const double length = Length({rows.data() + r, pairs});
      if (length > longest) best = r;
      longest = std::max(length, longest);
    }
    at = taken.size();
    taken.insert(taken.end(), rows.begin() + static_cast<std::ptrdiff_t>(best),
                 rows.begin() + static_cast<std::ptrdiff_t>(best + pairs));
    Orthonormalise(taken, pairs, taken.size() / pairs - 1, random);
  }
  return {taken.begin() + static_cast<std::ptrdiff_t>(before), taken.end()};
}

absl::StatusOr<std::vector<double>> FindSquares(std::span<const double> span, size_t window,
                                                std::span<const double> known, size_t count,
                                                const ProgressFn& progress) {
  const size_t pairs = Pairs(window), dimension = span.size() / pairs;
  const Search search(span, window);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> taken(known.begin(), known.end());  // [neuron][place]
  std::vector<double> squares;                            // [neuron][pair], orthonormal: of those taken
  for (size_t c = 0; c < known.size(); c += window) AppendSquare(known.subspan(c, window), squares);
  Orthonormalise(squares, pairs, 0, random);
  const auto new_to = [&](const std::vector<double>& others, const std::vector<double>& w) {
    for (size_t c = 0; c < others.size(); c += window) {
      const double* other = others.data() + c;
      const double cosine = std::inner_product(w.begin(), w.end(), other, 0.0) / Length({other, window});
      if (std::fabs(cosine) > 1 - kDifferent) return false;
    }
    return true;
  };
  std::vector<std::pair<double, std::vector<double>>> further;  // distance, neuron: too far, and perhaps repeated
  size_t found = 0;
  for (size_t start = 0; found < count && start < kStartsEach * count; ++start) {
    if (!Proceeds(progress, found, count, "squares in the span")) return absl::CancelledError("interrupted");
    // From a random form in the part of the span that those found don't reach.
    std::vector<double> form(pairs);
    for (size_t c = 0; c < dimension; ++c) {
      const double x = normal(random);
      for (size_t p = 0; p < pairs; ++p) form[p] += x * span[c * pairs + p];
    }
    for (size_t k = 0; k < squares.size(); k += pairs) ProjectOut(form.data(), squares.data() + k, pairs);
    std::vector<double> w = LeadingEigenvector(form, window, random);
    const double distance = search.Descend(w);
    if (!new_to(taken, w)) continue;
    if (distance > kInSpan) {
      further.emplace_back(distance, std::move(w));
      continue;
    }
    taken.insert(taken.end(), w.begin(), w.end());
    AppendSquare(w, squares);
    Orthonormalise(squares, pairs, squares.size() / pairs - 1, random);
    ++found;
  }
  if (found == 0 && !further.empty()) {
    std::ranges::sort(further);
    double within = kInSpan;
    while (within < further[0].first) within *= kWider;
    for (const auto& [distance, w] : further) {
      if (found == count || distance > within || within >= 1) break;
      if (!new_to(taken, w)) continue;
      taken.insert(taken.end(), w.begin(), w.end());
      ++found;
    }
  }
  return std::vector<double>(taken.begin() + static_cast<std::ptrdiff_t>(known.size()), taken.end());
}

}  // namespace privdnn
