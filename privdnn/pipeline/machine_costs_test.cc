#include "privdnn/pipeline/machine_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "privdnn/base/cpu.h"
#include "privdnn/base/file.h"
#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

CostConstants Somewhere(const std::string& cpu) {
  CostConstants c = DefaultCosts("scalar");
  c.cpu = cpu;
  c.ns[0] = 12345.5;
  return c;
}

std::string Error(const Json& json) { return Message(ParseMachines(json.dump(), "m.json").status()); }

TEST(MachineFile, WhatIsWrittenIsRead) {
  const std::vector<CostConstants> machines = {Somewhere("a"), Somewhere("b")};
  const auto read = ParseMachines(MachineJson(machines).dump(2), "m.json");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, machines);
}

TEST(MachineFile, RefusesWithTheReason) {
  const Json good = MachineJson({Somewhere("a")});
  Json bad = good;
  bad["version"] = 2;
  EXPECT_THAT(Error(bad), HasSubstr("not of version 1"));
  bad = good;
  bad["machines"].push_back(bad["machines"][0]);
  EXPECT_THAT(Error(bad), HasSubstr("machine 1 is there twice"));
  bad = good;
  bad["machines"][0]["ns"].erase("forward");
  EXPECT_THAT(Error(bad), HasSubstr("'ns' is not an object of 20 steps"));
  bad["machines"][0]["ns"]["backward"] = 1;
  EXPECT_THAT(Error(bad), HasSubstr("no number 'forward'"));
  for (const Json& value : {Json(-1.0), Json(1e300), Json("1"), Json(nullptr)}) {
    bad = good;
    bad["machines"][0]["ns"]["forward"] = value;
    EXPECT_THAT(Error(bad), HasSubstr("'forward'")) << value;
  }
  bad = good;
  bad["machines"][0]["cache_bytes"] = -1;
  EXPECT_THAT(Error(bad), HasSubstr("cache_bytes"));
  bad = good;
  bad["machines"][0]["cpu"] = std::string(1000, 'x');
  EXPECT_THAT(Error(bad), HasSubstr("has 1000 bytes, must have 1 to 256"));
  bad = good;
  for (int k = 0; k < 65; ++k) bad["machines"].push_back(nullptr);
  EXPECT_THAT(Error(bad), HasSubstr("at most 64"));
  for (const std::string text : {"", "[]", "{", "1", "null", "{\"version\":1}"}) {
    EXPECT_FALSE(ParseMachines(text, "m.json").ok()) << text;
  }
  EXPECT_THAT(Message(ParseMachines(std::string(500'000, '['), "m.json").status()), HasSubstr("is not the JSON"));
  EXPECT_THAT(Message(ParseMachines(std::string(2'000'000, ' '), "m.json").status()), HasSubstr("more than"));
}

TEST(MachineFile, EveryTruncationIsRefusedAndNoFlippedBitIsFatal) {
  const std::string good = MachineJson({Somewhere("a")}).dump();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseMachines(good.substr(0, size), "m.json").ok()) << size;
  }
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto read = ParseMachines(flipped, "m.json");
    if (!read.ok()) continue;
    for (const CostConstants& machine : *read) {
      for (const double ns : machine.ns) EXPECT_TRUE(ns >= 0 && ns <= 1e9);
    }
  }
}

TEST(MachineFile, OnlyThisMachinesConstantsAreUsed) {
  const auto directory = *TemporaryDirectory::Create();
  const auto file = directory.path() / "cache" / "machine.json";
  const Kernels& kernels = **ChooseKernels();
  const CostConstants& documented = DefaultCosts(kernels.name);
  const auto load = [&] { return *LoadMachineCosts(file); };
  EXPECT_FALSE(load().measured);
  EXPECT_EQ(load().costs, documented);
  EXPECT_EQ(load().warning, "");

  ASSERT_TRUE(StoreMachineCosts(file, Somewhere("another")).ok());
  EXPECT_FALSE(load().measured);
  EXPECT_THAT(load().warning, HasSubstr("machine.json: knows nothing of " + CpuModelName()));
  CostConstants here = Somewhere(CpuModelName());
  here.kernel = kernels.name;
  ASSERT_TRUE(StoreMachineCosts(file, here).ok());
  EXPECT_TRUE(load().measured);
  EXPECT_EQ(load().costs, here);
  EXPECT_EQ(load().warning, "");
  here.ns[0] = 1;  // measured again
  ASSERT_TRUE(StoreMachineCosts(file, here).ok());
  EXPECT_EQ(load().costs.ns[0], 1);
  EXPECT_EQ(ParseMachines(*ReadTextFile(file, 1 << 20), "m")->size(), 2u);

  ASSERT_TRUE(WriteTextFile(file, "{\"version\": 1, \"machines\": [{}]}").ok());
  EXPECT_FALSE(load().measured);
  EXPECT_EQ(load().costs, documented);
  EXPECT_THAT(load().warning, HasSubstr("machine.json: machine 0: 'cpu' is not a string; the documented"));
  ASSERT_TRUE(StoreMachineCosts(file, here).ok());  // what is damaged is replaced
  EXPECT_TRUE(load().measured);
}

}  // namespace
}  // namespace privdnn
