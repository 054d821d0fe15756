#include "base/fault.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/file.h"

namespace rw {
namespace {

// Reads a page that the file no longer has.
void ReadBeyondTheEnd(const std::string& path) {
  InstallMappedFileFaultHandler();
  const auto file = *MappedFile::Open(path);
  if (::truncate(path.c_str(), 0) != 0) return;
  const volatile std::byte* byte = file->bytes().data() + 100'000;
  static_cast<void>(*byte);
}

TEST(FaultDeathTest, TruncatedMappingEndsWithOneLineAndExitCode2) {
  const std::string path = testing::TempDir() + "rw_fault_test.bin";
  std::ofstream(path) << std::string(200'000, 'x');
  EXPECT_EXIT(ReadBeyondTheEnd(path), testing::ExitedWithCode(2),
              "error: .*rw_fault_test.bin: cannot read its data: the file became shorter");
  ::unlink(path.c_str());
}

TEST(FaultDeathTest, OtherBusErrorsStaySignals) {
  EXPECT_EXIT(
      {
        InstallMappedFileFaultHandler();
        ::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace rw
