// WriteProgram, ReadProgram: docs/package-format.md is the specification.
#include <utility>

#include "privdnn/sealed/program.h"

namespace privdnn {
namespace {

constexpr uint32_t kProgramVersion = 1;
// Wherever the package or the key lies: no list is longer than its bytes.
constexpr uint32_t kMaxList = uint32_t{1} << 28;

// The fields of a step in their order, for a writer and a reader: visit(name, field).
template <typename Visit>
void Fields(InputStep& s, const Visit& visit) {
  visit("front output", s.front);
  visit("range bits", s.range_bits);
}
template <typename Visit>
void Fields(LinearStep& s, const Visit& visit) {
  visit("input", s.input);
  visit("window", s.window);
  visit("groups", s.groups);
  visit("segment", s.segment);
  visit("dropped bits", s.drop);
  visit("plaintext outputs", s.plain);
  visit("encrypted outputs", s.encrypted);
  visit("weights", s.weights);
  visit("biases", s.bias);
}
template <typename Visit>
void Fields(ReluStep& s, const Visit& visit) {
  visit("input", s.input);
  visit("range bits", s.range_bits);
}
template <typename Visit>
void Fields(ExtendStep& s, const Visit& visit) {
  visit("input", s.input);
  visit("range bits", s.range_bits);
}
template <typename Visit>
void Fields(MaxPoolStep& s, const Visit& visit) {
  visit("input", s.input);
  visit("window", s.window);
}
template <typename Visit>
void Fields(SquareStep& s, const Visit& visit) {
  visit("input", s.input);
  visit("dropped bits", s.drop);
}
template <typename Visit>
void Fields(AddStep& s, const Visit& visit) {
  visit("input", s.first);
  visit("input", s.second);
  visit("dropped bits", s.drop_first);
  visit("dropped bits", s.drop_second);
}
template <typename Visit>
void Fields(ReshapeStep& s, const Visit& visit) {
  visit("input", s.input);
}
template <typename Visit>
void Fields(SealedValue& v, const Visit& visit) {
  visit("channels", v.shape.channels);
  visit("height", v.shape.height);
  visit("width", v.shape.width);
  visit("bits", v.bits);
  visit("exponent", v.exponent);
}

class Writer {
 public:
  explicit Writer(ByteWriter& w) : w_(w) {}

  void operator()(const char*, uint32_t v) const { w_.U32(v); }
  void operator()(const char*, int v) const { w_.U32(static_cast<uint32_t>(v)); }
  void operator()(const char*, int64_t v) const { w_.U64(static_cast<uint64_t>(v)); }
  void operator()(const char* name, const SealedWindow& w) const {
    for (const uint32_t v :
         {w.kernel.h, w.kernel.w, w.stride.h, w.stride.w, w.pads.top, w.pads.left, w.pads.bottom, w.pads.right}) {
      (*this)(name, v);
    }
  }
  template <typename T>
  void operator()(const char* name, const std::vector<T>& list) const {
    w_.U32(static_cast<uint32_t>(list.size()));
    for (const T v : list) (*this)(name, v);
  }

 private:
  ByteWriter& w_;
};

// Keeps its first error.
class Reader {
 public:
  Reader(ByteReader& r, absl::Status& status) : r_(r), status_(status) {}

  void operator()(const char* name, uint32_t& v) const { Set(v, r_.U32(name)); }
  void operator()(const char* name, int& v) const { Set(v, r_.U32(name)); }
  void operator()(const char* name, int64_t& v) const { Set(v, r_.U64(name)); }
  void operator()(const char* name, SealedWindow& w) const {
    for (uint32_t* v : {&w.kernel.h, &w.kernel.w, &w.stride.h, &w.stride.w, &w.pads.top, &w.pads.left, &w.pads.bottom,
                        &w.pads.right}) {
      (*this)(name, *v);
    }
  }
  // Nothing is allocated before its bytes are seen to be there.
  template <typename T>
  void operator()(const char* name, std::vector<T>& list) const {
    uint32_t count = 0;
    Set(count, r_.U32InRange(0, kMaxList, name));
    if (status_.ok() && r_.remaining() / sizeof(T) < count) {
      status_ = r_.Error(name, fmt::format("needs {} numbers, {} bytes are left", count, r_.remaining()));
    }
    if (!status_.ok()) return;
    list.resize(count);
    for (T& v : list) (*this)(name, v);
  }

 private:
  template <typename T, typename Word>
  void Set(T& v, absl::StatusOr<Word> word) const {
    if (!status_.ok()) return;
    status_ = word.status();
    if (word.ok()) v = static_cast<T>(*word);
  }
  ByteReader& r_;
  absl::Status& status_;
};

// The step whose place among the kinds of SealedStep is `kind`.
template <size_t... kinds>
SealedStep MakeStep(size_t kind, std::index_sequence<kinds...>) {
  SealedStep step;
  ((kind == kinds ? static_cast<void>(step.emplace<kinds>()) : static_cast<void>(0)), ...);
  return step;
}

constexpr size_t kKinds = std::variant_size_v<SealedStep>;

}  // namespace

Bytes WriteProgram(const SealedProgram& program) {
  ByteWriter w;
  w.U32(kProgramVersion);
  w.U8(static_cast<uint8_t>(program.reveal));
  w.U32(static_cast<uint32_t>(program.answer_bits));
  w.U32(static_cast<uint32_t>(program.steps.size()));
  const Writer writer(w);
  for (size_t at = 0; at < program.steps.size(); ++at) {
    SealedStep step = program.steps[at];
    SealedValue value = program.values[at];
    w.U8(static_cast<uint8_t>(step.index()));
    std::visit([&](auto& s) { Fields(s, writer); }, step);
    Fields(value, writer);
  }
  return std::move(w).Take();
}

absl::StatusOr<SealedProgram> ReadProgram(std::span<const uint8_t> bytes, std::span<const SegmentSpec> segments,
                                          const std::string& what) {
  ByteReader r(bytes, what);
  PRIVDNN_RETURN_IF_ERROR(r.U32InRange(kProgramVersion, kProgramVersion, "program version").status());
  SealedProgram program;
  PRIVDNN_ASSIGN_OR_RETURN(const uint8_t reveal, r.U8("reveal"));
  if (reveal > static_cast<uint8_t>(Reveal::kScores))
    return r.Error("reveal", fmt::format("is {}, must be 0 or 1", reveal));
  program.reveal = static_cast<Reveal>(reveal);
  absl::Status status;
  const Reader reader(r, status);
  reader("answer bits", program.answer_bits);
  PRIVDNN_RETURN_IF_ERROR(status);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t steps, r.U32InRange(1, kMaxProgramSteps, "number of steps"));
  for (uint32_t i = 0; i < steps; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint8_t kind, r.U8("kind of step"));
    if (kind >= kKinds) return r.Error("kind of step", fmt::format("is {}, must be 0 to {}", kind, kKinds - 1));
    program.steps.push_back(MakeStep(kind, std::make_index_sequence<kKinds>()));
    std::visit([&](auto& s) { Fields(s, reader); }, program.steps.back());
    Fields(program.values.emplace_back(), reader);
    PRIVDNN_RETURN_IF_ERROR(status);
  }
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckProgram(program, segments), what));
  return program;
}

}  // namespace privdnn
