// WriteProgram, ReadProgram: docs/package-format.md is the specification.
#include "privdnn/sealed/program.h"

namespace privdnn {
namespace {

constexpr uint32_t kProgramVersion = 1;
constexpr uint32_t kMaxProgramSteps = 4096;
// Wherever the package or the key lies: no list is longer than its bytes.
constexpr uint32_t kMaxList = uint32_t{1} << 28;

enum Kind : uint8_t { kInput, kLinear, kRelu, kExtend, kMaxPool, kSquare, kAdd, kReshape, kKinds };

class Writer {
 public:
  explicit Writer(ByteWriter& w) : w_(w) {}

  void operator()(const InputStep& s) {
    w_.U8(kInput);
    w_.U32(s.front);
    Int(s.range_bits);
  }
  void operator()(const LinearStep& s) {
    w_.U8(kLinear);
    w_.U32(s.input);
    Window(s.window);
    w_.U32(s.groups);
    w_.U32(s.segment);
    Int(s.drop);
    for (const auto* list : {&s.plain, &s.encrypted}) {
      w_.U32(static_cast<uint32_t>(list->size()));
      for (const uint32_t v : *list) w_.U32(v);
    }
    w_.U32(static_cast<uint32_t>(s.weights.size()));
    for (const int32_t v : s.weights) w_.U32(static_cast<uint32_t>(v));
    w_.U32(static_cast<uint32_t>(s.bias.size()));
    for (const int64_t v : s.bias) w_.U64(static_cast<uint64_t>(v));
  }
  void operator()(const ReluStep& s) {
    w_.U8(kRelu);
    w_.U32(s.input);
    Int(s.range_bits);
  }
  void operator()(const ExtendStep& s) {
    w_.U8(kExtend);
    w_.U32(s.input);
    Int(s.range_bits);
  }
  void operator()(const MaxPoolStep& s) {
    w_.U8(kMaxPool);
    w_.U32(s.input);
    Window(s.window);
  }
  void operator()(const SquareStep& s) {
    w_.U8(kSquare);
    w_.U32(s.input);
    Int(s.drop);
  }
  void operator()(const AddStep& s) {
    w_.U8(kAdd);
    w_.U32(s.first);
    w_.U32(s.second);
    Int(s.drop_first);
    Int(s.drop_second);
  }
  void operator()(const ReshapeStep& s) {
    w_.U8(kReshape);
    w_.U32(s.input);
  }
  void Int(int v) { w_.U32(static_cast<uint32_t>(v)); }

 private:
  void Window(const SealedWindow& w) {
    for (const uint32_t v :
         {w.kernel.h, w.kernel.w, w.stride.h, w.stride.w, w.pads.top, w.pads.left, w.pads.bottom, w.pads.right}) {
      w_.U32(v);
    }
  }
  ByteWriter& w_;
};

class Reader {
 public:
  explicit Reader(ByteReader& r) : r_(r) {}

  absl::StatusOr<SealedStep> Step() {
    PRIVDNN_ASSIGN_OR_RETURN(const uint8_t kind, r_.U8("kind of step"));
    switch (kind) {
      case kInput: {
        InputStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.front, r_.U32("front output"));
        PRIVDNN_ASSIGN_OR_RETURN(s.range_bits, Int("range bits"));
        return s;
      }
      case kLinear:
        return Linear();
      case kRelu: {
        ReluStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.range_bits, Int("range bits"));
        return s;
      }
      case kExtend: {
        ExtendStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.range_bits, Int("range bits"));
        return s;
      }
      case kMaxPool: {
        MaxPoolStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.window, Window());
        return s;
      }
      case kSquare: {
        SquareStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.drop, Int("dropped bits"));
        return s;
      }
      case kAdd: {
        AddStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.first, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.second, r_.U32("input"));
        PRIVDNN_ASSIGN_OR_RETURN(s.drop_first, Int("dropped bits"));
        PRIVDNN_ASSIGN_OR_RETURN(s.drop_second, Int("dropped bits"));
        return s;
      }
      case kReshape: {
        ReshapeStep s;
        PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
        return s;
      }
      default:
        return r_.Error("kind of step", fmt::format("is {}, must be 0 to {}", kind, kKinds - 1));
    }
  }

  absl::StatusOr<SealedValue> Value() {
    SealedValue v;
    PRIVDNN_ASSIGN_OR_RETURN(v.shape.channels, r_.U32("channels"));
    PRIVDNN_ASSIGN_OR_RETURN(v.shape.height, r_.U32("height"));
    PRIVDNN_ASSIGN_OR_RETURN(v.shape.width, r_.U32("width"));
    PRIVDNN_ASSIGN_OR_RETURN(v.bits, Int("bits"));
    PRIVDNN_ASSIGN_OR_RETURN(v.exponent, Int("exponent"));
    return v;
  }

  // Small, of either sign.
  absl::StatusOr<int> Int(std::string_view field) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t word, r_.U32(field));
    return static_cast<int>(static_cast<int32_t>(word));
  }

 private:
  absl::StatusOr<SealedStep> Linear() {
    LinearStep s;
    PRIVDNN_ASSIGN_OR_RETURN(s.input, r_.U32("input"));
    PRIVDNN_ASSIGN_OR_RETURN(s.window, Window());
    PRIVDNN_ASSIGN_OR_RETURN(s.groups, r_.U32("groups"));
    PRIVDNN_ASSIGN_OR_RETURN(s.segment, r_.U32("segment"));
    PRIVDNN_ASSIGN_OR_RETURN(s.drop, Int("dropped bits"));
    PRIVDNN_ASSIGN_OR_RETURN(s.plain, Words<uint32_t>("plaintext outputs"));
    PRIVDNN_ASSIGN_OR_RETURN(s.encrypted, Words<uint32_t>("encrypted outputs"));
    PRIVDNN_ASSIGN_OR_RETURN(s.weights, Words<int32_t>("weights"));
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t biases, r_.U32InRange(0, kMaxList, "biases"));
    PRIVDNN_ASSIGN_OR_RETURN(const auto bytes, r_.Take(uint64_t{8} * biases, "biases"));
    ByteReader inside(bytes, "biases");
    for (uint32_t i = 0; i < biases; ++i) {
      PRIVDNN_ASSIGN_OR_RETURN(const uint64_t word, inside.U64("bias"));
      s.bias.push_back(static_cast<int64_t>(word));
    }
    return s;
  }

  // A list of words; nothing is allocated before its bytes are seen to be there.
  template <typename T>
  absl::StatusOr<std::vector<T>> Words(std::string_view field) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint32_t count, r_.U32InRange(0, kMaxList, field));
    PRIVDNN_ASSIGN_OR_RETURN(const auto bytes, r_.Take(uint64_t{4} * count, field));
    ByteReader inside(bytes, std::string(field));
    std::vector<T> words;
    words.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      PRIVDNN_ASSIGN_OR_RETURN(const uint32_t word, inside.U32(field));
      words.push_back(static_cast<T>(word));
    }
    return words;
  }

  absl::StatusOr<SealedWindow> Window() {
    SealedWindow w;
    for (uint32_t* v : {&w.kernel.h, &w.kernel.w, &w.stride.h, &w.stride.w, &w.pads.top, &w.pads.left, &w.pads.bottom,
                        &w.pads.right}) {
      PRIVDNN_ASSIGN_OR_RETURN(*v, r_.U32("window"));
    }
    return w;
  }

  ByteReader& r_;
};

}  // namespace

Bytes WriteProgram(const SealedProgram& program) {
  ByteWriter w;
  w.U32(kProgramVersion);
  w.U8(static_cast<uint8_t>(program.reveal));
  w.U32(static_cast<uint32_t>(program.answer_bits));
  w.U32(static_cast<uint32_t>(program.steps.size()));
  Writer writer(w);
  for (size_t at = 0; at < program.steps.size(); ++at) {
    std::visit(writer, program.steps[at]);
    const SealedValue& v = program.values[at];
    for (const uint32_t side : {v.shape.channels, v.shape.height, v.shape.width}) w.U32(side);
    writer.Int(v.bits);
    writer.Int(v.exponent);
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
  Reader reader(r);
  PRIVDNN_ASSIGN_OR_RETURN(program.answer_bits, reader.Int("answer bits"));
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t steps, r.U32InRange(1, kMaxProgramSteps, "number of steps"));
  for (uint32_t i = 0; i < steps; ++i) {
    PRIVDNN_ASSIGN_OR_RETURN(SealedStep step, reader.Step());
    program.steps.push_back(std::move(step));
    PRIVDNN_ASSIGN_OR_RETURN(const SealedValue value, reader.Value());
    program.values.push_back(value);
  }
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  PRIVDNN_RETURN_IF_ERROR(Annotate(CheckProgram(program, segments), what));
  return program;
}

}  // namespace privdnn
