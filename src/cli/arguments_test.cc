#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Expand(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "ropewalk");
  return ExpandArguments(static_cast<int>(arguments.size()), arguments.data());
}

constexpr const char* kLong = "--compilation-config";

TEST(Arguments, CompileOptionsInEverySpelling) {
  EXPECT_THAT(Expand({"-cc.mode=NONE"}), ElementsAre(kLong, "mode=NONE"));
  EXPECT_THAT(Expand({"-cc.mode", "NONE"}), ElementsAre(kLong, "mode=NONE"));
  EXPECT_THAT(Expand({"--compilation-config.pass_config.x=true"}),
              ElementsAre(kLong, "pass_config.x=true"));
  EXPECT_THAT(Expand({"-cc.custom_ops+=-rms_norm"}), ElementsAre(kLong, "custom_ops+=-rms_norm"));
  EXPECT_THAT(Expand({"-cc={\"mode\": 0}"}), ElementsAre(kLong, "{\"mode\": 0}"));
  EXPECT_THAT(Expand({"-cc", "{}"}), ElementsAre(kLong, "{}"));
  EXPECT_THAT(Expand({"-cc.mode"}), ElementsAre(kLong, "mode"));  // the parser will say what lacks
}

TEST(Arguments, OthersStay) {
  EXPECT_THAT(Expand({"run", "-ccx", "-O2", "--prompt", "-c"}),
              ElementsAre("run", "-ccx", "-O2", "--prompt", "-c"));
}

}  // namespace
}  // namespace rw
