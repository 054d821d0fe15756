#include "native/code_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <type_traits>

#include "base/file.h"

namespace rw::native {
namespace {

constexpr uint64_t kMagic = 0x31'65'64'6f'63'77'72'0aull;  // "\nrwcode1" in memory
constexpr size_t kMostBytes = size_t{64} << 20;            // of a file

struct Header {
  uint64_t magic, checksum, key_bytes, code_bytes;
};
static_assert(std::is_trivially_copyable_v<Header>);

// FNV-1a. Names and checksums are not what keys are told apart by.
uint64_t HashOf(std::string_view text, uint64_t hash = 0xcbf29ce484222325ull) {
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  return hash;
}

// The code in a file; an error says what is wrong with the file.
Result<std::string> Read(const std::string& file, std::string_view key) {
  Header header;
  if (file.size() < sizeof(header)) return Err("cut off");
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.magic != kMagic) return Err("no code of this program");
  const std::string_view rest = std::string_view(file).substr(sizeof(header));
  const uint64_t left = rest.size();
  if (header.key_bytes > left || header.code_bytes != left - header.key_bytes) {
    return Err("cut off");
  }
  if (HashOf(rest) != header.checksum) return Err("damaged");
  if (rest.substr(0, header.key_bytes) != key) return Err("code of another source");
  return std::string(rest.substr(header.key_bytes));
}

}  // namespace

std::string CodeCache::PathOf(std::string_view key) const {
  const uint64_t hash = HashOf(key);
  return fmt::format("{}/{:016x}{:016x}.rwcode", options_.folder, hash, HashOf(key, ~hash));
}

void CodeCache::Notice(const std::string& line) {
  if (!options_.notice) return;
  const std::lock_guard lock(mutex_);
  options_.notice(line);
}

std::optional<std::string> CodeCache::Find(std::string_view key) {
  if (options_.folder.empty()) return std::nullopt;
  const std::string path = PathOf(key);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const auto file = ReadFile(path, kMostBytes);
  if (!file) {
    Notice(fmt::format("{}; compiling again", file.error().message));
    return std::nullopt;
  }
  auto code = Read(*file, key);
  if (code) return *std::move(code);
  Notice(fmt::format("{}: {}; compiling again", path, code.error().message));
  return std::nullopt;
}

void CodeCache::Keep(std::string_view key, std::string_view code) {
  if (options_.folder.empty()) return;
  std::error_code failed;
  std::filesystem::create_directories(options_.folder, failed);
  static std::atomic<uint64_t> files = 0;  // other threads keep code too
  const std::string path = PathOf(key);
  const std::string fresh = fmt::format("{}.{}.{}", path, ::getpid(), files++);
  const Header header{kMagic, HashOf(code, HashOf(key)), key.size(), code.size()};
  bool whole = false;
  {
    std::ofstream file(fresh, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    file.write(key.data(), static_cast<std::streamsize>(key.size()));
    file.write(code.data(), static_cast<std::streamsize>(code.size()));
    file.close();
    whole = !file.fail();
  }
  if (whole) std::filesystem::rename(fresh, path, failed);
  if (!whole || failed) std::filesystem::remove(fresh, failed);
}

}  // namespace rw::native
