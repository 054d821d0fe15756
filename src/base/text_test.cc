#include "base/text.h"

#include <gtest/gtest.h>

namespace rw {
namespace {

TEST(Text, EditDistanceCountsEdits) {
  EXPECT_EQ(EditDistance("run", "run"), 0u);
  EXPECT_EQ(EditDistance("rnu", "run"), 1u);
  EXPECT_EQ(EditDistance("rum", "run"), 1u);
  EXPECT_EQ(EditDistance("", "run"), 3u);
  EXPECT_EQ(EditDistance("verfy", "verify"), 1u);
  EXPECT_EQ(EditDistance("graph", "bench"), 4u);
}

}  // namespace
}  // namespace rw
