// Which rows of evidence answer a question under given facts.
#pragma once

#include <string_view>
#include <vector>

#include "plan/facts.h"

namespace rw {

// The best row for steps of so many tokens; nullptr: none fits.
struct Answer {
  Bounds tokens;
  const EvidenceRow* row = nullptr;
};

// From 1 to `most` tokens, each with its row, as few as tell the rows apart. A user's row goes
// before one built in, a measured one before a cited one, then the one of this very device, then
// the one with more conditions. A row with an architecture serves other devices of it too.
std::vector<Answer> AnswersTo(std::string_view question, const Facts& facts, int64_t most);

// Whether the row's conditions hold, tokens aside.
bool Fits(const EvidenceRow& row, const Facts& facts);

// "cuda:sm90, NVIDIA H200, bf16"
std::string DescribeCase(const Facts& facts);

}  // namespace rw
