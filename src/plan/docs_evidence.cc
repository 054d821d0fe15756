#include "plan/docs_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "plan/evidence.h"

namespace rw {
namespace {

// Rows of one result, for shapes and ranges of tokens.
struct Tally {
  std::string device;
  int rows = 0, yes = 0;
  double low = 0, high = 0;  // margins of those that say yes
};

// "+1.5 %", "+1.5 to +3.0 %"
std::pair<double, double> MarginOf(const EvidenceRow& row) {
  const size_t to = row.margin.find(" to ");
  const double low = std::strtod(row.margin.c_str(), nullptr);
  return {low, to == row.margin.npos ? low : std::strtod(row.margin.c_str() + to + 4, nullptr)};
}

void Count(const EvidenceRow& row, Tally& tally) {
  tally.device = row.device_name.empty() ? std::string(Name(row.device)) : row.device_name;
  ++tally.rows;
  if (!row.choice) return;
  const auto [low, high] = MarginOf(row);
  tally.low = tally.yes == 0 ? low : std::min(tally.low, low);
  tally.high = std::max(tally.high, high);
  ++tally.yes;
}

std::string TallyText(const Tally& tally, std::string_view result) {
  const std::string gain = tally.yes == 0
                               ? "slower"
                               : fmt::format("faster by {:.1f} to {:.1f} %", tally.low, tally.high);
  return fmt::format("[{}, kernels: {} in {} of {} cases](../{})", tally.device, gain,
                     tally.yes == 0 ? tally.rows : tally.yes, tally.rows, result);
}

std::string RowText(const EvidenceRow& row) {
  const bool cited = row.kind == EvidenceKind::kCited;
  const std::string steps =
      row.tokens == Bounds{} ? "" : fmt::format(", steps of {} tokens", ToString(row.tokens));
  return fmt::format("[{}{}{}{}: {}{}]({}{})", Name(row.device),
                     row.dtype ? fmt::format(" {}", Name(*row.dtype)) : "", cited ? ", cited" : "",
                     steps, Describe(row), row.choice ? "" : " (so off)", cited ? "" : "../",
                     cited ? row.source : row.result);
}

}  // namespace

std::string MeasuredCell(std::string_view question) {
  std::string text;
  const auto add = [&](const std::string& item) { text += (text.empty() ? "" : "<br>") + item; };
  std::map<std::string, Tally> by_result;
  for (const EvidenceRow& row : BuiltinEvidence()->For(question)) {
    if (row.where == ShapeBounds{}) {
      add(RowText(row));
    } else {
      Count(row, by_result[row.result]);
    }
  }
  for (const auto& [result, tally] : by_result) add(TallyText(tally, result));
  return text.empty() ? "not measured" : text;
}

}  // namespace rw
