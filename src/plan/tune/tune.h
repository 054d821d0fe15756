// Rules from measurements: what a matrix of kernels proposes, and whether a plan follows it.
#pragma once

#include <string>
#include <vector>

#include "plan/fusion.h"
#include "plan/tune/end_to_end.h"
#include "plan/tune/matrix.h"

namespace rw::tune {

struct Suppressed {
  EvidenceRow row;
  std::string why;
};

struct Proposals {
  std::vector<EvidenceRow> rows;
  std::vector<Suppressed> suppressed;
};

// A row for each range of tokens in which one side of a question wins by more than the spread: of a
// fusion, its kernel against the best of the other variants; of an op, hand-written against native
// code. Numbers of tokens between two winners of the same kind go with them; between winners of two
// kinds the change is put halfway. Shapes that agree share a row, as long as none between them says
// otherwise.
Proposals Propose(const std::vector<Matrix>& matrices, const std::vector<EndToEnd>& runs);

// A call for which a plan takes another variant than the fastest, by more than the spread.
struct WrongPick {
  std::string call;
  int64_t tokens;
  std::string picked, fastest;
  double picked_us, fastest_us;
};

// Plans each call of the matrix with that evidence. The other ops of a model are left out: whether
// a fusion takes what another wants is no matter of one call.
std::vector<WrongPick> CheckPicks(const Matrix& matrix, const Evidence& evidence);

// Rows of the same question and conditions as one before them, which they never get past.
std::vector<const EvidenceRow*> ShadowedRows(const EvidenceTable& table);

// `rows`, with those of `old` that answer something else.
std::vector<EvidenceRow> Replaced(const std::vector<EvidenceRow>& old,
                                  const std::vector<EvidenceRow>& rows);

// The fusion that makes the op; nullptr if none does.
const FusionDef* FusionThatMakes(std::string_view op);
// Ops of custom_ops that a fused op stands for, by their names in its own: rope_kv_write is rope.
std::vector<std::string_view> CustomPartsOf(std::string_view op);

}  // namespace rw::tune
