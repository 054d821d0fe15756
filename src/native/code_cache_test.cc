#include "native/code_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/file.h"

namespace rw::native {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CodeCacheTest : public ::testing::Test {
 protected:
  CodeCacheTest()
      : folder_(fmt::format("{}/rw_code_{}_{}", ::testing::TempDir(), ::getpid(),
                            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~CodeCacheTest() override { std::filesystem::remove_all(folder_); }

  CodeCache::Options Options() {
    return {folder_, [this](const std::string& line) { notices_.push_back(line); }};
  }
  void Overwrite(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  // A file that is no good: said once, compiled again, good again.
  void ExpectMended(std::string_view file, std::string_view what) {
    CodeCache cache(Options());
    Overwrite(cache.PathOf("key"), file);
    EXPECT_EQ(cache.Find("key"), std::nullopt);
    EXPECT_THAT(notices_, ElementsAre(HasSubstr(what)));
    cache.Keep("key", "code");
    EXPECT_EQ(cache.Find("key"), "code");
    EXPECT_EQ(notices_.size(), 1u);
    notices_.clear();
  }
  std::string Good() {
    CodeCache cache(Options());
    cache.Keep("key", "code");
    return *ReadFile(cache.PathOf("key"));
  }

  std::string folder_;
  std::vector<std::string> notices_;
};

TEST_F(CodeCacheTest, FindsWhatWasKept) {
  CodeCache cache(Options());
  EXPECT_EQ(cache.Find("a"), std::nullopt);
  cache.Keep("a", std::string_view("\0code", 5));
  cache.Keep("b", "");
  EXPECT_EQ(CodeCache(Options()).Find("a"), std::string_view("\0code", 5));
  EXPECT_EQ(cache.Find("b"), "");
  EXPECT_EQ(cache.Find("c"), std::nullopt);
  EXPECT_THAT(notices_, IsEmpty());
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(file.path().extension(), ".rwcode");  // nothing else is left behind
  }
}

TEST_F(CodeCacheTest, KeepsNothingWithoutAFolder) {
  CodeCache cache;
  cache.Keep("a", "code");
  EXPECT_EQ(cache.Find("a"), std::nullopt);
}

TEST_F(CodeCacheTest, MendsDamagedFiles) {
  const std::string good = Good();
  for (const size_t at : {size_t{8}, good.size() - 6, good.size() - 1}) {
    std::string bad = good;
    bad[at] ^= 1;
    ExpectMended(bad, "damaged");
  }
}

TEST_F(CodeCacheTest, MendsFilesThatAreCutOff) {
  const std::string good = Good();
  for (const size_t size : {size_t{0}, size_t{31}, size_t{32}, good.size() - 1}) {
    ExpectMended(good.substr(0, size), "cut off");
  }
  ExpectMended(good + "x", "cut off");
}

TEST_F(CodeCacheTest, MendsForeignFiles) {
  Good();
  ExpectMended(std::string(200, 'x'), "no code of this program");
  // The name is right, the key is not: as if two keys had one hash.
  CodeCache cache(Options());
  cache.Keep("other", "code of other");
  ExpectMended(*ReadFile(cache.PathOf("other")), "code of another source");
}

TEST_F(CodeCacheTest, AFolderInTheFilesPlaceIsNoCode) {
  CodeCache cache(Options());
  std::filesystem::create_directories(cache.PathOf("key"));
  EXPECT_EQ(cache.Find("key"), std::nullopt);
  EXPECT_EQ(notices_.size(), 1u);
  cache.Keep("key", "code");  // cannot be
  EXPECT_EQ(cache.Find("key"), std::nullopt);
}

TEST_F(CodeCacheTest, AnUnwritableFolderIsNoError) {
  std::filesystem::create_directories(folder_);
  Overwrite(folder_ + "/file", "x");
  CodeCache cache({folder_ + "/file/below", [](const std::string& line) { FAIL() << line; }});
  cache.Keep("key", "code");
  EXPECT_EQ(cache.Find("key"), std::nullopt);
}

TEST_F(CodeCacheTest, ThreadsRace) {
  const std::string code(100000, 'c');
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      CodeCache cache(Options());
      for (int i = 0; i < 50; ++i) {
        cache.Keep("key", code);
        const auto found = cache.Find("key");
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(*found, code);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(notices_, IsEmpty());
}

}  // namespace
}  // namespace rw::native
