#include "plan/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "plan/answers.h"
#include "plan/evidence_json.h"

namespace rw {
namespace {

using ::testing::HasSubstr;

std::string Refused(const std::string& rows) {
  const auto parsed =
      ParseEvidence(R"({"schema": "ropewalk-rules-1", "rows": [)" + rows + "]}", "my.json");
  return parsed ? "read" : parsed.error().message;
}

TEST(EvidenceJson, ReadsBackWhatItWrites) {
  EvidenceRow row{.question = "custom_ops:rms_norm",
                  .choice = true,
                  .device = Device::kCuda,
                  .device_name = "NVIDIA \"H200\"",
                  .arch = "sm90",
                  .dtype = DType::kBF16,
                  .tokens = {1, 256},
                  .margin = "+3.4 %",
                  .spread = "0.4 %",
                  .finding = "words",
                  .date = "2026-11-24",
                  .command = "ropewalk bench kernels",
                  .commit = "0123456",
                  .result = "bench/results/h200/matrix.json",
                  .sources = {{"rms_norm@gpu", "0123456789abcdef"}},
                  .file = "my.json"};
  row.where = {.d = Bounds{128, 128},
               .hq = Bounds{32, 64},
               .hk = Bounds{8, 8},
               .width = Bounds{1, Bounds::kNoLimit},
               .kv_dtype = DType::kF8E4M3,
               .kv_layout = KvLayout::kNhd};
  EvidenceRow cited{.question = "pass_config.fuse_rope_kvcache",
                    .device = Device::kRocm,
                    .kind = EvidenceKind::kCited,
                    .source = "https://example.org/1",
                    .file = "my.json"};
  const std::vector<EvidenceRow> rows = {row, cited};
  const auto read = ParseEvidence(EvidenceJson(rows), "my.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, rows);
}

TEST(EvidenceJson, AnErrorNamesThePlaceAndTheNearestName) {
  const std::string ok = R"("choice": true, "device": "cuda", "result": "r.json")";
  EXPECT_EQ(Refused(R"({"question": "custom_ops:rms_norm", )" + ok + "}"), "read");
  EXPECT_EQ(
      Refused(R"({"question": "pass_config.fuse_rope_kvcahe", )" + ok + "}"),
      "my.json: rows[0].question: unknown question 'pass_config.fuse_rope_kvcahe', the nearest "
      "is pass_config.fuse_rope_kvcache");
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rms_nrom", )" + ok + "}"),
              HasSubstr("the nearest is custom_ops:rms_norm"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "token": [1, 2], )" + ok + "}"),
              HasSubstr("rows[0].token: unknown key, the nearest is tokens"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "tokens": [9, 2], )" + ok + "}"),
              HasSubstr("two whole numbers from 1 up, found [9, 2]"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "where": {"dd": [1, 2]}, )" + ok + "}"),
              HasSubstr("rows[0].where.dd: unknown key, the nearest is d"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "dtype": "bfloat", )" + ok + "}"),
              HasSubstr("unknown 'bfloat', the nearest is bfloat16"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "choice": 1, "device": "cpu"})"),
              HasSubstr("rows[0].choice: expected"));
  EXPECT_THAT(Refused(R"({"question": "custom_ops:rope", "choice": true, "device": "cpu"})"),
              HasSubstr("rows[0].result"));
  EXPECT_THAT(Refused("7"), HasSubstr("rows[0]: expected an object"));
  const auto schema = ParseEvidence(R"({"schema": "ropewalk-kernels-1"})", "my.json");
  ASSERT_FALSE(schema);
  EXPECT_THAT(schema.error().message, HasSubstr("expected 'ropewalk-rules-1', found"));
}

TEST(Evidence, BuiltInRowsNameFilesThatAreThere) {
  EXPECT_FALSE(BuiltinEvidence()->rows().empty());
  for (const EvidenceRow& row : BuiltinEvidence()->rows()) {
    if (row.kind == EvidenceKind::kCited) {
      EXPECT_TRUE(row.source.starts_with("https://")) << row.question;
      continue;
    }
    EXPECT_TRUE(std::filesystem::exists(RW_SOURCE_DIR "/" + row.result)) << row.result;
  }
}

// An H200 that runs an 8B shape.
Facts OnH200(std::vector<EvidenceRow> rows) {
  Facts facts;
  facts.platform = *ParsePlatform("cuda:sm90");
  facts.device_name = "NVIDIA H200";
  facts.head_dim = 128;
  facts.intermediate_size = 14336;
  facts.evidence = std::make_shared<const EvidenceTable>(std::move(rows));
  return facts;
}

EvidenceRow Row(bool choice, Bounds tokens = {}) {
  return {.question = "custom_ops:silu_mul",
          .choice = choice,
          .device = Device::kCuda,
          .arch = "sm90",
          .tokens = tokens};
}

// "1-16 true, 17-64 none"
std::string Told(const Facts& facts) {
  std::string text;
  for (const Answer& answer : AnswersTo("custom_ops:silu_mul", facts, 64)) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", ToString(answer.tokens),
                        answer.row == nullptr ? "none"
                        : answer.row->choice  ? "true"
                                              : "false");
  }
  return text;
}

TEST(Answers, EachNumberOfTokensHasTheBestRow) {
  EXPECT_EQ(Told(OnH200({})), "1-64 none");
  EXPECT_EQ(Told(OnH200({Row(true, {1, 16}), Row(false, {33, 999})})),
            "1-16 true, 17-32 none, 33-64 false");
  // A better row within a worse one.
  EvidenceRow users = Row(false, {8, 8});
  users.users = true;
  EXPECT_EQ(Told(OnH200({Row(true), users})), "1-7 true, 8 false, 9-64 true");
  EvidenceRow cited = Row(true);
  cited.kind = EvidenceKind::kCited;
  EXPECT_EQ(Told(OnH200({cited, Row(false, {1, 8})})), "1-8 false, 9-64 true");
  EXPECT_EQ(Told(OnH200({Row(true, {65, 99})})), "1-64 none");
}

TEST(Answers, ConditionsMustHold) {
  const auto told = [](auto change) {
    EvidenceRow row = Row(true);
    change(row);
    return Told(OnH200({row}));
  };
  EXPECT_EQ(told([](EvidenceRow& r) { r.arch = "sm100"; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.arch = "sm90,flashinfer"; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.arch = ""; }), "1-64 true");
  EXPECT_EQ(told([](EvidenceRow& r) { r.device = Device::kRocm; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.dtype = DType::kF16; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.d = Bounds{64, 96}; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.d = Bounds{64, 128}; }), "1-64 true");
  // The heads of this model are not known, nor its cache.
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.hq = Bounds{1, 999}; }), "1-64 none");
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.kv_dtype = DType::kBF16; }), "1-64 none");
  // The width of silu_mul is the MLP's.
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.width = Bounds{14336, 14336}; }), "1-64 true");
  EXPECT_EQ(told([](EvidenceRow& r) { r.where.width = Bounds{4096, 4096}; }), "1-64 none");
  // Another device of the same architecture will do; without an architecture the name decides.
  EXPECT_EQ(told([](EvidenceRow& r) { r.device_name = "NVIDIA H100"; }), "1-64 true");
  EXPECT_EQ(told([](EvidenceRow& r) { r.arch = "", r.device_name = "NVIDIA H100"; }), "1-64 none");
}

TEST(Answers, TheVeryDeviceGoesBeforeItsLike) {
  EvidenceRow like = Row(true);
  like.device_name = "NVIDIA H100";
  EvidenceRow same = Row(false);
  same.device_name = "NVIDIA H200";
  EXPECT_EQ(Told(OnH200({like, same})), "1-64 false");
  EXPECT_EQ(Told(OnH200({same, like})), "1-64 false");
}

}  // namespace
}  // namespace rw
