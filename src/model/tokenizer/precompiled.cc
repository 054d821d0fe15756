#include "model/tokenizer/precompiled.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

namespace rw::tok {
namespace {

// Clusters of up to this many bytes are looked up as a whole first, as Hugging Face does.
constexpr size_t kLongestCluster = 5;

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = Base64Value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count));
  }
  return bytes;
}

// A unit of the double array (Darts-clone's layout).
bool HasLeaf(uint32_t unit) { return ((unit >> 8) & 1) != 0; }
uint32_t LeafValue(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::FromJson(const Json& base64) {
  RW_ASSIGN(const std::string_view text, base64.AsString());
  const auto bytes = DecodeBase64(text);
  if (!bytes) return Err("{}: expected base64", base64.where());
  static_assert(std::endian::native == std::endian::little);
  uint32_t trie_bytes = 0;
  if (bytes->size() >= 4) std::memcpy(&trie_bytes, bytes->data(), 4);
  if (bytes->size() < 4 || trie_bytes % 4 != 0 || trie_bytes == 0 ||
      trie_bytes > bytes->size() - 4) {
    return Err("{}: expected a trie's size and the trie, found {} bytes that say {}",
               base64.where(), bytes->size(), trie_bytes);
  }
  Charsmap map;
  map.trie_.resize(trie_bytes / 4);
  std::memcpy(map.trie_.data(), bytes->data() + 4, trie_bytes);
  map.replacements_ = bytes->substr(4 + trie_bytes);
  if (ValidUtf8Prefix(map.replacements_) != map.replacements_.size()) {
    return Err("{}: expected replacements in UTF-8", base64.where());
  }
  size_t begin = 0;
  while (begin < map.replacements_.size()) {
    const size_t end = std::min(map.replacements_.find('\0', begin), map.replacements_.size());
    map.longest_ = std::max(map.longest_, end - begin);
    begin = end + 1;
  }
  return map;
}

std::optional<std::string_view> Charsmap::Find(std::string_view text) const {
  uint32_t node = Offset(trie_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= trie_.size() || Label(trie_[node]) != byte) return std::nullopt;
    const uint32_t unit = trie_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= trie_.size()) return std::nullopt;
    const uint32_t begin = LeafValue(trie_[node]);
    // A broken map may point anywhere, and what is returned must be whole code points.
    if (begin > replacements_.size() || !IsBoundary(replacements_, begin)) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string Charsmap::Apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  size_t begin = 0;
  for (const size_t end : GraphemeEnds(text)) {
    const std::string_view cluster = text.substr(begin, end - begin);
    begin = end;
    if (cluster.size() <= kLongestCluster) {
      if (const auto replacement = Find(cluster)) {
        out += *replacement;
        continue;
      }
    }
    for (size_t i = 0; i < cluster.size();) {
      const std::string_view character = cluster.substr(i, Utf8Length(cluster[i]));
      out += Find(character).value_or(character);
      i += character.size();
    }
  }
  return out;
}

}  // namespace rw::tok
