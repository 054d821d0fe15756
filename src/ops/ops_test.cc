#include "ops/ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/graph.h"

namespace rw {
namespace {

using testing::HasSubstr;

TEST(Ops, NamesAreUniqueAndFound) {
  for (const OpDef* op : ops::All()) EXPECT_EQ(ops::Find(op->name), op) << op->name;
  EXPECT_EQ(ops::Find("ropee"), nullptr);
}

constexpr std::string_view kText = R"(graph tiny
input %tokens: i32[n]
input %positions: i32[n]
input %slots: i32[n]
input %query_start: i32[s1]
input %lengths: i32[s]
input %block_table: i32[s,p]
input %rope: f32[m,16]
input %kv.0: kv<bf16>[2,16]
weight @embed: bf16[100,64]
weight @norm: f32[64]
weight @qkv: bf16[128,64]
weight @qkv.bias: bf16[128]
%x = embed(%tokens, @embed) {dtype = "f32"}: f32[n,64]
%xn = rms_norm(%x, @norm) {eps = 1e-05, style = "llama"}: f32[n,64] layer 0
%qkv = linear(%xn, @qkv, @qkv.bias): f32[n,128] layer 0
%q0 = slice(%qkv) {begin = 0, width = 64}: f32[n,64] layer 0
%k0 = slice(%qkv) {begin = 64, width = 32}: f32[n,32] layer 0
%v0 = slice(%qkv) {begin = 96, width = 32}: f32[n,32] layer 0
%q1 = split_heads(%q0) {d = 16}: f32[n,4,16] layer 0
%k1 = split_heads(%k0) {d = 16}: f32[n,2,16] layer 0
%v1 = split_heads(%v0) {d = 16}: f32[n,2,16] layer 0
%q2, %k2 = rope(%q1, %k1, %positions, %rope) {layout = "half"}: f32[n,4,16], f32[n,2,16] layer 0
%kv.0.new = kv_write(%k2, %v1, %slots, %kv.0): kv<bf16>[2,16] layer 0
%o = attention(%q2, %query_start, %lengths, %block_table, %kv.0.new) {scale = 0.25, softcap = 0.0, window = 0}: f32[n,4,16] layer 0
%o1 = merge_heads(%o): f32[n,64] layer 0
%y = add(%x, %o1): f32[n,64] layer 0
output %y
)";

// The text with its first `from` replaced.
std::string With(std::string_view from, std::string_view to) {
  std::string text(kText);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string ErrorOf(const std::string& text) {
  const auto graph = ParseGraph(text, &ops::Find);
  return graph ? "" : graph.error().message;
}

TEST(GraphText, RoundTrips) {
  const auto graph = ParseGraph(kText, &ops::Find);
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(Print(*graph), kText);
  EXPECT_TRUE(Verify(*graph));
  EXPECT_THAT(PrintDot(*graph), HasSubstr("cluster_0"));
}

TEST(GraphText, RefusesWhatTheSignaturesForbid) {
  EXPECT_THAT(ErrorOf(With("bf16[128,64]\n", "bf16[128,60]\n")), HasSubstr("linear: operand w"));
  EXPECT_THAT(ErrorOf(With("{d = 16}: f32[n,4,16]", "{d = 24}: f32[n,4,16]")),
              HasSubstr("split_heads: operand x"));
  EXPECT_THAT(ErrorOf(With("kv<bf16>[2,16]\n", "kv<bf16>[4,16]\n")), HasSubstr("kv_write"));
  EXPECT_THAT(ErrorOf(With("layout = \"half\"", "layout = \"hlaf\"")), HasSubstr("one of half"));
  EXPECT_THAT(ErrorOf(With("eps = 1e-05, ", "")), HasSubstr("eps is missing"));
  EXPECT_THAT(ErrorOf(With("eps = 1e-05", "eps = 1e-05, epsilon = 1.0")),
              HasSubstr("unknown attribute epsilon"));
  EXPECT_THAT(ErrorOf(With("add(%x, %o1)", "add(%x)")), HasSubstr("found 1 operands"));
  EXPECT_THAT(ErrorOf(With("add(%x, %o1)", "add(%x, %o)")), HasSubstr("wrong rank"));
  EXPECT_THAT(ErrorOf(With("add(%x, %o1)", "sub(%x, %o1)")), HasSubstr("known op"));
  EXPECT_THAT(ErrorOf(With("add(%x, %o1)", "add(%x, %zz)")), HasSubstr("defined above"));
  EXPECT_THAT(ErrorOf(With("layer 0\noutput %y", "layer 0\n%x = mul(%y, %y): f32[n,64]\n")),
              HasSubstr("stands for two"));
}

TEST(GraphText, ReadsAnF8CacheAndSample) {
  std::string text = With("output %y", "%token = sample(%y, %how, %pick): i32[n]\noutput %token");
  text.replace(text.find("weight"), 0, "input %how: f32[n,3]\ninput %pick: i32[n,2]\n");
  for (size_t at; (at = text.find("kv<bf16>")) != text.npos;) text.replace(at, 8, "kv<f8e4m3>");
  const auto graph = ParseGraph(text, &ops::Find);
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(Print(*graph), text);
  EXPECT_TRUE(Verify(*graph));
  const auto replaced = [&](std::string_view from, std::string_view to) {
    return std::string(text).replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT(ErrorOf(replaced("sample(%y", "sample(%q1")), HasSubstr("sample: operand x"));
  EXPECT_THAT(ErrorOf(replaced("how: f32[n,3]", "how: f32[n,4]")), HasSubstr("operand how"));
}

TEST(GraphText, ACacheIsReadOnlyInItsNewestState) {
  // Reading %kv.0 after it was written would depend on an order that the graph does not state.
  EXPECT_THAT(ErrorOf(With("%block_table, %kv.0.new)", "%block_table, %kv.0)")),
              HasSubstr("kv.0 was overwritten"));
}

}  // namespace
}  // namespace rw
