#include "plan/departures.h"

#include <gtest/gtest.h>

#include <set>

namespace rw {
namespace {

TEST(Departures, SayWhatBothRuleSetsAnswer) {
  std::set<std::string_view> names;
  for (const Departure& row : Departures()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(Answer(row, Policy::kVllm), row.vllm) << row.name;
    EXPECT_EQ(Answer(row, Policy::kRopewalk), row.ropewalk) << row.name;
    EXPECT_NE(row.vllm, row.ropewalk) << row.name;
    EXPECT_FALSE(row.why.empty() || row.thread.empty()) << row.name;
  }
}

}  // namespace
}  // namespace rw
