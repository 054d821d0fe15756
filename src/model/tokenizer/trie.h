// A set of byte strings with values, walked byte by byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/tokenizer/flat_map.h"

namespace rw::tok {

class Trie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = ~Node{0};
  static constexpr int32_t kNoValue = -1;

  Trie() : values_(1, kNoValue) {}

  // A later value for the same key takes the place of the earlier one. Values are not negative.
  void Insert(std::string_view key, int32_t value) {
    Node node = kRoot;
    for (const char c : key) {
      const Node next = Step(node, c);
      node = next != kNone ? next : AddChild(node, c);
    }
    values_[node] = value;
  }

  Node Step(Node node, char byte) const {
    const Node* child = edges_.Find(EdgeKey(node, byte));
    return child != nullptr ? *child : kNone;
  }

  int32_t Value(Node node) const { return values_[node]; }  // kNoValue: no key ends here

 private:
  static uint64_t EdgeKey(Node node, char byte) {
    return uint64_t{node} << 8 | static_cast<unsigned char>(byte);
  }
  Node AddChild(Node node, char byte) {
    const auto child = static_cast<Node>(values_.size());
    values_.push_back(kNoValue);
    edges_[EdgeKey(node, byte)] = child;
    return child;
  }

  FlatMap<Node> edges_;
  std::vector<int32_t> values_;  // by node
};

}  // namespace rw::tok
