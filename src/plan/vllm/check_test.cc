#include "plan/vllm/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace rw::vllm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kRecorded[] = RW_SOURCE_DIR "/tests/conformance/vllm-resolution.jsonl";

std::string Recorded(int number) {
  std::ifstream file(kRecorded);
  std::string line;
  for (int i = 0; i <= number; ++i) std::getline(file, line);
  return line;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Result<CheckReport> CheckText(const std::string& text, int max_differences = 20) {
  const std::string path = testing::TempDir() + "rw_vllm_check_test.jsonl";
  std::ofstream(path) << text;
  return CheckCases(path, max_differences);
}

TEST(VllmCheck, EveryRecordedCaseIsResolvedTheSame) {
  const auto report = CheckCases(kRecorded);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->differences, ElementsAre());
  EXPECT_EQ(report->failed, 0);
  EXPECT_EQ(report->passed, 204);
}

// The first recorded case has mode DYNAMO_TRACE_ONCE and fuse_rope_kvcache on.
TEST(VllmCheck, ADifferenceNamesCaseAndField) {
  const std::string line = Recorded(0);
  const std::string mode = Replaced(line, R"("max_capture_size": 0, "mode": "DYNAMO_TRACE_ONCE")",
                                    R"("max_capture_size": 0, "mode": "NONE")");
  const std::string fusion = Replaced(line, R"("fuse_rope_kvcache": true, "fuse_rope_kvcache_cat)",
                                      R"("fuse_rope_kvcache": false, "fuse_rope_kvcache_cat)");
  const auto report = CheckText(mode + "\n\n" + fusion + "\n" + line);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->passed, 1);
  EXPECT_EQ(report->failed, 2);
  EXPECT_THAT(
      report->differences,
      ElementsAre("case 11-0: mode: recorded NONE, planned DYNAMO_TRACE_ONCE",
                  "case 11-0: pass_config.fuse_rope_kvcache: recorded false, planned true"));
}

TEST(VllmCheck, OrderOfCustomOpsMeansNothingAndTheirNumberDoes) {
  const std::string line = Recorded(0);
  const std::string all =
      R"(["+rotary_embedding", "+grouped_topk", "+sparse_attn_indexer", "none"])";
  const auto swapped = CheckText(Replaced(
      line, all, R"(["none", "+grouped_topk", "+sparse_attn_indexer", "+rotary_embedding"])"));
  EXPECT_EQ(swapped->passed, 1);
  const auto twice =
      CheckText(Replaced(line, all, R"(["+rotary_embedding", "+grouped_topk", "none", "none"])"));
  ASSERT_EQ(twice->differences.size(), 1u);
  EXPECT_THAT(twice->differences[0], StartsWith("case 11-0: custom_ops: recorded ["));
}

TEST(VllmCheck, AnErrorIsComparedByItsCode) {
  const std::string line = Recorded(0);
  const std::string refused =
      line.substr(0, line.find(R"("outcome")")) + R"("outcome": {"error": "custom-op-syntax"}})";
  const auto report = CheckText(refused);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->differences,
              ElementsAre("case 11-0: error: recorded custom-op-syntax, planned none"));
}

TEST(VllmCheck, OnlySoManyDifferencesAreListed) {
  const std::string line =
      Replaced(Recorded(0), R"("compile_ranges": [[1, 256]])", R"("compile_ranges": [[1, 255]])");
  const auto report = CheckText(line + "\n" + line + "\n" + line + "\n", 2);
  EXPECT_EQ(report->failed, 3);
  EXPECT_EQ(report->differences.size(), 2u);
}

TEST(VllmCheck, AMalformedLineIsNamedAndHasFailed) {
  const std::string line = Recorded(0);
  const struct {
    std::string text;
    const char* said;
  } rows[] = {
      {"{", "rw_vllm_check_test.jsonl line 2"},
      {"[]", "line 2"},
      {Replaced(line, R"("aiter": false)", R"("aiter": 3)"), "line 2: facts.aiter"},
      {Replaced(line, R"("aiter": false)", R"("moon": 3)"), "line 2: facts.moon: unknown fact"},
      {Replaced(line, R"("rocm")", R"("vax")"), "line 2: facts: --platform vax"},
      {Replaced(line, R"("optimization_level": 2)", R"("optimization_level": 7)"),
       "line 2: optimization_level"},
      {Replaced(line, R"("fuse_rope_kvcache": true)", R"("fuse_rope": true)"),
       "line 2: compilation_config"},
      {Replaced(line, R"("capture_sizes")", R"("other")"), "line 2: outcome"},
  };
  for (const auto& row : rows) {
    const auto report = CheckText(line + "\n" + row.text + "\n");
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->passed, 1);
    EXPECT_EQ(report->failed, 1);
    ASSERT_EQ(report->differences.size(), 1u) << row.text.substr(0, 40);
    EXPECT_THAT(report->differences[0], HasSubstr(row.said));
  }
}

TEST(VllmCheck, AFileThatIsNotThere) { EXPECT_FALSE(CheckCases("no/such/file.jsonl")); }

}  // namespace
}  // namespace rw::vllm
