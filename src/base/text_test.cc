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

TEST(Nearest, OfNamesThatBeginWithTheWordTheShortest) {
  const std::vector<std::string> known = {"fuse_rope_kvcache_cat_mla", "fuse_rope_kvcache", "mode"};
  EXPECT_EQ(Nearest("fuse_rope_kvcach", known), 1u);
  EXPECT_EQ(Nearest("mdoe", known), 2u);
}

}  // namespace
}  // namespace rw
