#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "plan/names.h"
#include "plan/tune/tune.h"

namespace rw::tune {
namespace {

// One number of tokens: which side is faster by more than the spread, and by how much.
struct Outcome {
  int64_t tokens;
  int sign = 0;       // 1: the side that means true; 0: neither
  double margin = 0;  // of the faster one, percent
  double spread = 0;  // half of the wider interval, percent of its median
  const Cell* first = nullptr;
  const Cell* second = nullptr;
};

// nullptr: not measured. Of several others the fastest.
const Cell* Fastest(const std::map<std::string, const Cell*, std::less<>>& variants,
                    const std::vector<std::string_view>& names) {
  const Cell* best = nullptr;
  for (const std::string_view name : names) {
    const auto it = variants.find(name);
    if (it != variants.end() && (best == nullptr || it->second->median_us < best->median_us)) {
      best = it->second;
    }
  }
  return best;
}

Outcome Compare(int64_t tokens, const Cell& yes, const Cell& no, double noise) {
  Outcome outcome{.tokens = tokens, .first = &yes, .second = &no};
  if (Beats(yes, no, noise)) outcome.sign = 1;
  if (Beats(no, yes, noise)) outcome.sign = -1;
  const auto [fast, slow] = std::minmax(yes.median_us, no.median_us);
  outcome.margin = (slow / fast - 1) * 100;
  outcome.spread = std::max(yes.spread(), no.spread());
  return outcome;
}

// A question, as two sides of a call's variants.
struct Sides {
  std::string question;
  std::vector<std::string_view> yes;  // empty: all but `no`
  std::vector<std::string_view> no;
};

std::vector<Outcome> OutcomesOf(const Call& call, const Sides& sides, double noise) {
  std::vector<Outcome> outcomes;
  for (const auto& [tokens, variants] : call.tokens) {
    std::vector<std::string_view> no = sides.no;
    if (no.empty()) {
      for (const auto& [name, cell] : variants) {
        if (std::ranges::find(sides.yes, name) == sides.yes.end()) no.push_back(name);
      }
    }
    const Cell* first = Fastest(variants, sides.yes);
    const Cell* second = Fastest(variants, no);
    if (first != nullptr && second != nullptr) {
      outcomes.push_back(Compare(tokens, *first, *second, noise));
    }
  }
  return outcomes;
}

// Neighbours with one winner, those without a winner between them included.
struct Stretch {
  int sign;
  Bounds tokens;
  std::vector<const Outcome*> outcomes;  // those with a winner
  bool tie_before = false;               // something without a winner stands before it
};

std::vector<Stretch> StretchesOf(const std::vector<Outcome>& outcomes) {
  std::vector<Stretch> stretches;
  bool tie = false;
  for (const Outcome& outcome : outcomes) {
    if (outcome.sign == 0) {
      tie = true;
      continue;
    }
    if (stretches.empty() || stretches.back().sign != outcome.sign) {
      stretches.push_back({outcome.sign, {outcome.tokens, outcome.tokens}, {}, tie});
    }
    stretches.back().tokens.most = outcome.tokens;
    stretches.back().outcomes.push_back(&outcome);
    tie = false;
  }
  for (size_t i = 1; i < stretches.size(); ++i) {
    if (stretches[i].tie_before) continue;
    int64_t& last = stretches[i - 1].tokens.most;
    int64_t& next = stretches[i].tokens.least;
    const double halfway = std::sqrt(static_cast<double>(last) * static_cast<double>(next));
    last = std::clamp(static_cast<int64_t>(halfway), last, next - 1);
    next = last + 1;
  }
  return stretches;
}

std::string Percent(double percent) { return fmt::format("{:.1f} %", percent); }

double MedianMargin(const Stretch& stretch) {
  std::vector<double> margins;
  for (const Outcome* outcome : stretch.outcomes) margins.push_back(outcome->margin);
  std::ranges::sort(margins);
  return margins[margins.size() / 2];
}

std::optional<Bounds> Exactly(int64_t size) {
  return size > 0 ? std::optional(Bounds{size, size}) : std::nullopt;
}

EvidenceRow RowOf(const Matrix& matrix, const Call& call, const std::string& question,
                  const Stretch& stretch) {
  const KernelShape& shape = call.shape;
  EvidenceRow row{.question = question,
                  .choice = stretch.sign > 0,
                  .device = matrix.device,
                  .device_name = matrix.device_name,
                  .arch = matrix.arch,
                  .dtype = call.dtype,
                  .where = {Exactly(shape.d), Exactly(shape.hq), Exactly(shape.hk),
                            Exactly(shape.width), shape.kv_dtype, shape.kv_layout},
                  .tokens = stretch.tokens,
                  .margin = fmt::format("+{}", Percent(MedianMargin(stretch))),
                  .date = matrix.date,
                  .command = matrix.command,
                  .commit = matrix.commit,
                  .result = matrix.file};
  double spread = 0;
  for (const Outcome* outcome : stretch.outcomes) {
    spread = std::max(spread, outcome->spread);
    for (const Cell* cell : {outcome->first, outcome->second}) {
      row.sources.insert(cell->sources.begin(), cell->sources.end());
    }
  }
  row.spread = Percent(spread);
  return row;
}

// Whether to fuse, and which code then does what the fused op does.
std::vector<Sides> QuestionsOf(const Call& call) {
  const FusionDef* fusion = FusionThatMakes(call.op);
  const bool has_code = FindCustomOp(call.op) != nullptr;
  if (fusion == nullptr) {
    if (!has_code) return {};
    return {{QuestionOf(call.op), {kCustom}, {kNative}}};
  }
  if (!has_code) return {{QuestionOf(fusion->knob), {kFused}, {}}};
  return {{QuestionOf(fusion->knob), {kFused, kNative}, {}},
          {QuestionOf(call.op), {kFused}, {kNative}}};
}

void Widen(std::optional<Bounds>& bounds, const std::optional<Bounds>& other) {
  if (!bounds || !other) {
    bounds = std::nullopt;
    return;
  }
  bounds->least = std::min(bounds->least, other->least);
  bounds->most = std::max(bounds->most, other->most);
}

template <class T>
void KeepIfSame(std::optional<T>& value, const std::optional<T>& other) {
  if (value != other) value = std::nullopt;
}

double NumberIn(const std::string& percent) { return std::strtod(percent.c_str(), nullptr); }

// Rows of one question, device and element type that all choose the same, as one row.
EvidenceRow Joined(const std::vector<EvidenceRow>& rows) {
  EvidenceRow joined = rows.front();
  double low = NumberIn(joined.margin), high = low, spread = NumberIn(joined.spread);
  for (const EvidenceRow& row : rows) {
    Widen(joined.where.d, row.where.d);
    Widen(joined.where.hq, row.where.hq);
    Widen(joined.where.hk, row.where.hk);
    Widen(joined.where.width, row.where.width);
    KeepIfSame(joined.where.kv_dtype, row.where.kv_dtype);
    KeepIfSame(joined.where.kv_layout, row.where.kv_layout);
    joined.tokens = {std::min(joined.tokens.least, row.tokens.least),
                     std::max(joined.tokens.most, row.tokens.most)};
    low = std::min(low, NumberIn(row.margin));
    high = std::max(high, NumberIn(row.margin));
    spread = std::max(spread, NumberIn(row.spread));
    joined.sources.insert(row.sources.begin(), row.sources.end());
  }
  joined.margin = fmt::format("+{:.1f} to +{:.1f} %", low, high);
  joined.spread = Percent(spread);
  joined.finding = fmt::format("{}, spread up to {}, {} shapes agree", joined.margin, joined.spread,
                               rows.size());
  return joined;
}

using Case = std::tuple<std::string, Device, std::string, std::string, std::optional<DType>>;

Case CaseOf(const EvidenceRow& row) {
  return {row.question, row.device, row.device_name, row.arch, row.dtype};
}

bool Overlap(const Bounds& a, const Bounds& b) { return a.least <= b.most && b.least <= a.most; }
bool Overlap(const std::optional<Bounds>& a, const std::optional<Bounds>& b) {
  return !a || !b || Overlap(*a, *b);
}
template <class T>
bool MayBeSame(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || !b || *a == *b;
}

// Whether there may be a call and a step that both speak of.
bool Meet(const EvidenceRow& a, const EvidenceRow& b) {
  return Overlap(a.tokens, b.tokens) && Overlap(a.where.d, b.where.d) &&
         Overlap(a.where.hq, b.where.hq) && Overlap(a.where.hk, b.where.hk) &&
         Overlap(a.where.width, b.where.width) && MayBeSame(a.where.kv_dtype, b.where.kv_dtype) &&
         MayBeSame(a.where.kv_layout, b.where.kv_layout);
}

// Rows of one case: those that choose the same as one, as long as nothing that was measured within
// its shapes and numbers of tokens chooses otherwise.
std::vector<EvidenceRow> JoinCase(const std::vector<EvidenceRow>& rows) {
  std::vector<std::vector<EvidenceRow>> groups;
  const auto add = [&](const EvidenceRow& row) {
    for (std::vector<EvidenceRow>& group : groups) {
      if (group.front().choice != row.choice) continue;
      group.push_back(row);
      const EvidenceRow joined = Joined(group);
      if (std::ranges::none_of(rows, [&](const EvidenceRow& other) {
            return other.choice != row.choice && Meet(other, joined);
          })) {
        return;
      }
      group.pop_back();
    }
    groups.push_back({row});
  };
  std::ranges::for_each(rows, add);
  std::vector<EvidenceRow> joined;
  for (const auto& group : groups) {
    joined.push_back(group.size() > 1 ? Joined(group) : group.front());
  }
  return joined;
}

// A case of which a row was suppressed stays as it is: what it would be joined over is in doubt.
std::vector<EvidenceRow> JoinShapes(const std::vector<EvidenceRow>& rows,
                                    const std::set<Case>& doubtful) {
  std::map<Case, std::vector<EvidenceRow>> cases;
  for (const EvidenceRow& row : rows) cases[CaseOf(row)].push_back(row);
  std::vector<EvidenceRow> joined;
  for (const auto& [key, same] : cases) {
    const std::vector<EvidenceRow> of_case = doubtful.contains(key) ? same : JoinCase(same);
    joined.insert(joined.end(), of_case.begin(), of_case.end());
  }
  return joined;
}

struct Found {
  std::vector<EvidenceRow> rows;
  std::vector<Suppressed> suppressed;
  std::set<Case> doubtful;  // of which a row was suppressed
};

// Adds the rows that a call gives for one question.
void Answer(const Matrix& matrix, const Call& call, const Sides& sides,
            const std::vector<EndToEnd>& runs, Found& found) {
  const std::vector<Outcome> outcomes = OutcomesOf(call, sides, matrix.noise);
  const std::vector<Stretch> stretches = StretchesOf(outcomes);
  for (const Stretch& stretch : stretches) {
    EvidenceRow row = RowOf(matrix, call, sides.question, stretch);
    if (const EndToEnd* contrary = Contradiction(row, runs)) {
      found.doubtful.insert(CaseOf(row));
      found.suppressed.push_back(
          {std::move(row), "whole runs say otherwise: " + Describe(*contrary)});
    } else {
      found.rows.push_back(std::move(row));
    }
  }
  if (!stretches.empty() || outcomes.empty()) return;
  const Bounds all{outcomes.front().tokens, outcomes.back().tokens};
  found.suppressed.push_back({RowOf(matrix, call, sides.question, {1, all, {&outcomes[0]}}),
                              "no side wins by more than the spread"});
}

}  // namespace

const FusionDef* FusionThatMakes(std::string_view op) {
  for (const FusionDef& fusion : Fusions()) {
    if (std::ranges::find(fusion.makes, op) != fusion.makes.end()) return &fusion;
  }
  return nullptr;
}

std::vector<std::string_view> CustomPartsOf(std::string_view op) {
  const FusionDef* fusion = FusionThatMakes(op);
  if (fusion == nullptr) return {};
  const std::string words = fmt::format("_{}_", op);
  std::vector<std::string_view> parts;
  for (const std::string_view part : fusion->parts) {
    if (FindCustomOp(part) != nullptr && words.find(fmt::format("_{}_", part)) != words.npos) {
      parts.push_back(part);
    }
  }
  // gelu_tanh is no gelu.
  std::erase_if(parts, [&](std::string_view part) {
    return std::ranges::any_of(parts, [&](std::string_view other) {
      return other.size() > part.size() && other.find(part) != other.npos;
    });
  });
  return parts;
}

Proposals Propose(const std::vector<Matrix>& matrices, const std::vector<EndToEnd>& runs) {
  Found found;
  for (const Matrix& matrix : matrices) {
    for (const Call& call : CallsOf(matrix)) {
      for (const Sides& sides : QuestionsOf(call)) {
        Answer(matrix, call, sides, runs, found);
      }
    }
  }
  return {JoinShapes(found.rows, found.doubtful), std::move(found.suppressed)};
}

}  // namespace rw::tune
