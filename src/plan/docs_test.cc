#include "plan/docs.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace rw {
namespace {

TEST(Docs, AreWhatTheTablesSay) {
  for (const DocPage& page : DocPages()) {
    const auto text = ReadFile(std::string(RW_SOURCE_DIR "/docs/") + page.file);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_TRUE(*text == page.text) << "docs/" << page.file << " is stale: run `make docs`";
  }
}

}  // namespace
}  // namespace rw
