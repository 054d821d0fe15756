#include "plan/tune/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace rw::tune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Time {
  std::string variant;
  double median_us;
  double half = 0.01;  // of the interval, as a part of the median
};

// Cells of one call of rope_kv_write; hot unless told.
void AddCells(std::string& json, int64_t tokens, const std::vector<Time>& times,
              const std::string& op = "rope_kv_write", const std::string& shape = R"("d": 128)",
              const std::string& cache = "cold") {
  for (const Time& time : times) {
    json += fmt::format(
        R"({}{{"op": "{}", "variant": "{}", "dtype": "bfloat16", {}, "tokens": {}, "cache": "{}",)"
        R"( "median_us": {}, "low_us": {}, "high_us": {}, "runs": 9,)"
        R"( "kernels": ["rope@simd", "{}@abacus"], "sources": "1234+5678"}})",
        json.empty() ? "" : ",", op, time.variant, shape, tokens, cache, time.median_us,
        time.median_us * (1 - time.half), time.median_us * (1 + time.half), time.variant);
  }
}

Matrix MatrixOf(const std::string& cells) {
  const auto matrix = ParseMatrix(
      fmt::format(
          R"({{"schema": "ropewalk-kernels-1", "device": {{"kind": "cuda", "name": "Test GPU",)"
          R"( "arch": "sm_90,flashinfer"}}, "command": "c", "date": "d", "commit": "e", "cells": [{}]}})",
          cells),
      "matrix.json");
  EXPECT_TRUE(matrix) << matrix.error().message;
  return *matrix;
}

Evidence EvidenceOf(std::vector<EvidenceRow> rows) {
  return std::make_shared<const EvidenceTable>(std::move(rows));
}

// "pass_config.fuse_rope_kvcache on 1-64"
std::vector<std::string> Told(const std::vector<EvidenceRow>& rows) {
  std::vector<std::string> told;
  for (const EvidenceRow& row : rows) {
    told.push_back(
        fmt::format("{} {} {}", row.question, row.choice ? "on" : "off", ToString(row.tokens)));
  }
  return told;
}

TEST(Propose, OneRowForNeighboursWithOneWinner) {
  std::string cells;
  AddCells(cells, 1, {{"fused", 1}, {"custom", 2}, {"native", 3}});
  AddCells(cells, 4, {{"fused", 1}, {"custom", 1.005}, {"native", 3}});  // within the spread
  AddCells(cells, 16, {{"fused", 1}, {"custom", 1.5}, {"native", 1.4}});
  AddCells(cells, 64, {{"fused", 2}, {"custom", 3}, {"native", 1}});
  const Proposals proposals = Propose({MatrixOf(cells)}, {});
  EXPECT_THAT(Told(proposals.rows),
              ElementsAre("custom_ops:rope_kv_write on 1-32", "custom_ops:rope_kv_write off 33-64",
                          "pass_config.fuse_rope_kvcache on 1-64"));
  const EvidenceRow& row = proposals.rows[2];
  EXPECT_EQ(row.margin, "+100.0 %");
  EXPECT_EQ(row.spread, "1.0 %");
  EXPECT_EQ(row.device_name, "Test GPU");
  EXPECT_EQ(row.arch, "sm90,flashinfer");
  EXPECT_EQ(row.where.d, (Bounds{128, 128}));
  EXPECT_FALSE(row.where.hq.has_value());
  EXPECT_THAT(row.sources,
              ElementsAre(std::pair("custom@abacus", "5678"), std::pair("fused@abacus", "5678"),
                          std::pair("native@abacus", "5678"), std::pair("rope@simd", "1234")));
}

TEST(Propose, ColdCellsDecideAndWhatIsAbsentDoesNot) {
  std::string cells;
  AddCells(cells, 1, {{"fused", 1}, {"custom", 2}});
  AddCells(cells, 1, {{"fused", 2}, {"custom", 1}}, "rope_kv_write", R"("d": 128)", "hot");
  AddCells(cells, 8, {{"fused", 2}, {"custom", 1}}, "rope_kv_write", R"("d": 128)", "hot");
  cells +=
      R"(,{"op": "rope_kv_write", "variant": "native", "dtype": "bfloat16", "d": 128, "tokens": 1,
         "cache": "cold", "absent": "no kernel"})";
  EXPECT_THAT(
      Told(Propose({MatrixOf(cells)}, {}).rows),
      ElementsAre("pass_config.fuse_rope_kvcache on 1-2", "pass_config.fuse_rope_kvcache off 3-8"));
}

TEST(Propose, ShapesThatAgreeAreOneRow) {
  std::string cells;
  const auto add = [&](int64_t d, double fused) {
    AddCells(cells, 1, {{"fused", fused}, {"custom", 2}}, "rope_kv_write",
             fmt::format(R"("d": {}, "hq": 32)", d));
  };
  add(64, 1);
  add(128, 1.5);
  std::vector<EvidenceRow> rows = Propose({MatrixOf(cells)}, {}).rows;
  ASSERT_THAT(Told(rows), ElementsAre("pass_config.fuse_rope_kvcache on 1"));
  EXPECT_EQ(rows[0].where.d, (Bounds{64, 128}));
  EXPECT_EQ(rows[0].margin, "+33.3 to +100.0 %");
  add(256, 3);
  rows = Propose({MatrixOf(cells)}, {}).rows;
  ASSERT_THAT(Told(rows), ElementsAre("pass_config.fuse_rope_kvcache on 1",
                                      "pass_config.fuse_rope_kvcache off 1"));
  EXPECT_EQ(rows[0].where.d, (Bounds{64, 128}));
  EXPECT_EQ(rows[1].where.d, (Bounds{256, 256}));
  add(512, 1);  // 256 lies between
  EXPECT_THAT(Propose({MatrixOf(cells)}, {}).rows, SizeIs(3));
}

TEST(Propose, OnlyWhatWinsByMoreThanTheSpread) {
  std::string cells;
  AddCells(cells, 1, {{"custom", 1, 0.1}, {"native", 1.15, 0.1}}, "rms_norm", R"("width": 4096)");
  const Proposals proposals = Propose({MatrixOf(cells)}, {});
  EXPECT_THAT(proposals.rows, IsEmpty());
  ASSERT_THAT(proposals.suppressed, SizeIs(1));
  EXPECT_THAT(proposals.suppressed[0].why, HasSubstr("no side wins"));
}

TEST(Propose, OnlyWhatWinsByMoreThanTheNoiseOfTheMatrix) {
  std::string cells;
  const std::vector<Time> close = {{"custom", 1, 0.001}, {"native", 1.05, 0.001}};
  AddCells(cells, 1, close, "rms_norm", R"("width": 4096)");
  EXPECT_THAT(Propose({MatrixOf(cells)}, {}).rows, SizeIs(1));
  for (int64_t tokens = 2; tokens < 20; ++tokens) {
    AddCells(cells, tokens, {{"custom", 1, 0.08}}, "rope");
  }
  const Matrix matrix = MatrixOf(cells);
  EXPECT_NEAR(matrix.noise, 8, 1e-9);
  EXPECT_THAT(Propose({matrix}, {}).rows, IsEmpty());
  EvidenceRow other{.question = QuestionOf("rms_norm"), .choice = false, .device = Device::kCuda};
  EXPECT_THAT(CheckPicks(matrix, EvidenceOf({other})), IsEmpty());
}

TEST(Propose, PartsOfAFusedOp) {
  EXPECT_THAT(CustomPartsOf("rope_kv_write"), ElementsAre("rope"));
  EXPECT_THAT(CustomPartsOf("add_rms_norm"), ElementsAre("rms_norm"));
  EXPECT_THAT(CustomPartsOf("gelu_tanh_mul"), ElementsAre("gelu_tanh"));
  EXPECT_THAT(CustomPartsOf("linear_add"), IsEmpty());
  // What the whole is measured as says nothing of a part alone.
  std::string cells;
  AddCells(cells, 1, {{"custom", 1}, {"native", 2}}, "rope");
  AddCells(cells, 1, {{"custom", 2}, {"native", 1}});
  EXPECT_THAT(Told(Propose({MatrixOf(cells)}, {}).rows),
              ElementsAre("custom_ops:rope on 1", "pass_config.fuse_rope_kvcache on 1"));
}

std::vector<EndToEnd> RunsOf(const std::string& json) {
  const auto document = JsonDocument::Parse(json, "runs.json");
  EXPECT_TRUE(document);
  const auto runs = EndToEndIn(document->root(), "runs.json");
  EXPECT_TRUE(runs) << runs.error().message;
  return *runs;
}

// A report of bench fusions, from a run of 512 prompt tokens.
std::string FusionsReport(std::string_view device, int batch, double max) {
  return fmt::format(
      R"x({{"device": "{}", "results": [{{"dtype": "bf16", "batch_size": {}, "input_len": 512,
          "gain_percent": {{"fuse_rope_kvcache": {{"generate": {{"median": -1, "min": -2,
          "max": {}}}}}, "nothing (noise)": {{}}}}}}]}})x",
      device, batch, max);
}

// A report of bench latency --ab, whose first value is 2 % faster.
std::string AbReport(std::string_view first) {
  return fmt::format(
      R"({{"device": "Test GPU", "dtype": "bf16", "batch_size": 1, "input_len": 512,
         "knob": "pass_config.fuse_rope_kvcache", "a": "{}", "generate": {{"gain_percent":
         {{"median": 2, "low": 1, "high": 3, "noise": 0.1}}}}}})",
      first);
}

TEST(Propose, WholeRunsThatSayOtherwiseSuppress) {
  std::string cells;
  AddCells(cells, 1, {{"fused", 1}, {"custom", 2}});
  AddCells(cells, 16, {{"fused", 1}, {"custom", 2}});
  const auto suppressed = [&](const std::string& runs) {
    return Propose({MatrixOf(cells)}, RunsOf(runs)).suppressed;
  };
  ASSERT_THAT(suppressed(FusionsReport("Test GPU", 8, -0.5)), SizeIs(1));
  EXPECT_THAT(suppressed(FusionsReport("Test GPU", 8, -0.5))[0].why,
              HasSubstr("generate, steps of 8 tokens: -1.0 % (-2.0 to -0.5) in runs.json"));
  EXPECT_THAT(suppressed(FusionsReport("Test GPU", 8, 0.5)), IsEmpty());    // within the spread
  EXPECT_THAT(suppressed(FusionsReport("Test GPU", 64, -0.5)), IsEmpty());  // other steps
  EXPECT_THAT(suppressed(FusionsReport("Another GPU", 8, -0.5)), IsEmpty());
  EXPECT_THAT(suppressed(AbReport("true")), IsEmpty());
  EXPECT_THAT(suppressed(AbReport("false")), SizeIs(1));
}

TEST(CheckPicks, FindsThePickThatLoses) {
  std::string cells;
  AddCells(cells, 1, {{"fused", 1}, {"custom", 2}, {"native", 3}});
  AddCells(cells, 64, {{"fused", 2}, {"custom", 3}, {"native", 1}});
  const Matrix matrix = MatrixOf(cells);
  const auto wrong = CheckPicks(matrix, NoEvidence());  // the level fuses
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].tokens, 64);
  EXPECT_EQ(wrong[0].picked, "fused");
  EXPECT_EQ(wrong[0].fastest, "native");
  EXPECT_THAT(CheckPicks(matrix, EvidenceOf(Propose({matrix}, {}).rows)), IsEmpty());
}

TEST(CheckPicks, WhatIsProposedIsRight) {
  // Many calls of three variants whose times cross in all ways.
  std::string cells;
  for (int shape = 0; shape < 27; ++shape) {
    for (int i = 0; i < 6; ++i) {
      const auto time = [&](int k) { return 1.0 + (shape / k * (i + k) * 7 + i * k) % 5 * 0.3; };
      AddCells(cells, 1 << (2 * i), {{"fused", time(1)}, {"custom", time(3)}, {"native", time(9)}},
               "rope_kv_write", fmt::format(R"("d": {})", 8 * (shape + 1)));
    }
  }
  const Matrix matrix = MatrixOf(cells);
  EXPECT_THAT(CheckPicks(matrix, NoEvidence()), ::testing::Not(IsEmpty()));
  for (const WrongPick& pick : CheckPicks(matrix, EvidenceOf(Propose({matrix}, {}).rows))) {
    ADD_FAILURE() << pick.call << ", " << pick.tokens << " tokens: " << pick.picked << ", not "
                  << pick.fastest;
  }
}

// Cells where the plan loses by a few percent.
struct KnownPick {
  std::string_view call;
  int64_t tokens;
  double factor;  // at most
};
constexpr KnownPick kKnownPicks[] = {
    // On the CPU; for 16 and for 256 tokens generated code is no slower than this.
    {"gelu_tanh_mul bfloat16, width 4096", 64, 1.09},
    // On the CPU; all its parts apart are faster than both, for 4 to 4096 tokens.
    {"qk_norm_rope_kv_write bfloat16, d 64, hq 8, hk 2, kv bfloat16 NHD", 256, 1.06},
};

// On an H200 writing into an fp8 cache apart from q/k norm and rope wins for many tokens. A plan
// gets there by another fusion, which is none of the call's.
bool IsPartly(const WrongPick& pick) {
  return pick.fastest == "expanded1" && pick.call.starts_with("qk_norm_rope_kv_write bfloat16") &&
         pick.call.find("kv fp8_e4m3") != std::string::npos && pick.tokens == 4096;
}

bool IsKnown(const WrongPick& pick) {
  return IsPartly(pick) || std::ranges::any_of(kKnownPicks, [&](const KnownPick& known) {
           return pick.call == known.call && pick.tokens == known.tokens &&
                  pick.picked_us < known.factor * pick.fastest_us;
         });
}

TEST(CheckPicks, BuiltInRulesFollowEveryCommittedMatrix) {
  for (const auto& folder : std::filesystem::directory_iterator(RW_SOURCE_DIR "/bench/results")) {
    const std::string path = folder.path().string() + "/matrix.json";
    if (!std::filesystem::exists(path)) continue;
    const auto text = ReadFile(path);
    ASSERT_TRUE(text) << text.error().message;
    const auto matrix = ParseMatrix(*text, path);
    ASSERT_TRUE(matrix) << matrix.error().message;
    for (const WrongPick& pick : CheckPicks(*matrix, BuiltinEvidence())) {
      if (IsKnown(pick)) continue;
      ADD_FAILURE() << path << ": " << pick.call << ", " << pick.tokens
                    << " tokens: " << pick.picked << " takes " << pick.picked_us << " us, "
                    << pick.fastest << " " << pick.fastest_us;
    }
  }
}

TEST(Rules, OlderRowsOfTheSameCaseAreReplaced) {
  EvidenceRow a{.question = "custom_ops:rope", .choice = true};
  EvidenceRow b = a;
  b.choice = false;
  EvidenceRow other = a;
  other.tokens = {1, 8};
  EXPECT_THAT(Replaced({a, other}, {b}), ElementsAre(b, other));
  EvidenceRow mine = b;
  mine.users = true;
  const EvidenceTable table({mine, a, other});
  ASSERT_THAT(ShadowedRows(table), SizeIs(1));
  EXPECT_EQ(*ShadowedRows(table)[0], a);
}

TEST(Matrix, WhatIsWrongIsNamed) {
  const auto parsed = [](const std::string& text) {
    const auto matrix = ParseMatrix(text, "m.json");
    return matrix ? "read" : matrix.error().message;
  };
  EXPECT_THAT(parsed(R"({"schema": "x"})"), HasSubstr("expected results of bench kernels"));
  const std::string head =
      R"({"schema": "ropewalk-kernels-1", "device": {"kind": "cpu"}, "cells": [{"op": "rope",
         "variant": "custom", "dtype": "bfloat16", "tokens": )";
  EXPECT_THAT(parsed(head + "0}]}"), HasSubstr("cells[0]: expected tokens of 1 or more"));
  EXPECT_THAT(parsed(head + R"(1, "median_us": 1, "low_us": 2, "high_us": 3}]})"),
              HasSubstr("expected low_us <= median_us <= high_us"));
  EXPECT_THAT(parsed(head + R"(1, "median_us": 0, "low_us": 0, "high_us": 0}]})"),
              HasSubstr("a time of more than 0"));
  EXPECT_EQ(parsed(head + R"(1, "absent": "why"}]})"), "read");
}

}  // namespace
}  // namespace rw::tune
