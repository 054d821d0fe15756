// Named constants of an op instance: eps = 1e-05, layout = "half", window = 24.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace rw {

using AttrValue = std::variant<int64_t, double, std::string>;

// A small map, sorted by name so that equal attributes print and compare equal.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<std::string_view, AttrValue>> entries) {
    for (const auto& [name, value] : entries) Set(name, value);
  }

  void Set(std::string_view name, AttrValue value) {
    auto it = LowerBound(name);
    if (it != entries_.end() && it->first == name) {
      it->second = std::move(value);
    } else {
      entries_.emplace(it, std::string(name), std::move(value));
    }
  }

  const AttrValue* Find(std::string_view name) const {
    const auto it = std::lower_bound(entries_.begin(), entries_.end(), name, Before);
    return it != entries_.end() && it->first == name ? &it->second : nullptr;
  }

  // The attribute, which must be there with that type: the verifier has seen to it.
  template <class T>
  const T& Get(std::string_view name) const {
    const AttrValue* value = Find(name);
    RW_CHECK(value != nullptr && std::holds_alternative<T>(*value), "attribute {}", name);
    return std::get<T>(*value);
  }
  int64_t Int(std::string_view name) const { return Get<int64_t>(name); }
  double Float(std::string_view name) const { return Get<double>(name); }
  const std::string& String(std::string_view name) const { return Get<std::string>(name); }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool empty() const { return entries_.empty(); }
  bool operator==(const Attrs&) const = default;

 private:
  using Entry = std::pair<std::string, AttrValue>;
  static bool Before(const Entry& entry, std::string_view name) { return entry.first < name; }
  std::vector<Entry>::iterator LowerBound(std::string_view name) {
    return std::lower_bound(entries_.begin(), entries_.end(), name, Before);
  }
  std::vector<Entry> entries_;
};

}  // namespace rw
