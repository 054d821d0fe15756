#include "plan/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace rw {
namespace {

// Questions about rows of the MLP's inner width; all others are about the hidden size.
bool IsOfInnerWidth(std::string_view question) {
  constexpr std::string_view kOps[] = {"silu",     "silu_mul",  "gelu",
                                       "gelu_mul", "gelu_tanh", "gelu_tanh_mul"};
  return question == QuestionOf(Knob::kFuseActMul) ||
         std::ranges::any_of(kOps, [&](std::string_view op) { return question == QuestionOf(op); });
}

KernelShape ShapeOf(const Facts& facts, std::string_view question) {
  return {.d = facts.head_dim,
          .hq = facts.num_q_heads,
          .hk = facts.num_kv_heads,
          .width = IsOfInnerWidth(question) ? facts.intermediate_size : facts.hidden_size,
          .kv_dtype = facts.kv_dtype,
          .kv_layout = facts.kv_layout};
}

// Whether the platform has each of the names, its architecture or features of it: "x86-64,avx2".
bool HasAll(const Platform& platform, std::string_view names) {
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    if (name != platform.arch && !platform.Has(name)) return false;
    names.remove_prefix(std::min(name.size() + 1, names.size()));
  }
  return true;
}

// Greater is better.
auto Rank(const EvidenceRow& row, const Facts& facts) {
  const ShapeBounds& where = row.where;
  const int conditions = row.dtype.has_value() + where.d.has_value() + where.hq.has_value() +
                         where.hk.has_value() + where.width.has_value() +
                         where.kv_dtype.has_value() + where.kv_layout.has_value();
  return std::tuple(row.users, row.kind == EvidenceKind::kMeasured,
                    !row.device_name.empty() && row.device_name == facts.device_name,
                    !row.arch.empty(), conditions);
}

}  // namespace

bool Fits(const EvidenceRow& row, const Facts& facts) {
  if (row.device != facts.platform.device) return false;
  if (row.dtype && *row.dtype != facts.dtype) return false;
  if (!HasAll(facts.platform, row.arch)) return false;
  if (row.arch.empty() && !row.device_name.empty() && !facts.device_name.empty() &&
      row.device_name != facts.device_name) {
    return false;
  }
  return row.where.Has(ShapeOf(facts, row.question));
}

std::vector<Answer> AnswersTo(std::string_view question, const Facts& facts, int64_t most) {
  std::vector<const EvidenceRow*> rows;
  for (const EvidenceRow& row : facts.evidence->For(question)) {
    if (Fits(row, facts)) rows.push_back(&row);
  }
  if (rows.empty()) return {{{1, most}, nullptr}};
  std::ranges::stable_sort(
      rows, [&](const auto* a, const auto* b) { return Rank(*a, facts) > Rank(*b, facts); });
  std::set<int64_t> ends = {most};
  for (const EvidenceRow* row : rows) {
    if (row->tokens.least > 1) ends.insert(std::min(row->tokens.least - 1, most));
    ends.insert(std::min(row->tokens.most, most));
  }
  std::vector<Answer> answers;
  int64_t first = 1;
  for (const int64_t end : ends) {
    const auto best =
        std::ranges::find_if(rows, [&](const auto* row) { return row->tokens.Has(first); });
    const EvidenceRow* row = best == rows.end() ? nullptr : *best;
    if (!answers.empty() && answers.back().row == row) {
      answers.back().tokens.most = end;
    } else {
      answers.push_back({{first, end}, row});
    }
    first = end + 1;
  }
  return answers;
}

std::string DescribeCase(const Facts& facts) {
  std::string text = fmt::format("{}:{}", Name(facts.platform.device), facts.platform.arch);
  if (!facts.device_name.empty()) text += ", " + facts.device_name;
  return fmt::format("{}, {}", text, Name(facts.dtype));
}

}  // namespace rw
