#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rw {
namespace {

struct OpenFile {
  int fd = -1;
  size_t size = 0;

  OpenFile() = default;
  OpenFile(OpenFile&& other) noexcept : fd(std::exchange(other.fd, -1)), size(other.size) {}
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
};

Result<OpenFile> OpenRegular(const std::string& path) {
  OpenFile file;
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd < 0) return Err("{}: cannot open: {}", path, std::strerror(errno));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return Err("{}: cannot stat: {}", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return Err("{}: expected a regular file", path);
  file.size = static_cast<size_t>(info.st_size);
  return file;
}

}  // namespace

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  RW_ASSIGN(const OpenFile file, OpenRegular(path));
  if (file.size > max_bytes) {
    return Err("{}: expected at most {} bytes, found {}", path, max_bytes, file.size);
  }
  std::string text(file.size, '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Err("{}: cannot read: {}", path, std::strerror(errno));
    if (got == 0) return Err("{}: became shorter while it was read", path);
    done += static_cast<size_t>(got);
  }
  return text;
}

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  RW_ASSIGN(const OpenFile file, OpenRegular(path));
  std::span<const std::byte> bytes;
  if (file.size > 0) {
    void* data = ::mmap(nullptr, file.size, PROT_READ, MAP_SHARED, file.fd, 0);
    if (data == MAP_FAILED) return Err("{}: cannot map: {}", path, std::strerror(errno));
    bytes = {static_cast<const std::byte*>(data), file.size};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace rw
