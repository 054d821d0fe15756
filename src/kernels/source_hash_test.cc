#include "kernels/source_hash.h"

#include <gtest/gtest.h>

namespace rw {
namespace {

TEST(SourceHash, EveryRowHasOne) {
  for (const KernelRow& row : KernelTable()) {
    EXPECT_EQ(SourceHash(row).size(), 16u) << KernelKey(row);
    EXPECT_EQ(SourceHash(KernelKey(row)), SourceHash(row));
  }
  for (const KernelRow* row : NativeRows()) {
    EXPECT_EQ(SourceHash(*row).size(), 16u) << KernelKey(*row);
    EXPECT_EQ(SourceHash(KernelKey(*row)), SourceHash(*row));
  }
  EXPECT_EQ(SourceHash("rms_norm@abacus"), "");
  const std::vector<std::string> keys = {"rms_norm@simd", "rms_norm@abacus", "rope@simd"};
  EXPECT_EQ(SourceHashes(keys),
            std::string(SourceHash("rms_norm@simd")) + "++" + std::string(SourceHash("rope@simd")));
}

TEST(SourceHash, IsOfTheRowsOwnFile) {
  EXPECT_EQ(SourceHash("rms_norm@simd"), SourceHash("add_rms_norm@simd"));
  EXPECT_NE(SourceHash("rms_norm@simd"), SourceHash("rms_norm@reference"));
  EXPECT_NE(SourceHash("rms_norm@simd"), SourceHash("rope@simd"));
}

}  // namespace
}  // namespace rw
