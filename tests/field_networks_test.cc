// Networks as exporters write them, each with an operator, a type or a form that users met errors with: encrypted,
// served, asked for scores over the network, and compared with ONNX Runtime. tests/field/make_networks.py makes them.
#include <absl/strings/escaping.h>

#include <nlohmann/json.hpp>

#include "process_test.h"

namespace privdnn {
namespace {

constexpr size_t kClasses = 5;

class FieldNetworks : public ProcessTest {
 protected:
  // As options, with a table of inputs: (37 i mod 101) / 101.
  static std::vector<std::string> Images(const Json& item) {
    const auto shape = item["input"].get<std::vector<int64_t>>();
    std::string rows;
    const int64_t size = shape[1] * shape[2] * shape[3];
    for (int64_t i = 0; i < shape[0] * size; ++i) {
      rows += fmt::format("{}{}", static_cast<double>(37 * i % 101) / 101, (i + 1) % size == 0 ? '\n' : ',');
    }
    EXPECT_TRUE(WriteTextFile(Path("rows.csv"), rows).ok());
    return {"--images", Path("rows.csv")};
  }

  static std::string Model(const Json& item) {
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(item[item.contains("given") ? "given" : "model"].get<std::string>(), &bytes));
    const std::string path = Path(item["name"].get<std::string>() + ".onnx");
    EXPECT_TRUE(WriteTextFile(path, bytes).ok());
    return path;
  }

  // Scores within `tolerance`; from an ArgMax the largest's index.
  static void ExpectScores(const Json& item, const std::vector<float>& scores, double tolerance) {
    const Json& expected = item["values"];
    if (!item["indices"].get<bool>()) {
      ASSERT_EQ(scores.size(), expected.size());
      for (size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected[i].get<double>(), tolerance) << i;
      return;
    }
    ASSERT_EQ(scores.size(), expected.size() * kClasses);
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto row = scores.begin() + static_cast<std::ptrdiff_t>(i * kClasses);
      EXPECT_EQ(std::max_element(row, row + kClasses) - row, expected[i]);
    }
  }

  static double Largest(const Json& item) {
    double largest = 0;
    for (const Json& value : item["values"]) largest = std::max(largest, std::abs(value.get<double>()));
    return largest;
  }

  static std::vector<float> Answer(const Json& item, const std::string& model,
                                   const std::vector<std::string>& options) {
    const std::string name = item["name"];
    std::vector<std::string> encrypt = {"encrypt",        model,
                                        "--selection",    item["selection"],
                                        "--input-bits",   "12",
                                        "--kernel-bits",  "16",
                                        "--image-budget", "1000",
                                        "--simulate",     "0",
                                        "--package",      Path(name + ".privdnn"),
                                        "--key",          Path(name + ".key")};
    encrypt.insert(encrypt.end(), options.begin(), options.end());
    const Ended made = Run(encrypt);
    EXPECT_EQ(made.exit_code, 0) << made.err;
    if (made.exit_code != 0) return {};
    RunningOwner owner = StartOwner(name + ".key");
    const Ended asked = Run(
        Infer(owner.address, {"--images", Path("rows.csv"), "--json", "--scores", Path("s.csv")}, name + ".privdnn"));
    owner.process.Signal(SIGTERM);
    EXPECT_EQ(owner.process.Wait(kPatience)->exit_code, 0);
    EXPECT_EQ(asked.exit_code, 0) << asked.err;
    std::vector<float> scores;
    if (asked.exit_code != 0) return scores;
    const Json answer = Json::parse(asked.out);
    for (const Json& row : answer["scores"]) {
      for (const Json& score : row) scores.push_back(score);
    }
    return scores;
  }
};

TEST_F(FieldNetworks, ScoresAsOnnxRuntimeHasThem) {
  const Json networks = Json::parse(*ReadTextFile(PRIVDNN_FIELD "/networks.json", 1 << 24));
  EXPECT_GE(networks.size(), 50u);
  for (const Json& item : networks) {
    SCOPED_TRACE(item["name"].get<std::string>());
    const std::string model = Model(item);
    std::vector<std::string> options = Images(item);
    if (item.contains("input_shape")) {
      options.insert(options.end(),
                     {"--input-shape", fmt::format("{}", fmt::join(item["input_shape"].get<std::vector<int>>(), ","))});
    }
    if (item.contains("error")) {
      std::vector<std::string> plan = {"plan", model, "--selection", item["selection"]};
      plan.insert(plan.end(), options.begin(), options.end());
      ExpectFails(plan, item["error"]);
      continue;
    }
    const double scale = item["indices"].get<bool>() ? 1 : Largest(item);
    ExpectScores(item, Answer(item, model, options), (2e-3 + item.value("rounding", 0.0)) * scale);
  }
}

}  // namespace
}  // namespace privdnn
