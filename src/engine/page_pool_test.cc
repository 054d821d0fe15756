#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include <random>

namespace rw {
namespace {

TEST(PagePool, HandsOutTheLowestFreePage) {
  PagePool pool(3);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 1);
  pool.Give(0);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 2);
  EXPECT_EQ(pool.Take(), std::nullopt);
}

TEST(PagePoolDeathTest, RefusesAPageTwice) {
  PagePool pool(2);
  pool.Take();
  pool.Give(0);
  EXPECT_DEATH(pool.Give(0), "page 0");
  EXPECT_DEATH(pool.Give(7), "page 7");
}

}  // namespace
}  // namespace rw
