#include "bench/run_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "bench/variants.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

using testing::HasSubstr;

Axes SmallAxes() {
  Axes axes = DefaultAxes();
  axes.ops = {&ops::kRopeKvWrite, &ops::kSiluMul};
  axes.head_dims = {16};
  axes.heads = {{4, 2}};
  axes.widths = {64};
  axes.tokens = {1, 3};
  axes.caches = {"hot"};
  return axes;
}

MatrixRequest SmallRequest() { return {.axes = SmallAxes(), .seconds_per_case = 1e-6}; }

Results Measured() {
  ThreadPool pool(1);
  Results results;
  const auto ended = RunMatrix(CpuDevice(), pool, SmallRequest(), {}, results);
  EXPECT_TRUE(ended) << ended.error().message;
  EXPECT_TRUE(*ended);
  return results;
}

TEST(RunMatrix, EveryVariantOfEveryPointGetsACell) {
  const Results results = Measured();
  ASSERT_EQ(results.cells.size(), 2u * 2 * 3);
  EXPECT_GT(results.device.copy_gb_s, 0);
  for (const Cell& cell : results.cells) {
    EXPECT_EQ(cell.absent, "") << cell.key.op;
    EXPECT_GT(cell.timing.median_us, 0);
    EXPECT_LE(cell.timing.low_us, cell.timing.median_us);
    EXPECT_GE(cell.timing.high_us, cell.timing.median_us);
    EXPECT_GT(cell.bytes, 0);
    EXPECT_FALSE(cell.kernels.empty());
  }
  EXPECT_EQ(results.cells[0].key, (CellKey{"rope_kv_write", "fused", "bfloat16", "bfloat16", "HND",
                                           4, 2, 16, 0, 1, "hot"}));
  EXPECT_EQ(results.cells[6].key,
            (CellKey{"silu_mul", "fused", "bfloat16", "", "", 0, 0, 0, 64, 1, "hot"}));
}

TEST(RunMatrix, WhatIsThereWithTheSameSourcesIsKept) {
  Results results = Measured();
  results.cells[0].timing.median_us = 12345;  // kept
  results.cells[1].timing.median_us = 12345;
  results.cells[1].sources = "older";
  results.cells[2].absent = "for some reason";
  results.cells.pop_back();
  Cell foreign = results.cells[0];
  foreign.key.op = "of another run";
  results.cells.push_back(foreign);
  const auto text = ToJson(results);
  auto read = ParseResults(text, "results");
  ASSERT_TRUE(read) << read.error().message;
  ThreadPool pool(1);
  ASSERT_TRUE(RunMatrix(CpuDevice(), pool, SmallRequest(), {}, *read));
  ASSERT_EQ(read->cells.size(), 13u);
  EXPECT_EQ(read->cells[0].timing.median_us, 12350);  // as the file rounds it
  EXPECT_NE(read->cells[1].timing.median_us, 12350);
  EXPECT_EQ(read->cells[1].sources, Measured().cells[1].sources);
  EXPECT_EQ(read->cells[2].absent, "");
  EXPECT_EQ(read->cells[11].key.op, "of another run");
  EXPECT_EQ(read->cells[12].key.variant, "native");
}

TEST(RunMatrix, AStopKeepsWhatIsDone) {
  ThreadPool pool(1);
  Results results;
  int64_t saved = 0;
  int64_t asked = 0;
  const MatrixHooks hooks{.stop = [&] { return ++asked > 2; },
                          .save =
                              [&] {
                                saved = static_cast<int64_t>(results.cells.size());
                                return Status();
                              }};
  const auto ended = RunMatrix(CpuDevice(), pool, SmallRequest(), hooks, results);
  ASSERT_TRUE(ended);
  EXPECT_FALSE(*ended);
  EXPECT_EQ(saved, 6);  // two points in three variants
}

TEST(RunMatrix, WhatNoKernelComputesIsAbsentWithItsReason) {
  MatrixRequest request = SmallRequest();
  request.axes.ops = {&ops::kLinear3RopeKvWrite};
  request.axes.variants = {"fused", "custom"};
  ThreadPool pool(1);
  Results results;
  ASSERT_TRUE(RunMatrix(CpuDevice(), pool, request, {}, results));
  ASSERT_EQ(results.cells.size(), 4u);
  EXPECT_THAT(results.cells[0].absent, HasSubstr("no kernel"));
  EXPECT_EQ(results.cells[1].absent, "");
}

TEST(Results, ReadBack) {
  Results results{.device = {"cuda", "NVIDIA \"H200\"", "sm_90", 0, 4270.123},
                  .command = "ropewalk bench kernels",
                  .date = "2026-11-24",
                  .commit = "abc"};
  results.cells = {{.key = {"rope_kv_write", "fused", "bfloat16", "fp8_e4m3", "NHD", 32, 8, 128, 0,
                            1024, "cold"},
                    .timing = {8.08, 8.01, 8.2, 31},
                    .bytes = 123,
                    .roof_share = 0.95,
                    .sources = "12ab",
                    .kernels = {"rope_kv_write@gpu"}},
                   {.key = {"silu_mul", "native", "float32", "", "", 0, 0, 0, 4096, 1, "hot"},
                    .absent = "nothing generates it"}};
  const std::string text = ToJson(results);
  const auto read = ParseResults(text, "results");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(ToJson(*read), text);
  EXPECT_EQ(read->cells[0].key, results.cells[0].key);
  EXPECT_EQ(read->cells[0].timing.low_us, 8.01);
  EXPECT_EQ(read->cells[0].kernels, results.cells[0].kernels);
  EXPECT_EQ(read->cells[1].absent, "nothing generates it");
  EXPECT_EQ(read->device.copy_gb_s, 4270);
  EXPECT_THAT(text, HasSubstr(R"("median_us":8.08,"low_us":8.01,"high_us":8.2,"runs":31)"));
}

TEST(Results, AnInterruptedFileIsTheOldOneOrTheNewOne) {
  const std::string folder = testing::TempDir() + "results";
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/kernels.json";
  Results results = {.device = {.kind = "cpu", .copy_gb_s = 1}};
  ASSERT_TRUE(SaveResults(results, path));
  std::ofstream(path + ".new") << "{\"schema\": \"ropew";  // a save that was cut off
  ASSERT_TRUE(LoadResults(path));
  results.date = "2026-11-24";
  ASSERT_TRUE(SaveResults(results, path));
  const auto read = LoadResults(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->date, "2026-11-24");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(Results, WhatIsNoSuchFileIsSaid) {
  const auto message = [](std::string_view text) {
    const auto read = ParseResults(text, "kernels.json");
    return read ? "" : read.error().message;
  };
  EXPECT_THAT(message("{\"schema\""), HasSubstr("kernels.json"));
  EXPECT_THAT(message("{}"), HasSubstr("expected results of bench kernels"));
  EXPECT_THAT(message(R"({"schema": "ropewalk-kernels-1", "device": {"copy_gb_s": 1},
                          "cells": [{"op": "x"}]})"),
              HasSubstr("variant"));
}

TEST(Matrix, ValuesOfAxes) {
  EXPECT_EQ(*ParseHeads("64/8"), (Heads{64, 8}));
  for (const char* text : {"", "8", "8/", "/8", "8/3", "8/0", "0/1", "8/2x"}) {
    EXPECT_FALSE(ParseHeads(text)) << text;
  }
  EXPECT_EQ(*ParseOp("rope_kv_write"), &ops::kRopeKvWrite);
  EXPECT_THAT(ParseOp("rope_kv_writ").error().message, HasSubstr("nearest is rope_kv_write"));
  EXPECT_THAT(ParseOp("slice").error().message, HasSubstr("takes no kernel"));
  EXPECT_EQ(*ParseActivationDType("float16"), DType::kF16);
  EXPECT_FALSE(ParseActivationDType("fp8"));
  EXPECT_EQ(*ParseKvDType("fp8"), DType::kF8E4M3);
  EXPECT_EQ(*ParseKvDType("same"), std::nullopt);
  EXPECT_FALSE(ParseKvDType("bfloat16"));
}

TEST(Matrix, AnOpTakesPartInItsAxes) {
  Axes axes = FullAxes();
  const auto count = [&](const OpDef& op) {
    axes.ops = {&op};
    return PointsOf(axes).size();
  };
  const size_t tokens = axes.tokens.size(), dtypes = axes.dtypes.size();
  const size_t heads = axes.heads.size() * axes.head_dims.size();
  EXPECT_EQ(count(ops::kRmsNorm), tokens * dtypes * axes.widths.size());
  EXPECT_EQ(count(ops::kRope), tokens * dtypes * heads);
  EXPECT_EQ(count(ops::kRopeKvWrite), tokens * dtypes * heads * 2 * 2);
  EXPECT_EQ(count(ops::kLinear3RopeKvWrite), tokens * dtypes * heads * 2 * 2);
  EXPECT_THAT(FullAxes().ops, testing::Contains(&ops::kSiluMul));
  EXPECT_THAT(FullAxes().ops, testing::Not(testing::Contains(&ops::kAttention)));
}

}  // namespace
}  // namespace rw::bench
