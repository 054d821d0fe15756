// The tables of rules_test_rows.h and rules_test_numbers.h against the rules.
#include "plan/vllm/rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "plan/names.h"
#include "plan/vllm/rules_test_numbers.h"
#include "plan/vllm/rules_test_rows.h"

namespace rw::vllm {
namespace {

using enum Knob;

// "rocm:gfx950,aiter O2 tp=4 eager": a platform, then a level, numbers and facts by name.
void ReadFacts(const std::string& text, Facts& facts, Options& options) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  auto platform = ParsePlatform(word);
  ASSERT_TRUE(platform) << platform.error().message;
  facts.platform = *platform;
  const std::map<std::string, int64_t*> numbers = {{"tp", &facts.tensor_parallel_size},
                                                   {"pp", &facts.pipeline_parallel_size},
                                                   {"hidden", &facts.hidden_size},
                                                   {"tokens", &facts.max_num_batched_tokens},
                                                   {"seqs", &facts.max_num_seqs}};
  const std::map<std::string, bool*> flags = {{"eager", &options.enforce_eager},
                                              {"pooling", &facts.pooling},
                                              {"encdec", &facts.encoder_decoder},
                                              {"fp8", &facts.block_quantized_fp8},
                                              {"nvfp4", &facts.nvfp4}};
  while (words >> word) {
    const size_t equals = word.find('=');
    if (word.size() == 2 && word[0] == 'O') {
      options.level = word[1] - '0';
    } else if (equals != std::string::npos) {
      *numbers.at(word.substr(0, equals)) = std::stoll(word.substr(equals + 1));
    } else if (word == "f32") {
      facts.dtype = DType::kF32;
    } else {
      *flags.at(word) = true;
    }
  }
}

// @14: the attention ops. @15: those and one KV-cache update. @16: those and both.
Names SplittingNames(size_t count) {
  Names names;
  for (const SplittingOpDef& def : SplittingOps()) names.emplace_back(def.name);
  names.resize(count);
  return names;
}

// "custom_ops=all; fuse_rope_kvcache=true": flags as after -cc., one by one.
void ReadFlags(const std::string& text, Options& options) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find("; ", at), text.size());
    std::string flag = text.substr(at, end - at);
    if (const size_t mark = flag.find('@'); mark != std::string::npos) {
      const Names names = SplittingNames(std::stoul(flag.substr(mark + 1)));
      flag = fmt::format("{}[{}]", flag.substr(0, mark), fmt::join(names, ","));
    }
    const auto status = ApplyCompilationConfig(flag, options);
    ASSERT_TRUE(status) << status.error().message;
    at = end + 2;
  }
}

std::string Codes(const Plan& plan) {
  std::set<std::string> codes;
  for (const Warning& warning : plan.warnings) codes.insert(warning.code);
  return fmt::format("{}", fmt::join(codes, " "));
}

std::string Ranges(const Plan& plan) {
  std::string text;
  for (const TokenRange& range : plan.ranges) {
    text += fmt::format("{}{}-{}", text.empty() ? "" : " ", range.first, range.last);
  }
  return text;
}

// What the plan has for a name of the table: a knob, the number of entries of a list (#), the
// fusions that are on, warnings, ranges or the error.
std::string Found(const tl::expected<Plan, Refusal>& plan, const std::string& name) {
  if (name == "error") return plan ? "none" : plan.error().code;
  if (!plan) return "refused: " + plan.error().message;
  if (name == "warnings") return Codes(*plan);
  if (name == "ranges") return Ranges(*plan);
  if (name == "fusions") {
    std::string on;
    for (const FusionDef& fusion : Fusions()) {
      const std::string_view full = Def(fusion.knob).name;
      if (plan->On(fusion.knob)) {
        on += fmt::format("{}{}", on.empty() ? "" : " ", full.substr(full.rfind('.') + 1));
      }
    }
    return on;
  }
  const bool count = name[0] == '#';
  const auto knob = FindKnob(count ? name.substr(1) : name);
  if (!knob) return knob.error().message;
  const KnobValue& value = (*plan)[*knob].value;
  if (!count) return ToString(Def(*knob), value);
  const auto* names = std::get_if<Names>(&value);
  return std::to_string(names != nullptr ? names->size() : std::get<Sizes>(value).size());
}

class Resolution : public testing::TestWithParam<Row> {};

TEST_P(Resolution, IsThatOfVllm) {
  Facts facts;
  Options options;
  ReadFacts(GetParam().facts, facts, options);
  ReadFlags(GetParam().flags, options);
  const auto plan = MakePlan(facts, options);
  const std::string expected = GetParam().expected;
  for (size_t at = 0; at < expected.size();) {
    const size_t end = std::min(expected.find("; ", at), expected.size());
    const std::string entry = expected.substr(at, end - at);
    const size_t space = std::min(entry.find(' '), entry.size());
    const std::string name = entry.substr(0, space);
    EXPECT_EQ(Found(plan, name), space < entry.size() ? entry.substr(space + 1) : "") << name;
    at = end + 2;
  }
}

std::string NameOf(const testing::TestParamInfo<Row>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Levels, Resolution, testing::ValuesIn(kLevels), NameOf);
INSTANTIATE_TEST_SUITE_P(RopeKvcache, Resolution, testing::ValuesIn(kRopeKvcache), NameOf);
INSTANTIATE_TEST_SUITE_P(Splitting, Resolution, testing::ValuesIn(kSplitting), NameOf);
INSTANTIATE_TEST_SUITE_P(Parallel, Resolution, testing::ValuesIn(kParallel), NameOf);
INSTANTIATE_TEST_SUITE_P(QuantAndSizes, Resolution, testing::ValuesIn(kQuantAndSizes), NameOf);
INSTANTIATE_TEST_SUITE_P(Cpu, Resolution, testing::ValuesIn(kCpu), NameOf);

}  // namespace
}  // namespace rw::vllm
