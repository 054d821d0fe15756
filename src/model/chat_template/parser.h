// Builds the tree of a template. Nothing is evaluated here.
#pragma once

#include <string>
#include <string_view>

#include "model/chat_template/ast.h"

namespace rw::jinja {

// A template of one model is some KB; what is larger than this is no chat template.
inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;
// Of parentheses, blocks in blocks, and chains like a.b.c.d or x|f|g.
inline constexpr int kMaxNesting = 100;

// Messages start with "<name>:<line>: ".
Result<Block> ParseTemplate(std::string_view source, const std::string& name);

}  // namespace rw::jinja
