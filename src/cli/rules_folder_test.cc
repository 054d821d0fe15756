#include "cli/rules_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace rw {
namespace {

using ::testing::HasSubstr;

class RulesFolderTest : public ::testing::Test {
 protected:
  RulesFolderTest() {
    for (const char* name : {"ROPEWALK_RULES", "XDG_CONFIG_HOME", "HOME"}) unsetenv(name);
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~RulesFolderTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& name, const std::string& rows) {
    std::ofstream(root_ + "/" + name)
        << R"({"schema": "ropewalk-rules-1", "rows": [)" << rows << "]}";
  }

  const std::string root_ = ::testing::TempDir() + "ropewalk_rules";
};

constexpr const char* kRow =
    R"({"question": "custom_ops:rope", "choice": true, "device": "cuda", "result": "r"})";

TEST_F(RulesFolderTest, IsFoundByFlagThenEnvironment) {
  EXPECT_EQ(RulesFolder(""), "");
  setenv("HOME", "/h", 1);
  EXPECT_EQ(RulesFolder(""), "/h/.config/ropewalk/rules");
  setenv("XDG_CONFIG_HOME", "/x", 1);
  EXPECT_EQ(RulesFolder(""), "/x/ropewalk/rules");
  EXPECT_TRUE(LoadEvidence(""));  // nobody named it: it may be missing
  setenv("ROPEWALK_RULES", "/r", 1);
  EXPECT_EQ(RulesFolder(""), "/r");
  EXPECT_FALSE(LoadEvidence(""));
  EXPECT_EQ(RulesFolder("/f"), "/f");
}

TEST_F(RulesFolderTest, GivesTheUsersRowsBeforeThoseBuiltIn) {
  Write("b.json", kRow);
  Write("a.json", "");
  Write("notes.txt", "no rules");
  const auto evidence = LoadEvidence(root_);
  ASSERT_TRUE(evidence) << evidence.error().message;
  const auto rows = (*evidence)->For("custom_ops:rope");
  ASSERT_FALSE(rows.empty());
  EXPECT_TRUE(rows[0].users);
  EXPECT_EQ(rows[0].file, root_ + "/b.json");
  EXPECT_EQ((*evidence)->rows().size(), BuiltinEvidence()->rows().size() + 1);
  EXPECT_TRUE((*LoadEvidence("none"))->rows().empty());
}

TEST_F(RulesFolderTest, SaysInOneLineWhatIsWrong) {
  const auto missing = LoadEvidence(root_ + "/nowhere");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message,
              HasSubstr("nowhere: expected a folder of rules, found: No such"));
  Write("a.json", R"({"question": "custom_ops:ropes"})");
  const auto broken = LoadEvidence(root_);
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("a.json: rows[0].question: unknown question"));
}

}  // namespace
}  // namespace rw
