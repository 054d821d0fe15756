#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"

// Everything below runs inside a signal handler: only async-signal-safe calls, no allocation.
namespace rw {
namespace {

void WriteAll(const char* text, size_t size) {
  while (size > 0) {
    const ssize_t done = ::write(STDERR_FILENO, text, size);
    if (done <= 0) return;
    text += done;
    size -= static_cast<size_t>(done);
  }
}

// Reads /proc/self/maps by bytes: "start-end perms offset dev inode      path\n".
class MapsReader {
 public:
  MapsReader() : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~MapsReader() {
    if (fd_ >= 0) ::close(fd_);
  }

  // The next byte, or -1 at the end.
  int Next() {
    if (at_ == size_) {
      const ssize_t got = fd_ < 0 ? -1 : ::read(fd_, buffer_, sizeof(buffer_));
      if (got <= 0) return -1;
      at_ = 0;
      size_ = static_cast<size_t>(got);
    }
    return static_cast<unsigned char>(buffer_[at_++]);
  }

  // A hexadecimal number and the byte after it.
  uintptr_t NextHex() {
    uintptr_t value = 0;
    for (;;) {
      const int c = Next();
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<uintptr_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value * 16 + static_cast<uintptr_t>(c - 'a' + 10);
      } else {
        return value;
      }
    }
  }

 private:
  int fd_;
  char buffer_[512];
  size_t at_ = 0;
  size_t size_ = 0;
};

// Puts the path of the file mapped at `address` into `path`, cut to fit; its length, 0 if unknown.
size_t FindMappedPath(uintptr_t address, char* path, size_t capacity) {
  MapsReader maps;
  for (;;) {
    const uintptr_t start = maps.NextHex();
    const uintptr_t end = maps.NextHex();
    const bool found = address >= start && address < end;
    size_t length = 0;
    int c;
    while ((c = maps.Next()) != -1 && c != '\n') {
      if ((length > 0 || c == '/') && length < capacity) path[length++] = static_cast<char>(c);
    }
    if (found) return length;
    if (c == -1) return 0;
  }
}

void OnBusError(int signal, siginfo_t* info, void*) {
  // ADRERR: the address has no page behind it. AR: memory error noticed on use.
  if (info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  static char path[4096];
  const size_t length =
      FindMappedPath(reinterpret_cast<uintptr_t>(info->si_addr), path, sizeof(path));
  static constexpr char kUnknown[] = "a mapped file";
  static constexpr char kMessage[] =
      ": cannot read its data: the file became shorter while in use, or its disk failed\n";
  WriteAll("error: ", 7);
  if (length > 0) {
    WriteAll(path, length);
  } else {
    WriteAll(kUnknown, sizeof(kUnknown) - 1);
  }
  WriteAll(kMessage, sizeof(kMessage) - 1);
  ::_exit(2);
}

}  // namespace

void InstallMappedFileFaultHandler() {
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  RW_CHECK(::sigaction(SIGBUS, &action, nullptr) == 0, "{}", std::strerror(errno));
}

}  // namespace rw
