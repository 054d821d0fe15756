#include "model/chat_template/text_ops.h"

#include <algorithm>

#include "model/chat_template/print.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

// str.replace with an empty `old`.
std::string Interleave(std::string_view text, std::string_view inserted, size_t count) {
  std::string out;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    out += inserted;
    if (at == text.size()) break;
    const size_t bytes = Decode(text, at).bytes;
    out += text.substr(at, bytes);
    at += bytes;
  }
  out += text.substr(at);
  return out;
}

}  // namespace

Result<Value> Like(Runtime& runtime, const Value& source, std::string_view text) {
  RW_TRY(runtime.meter().Room(text.size()));
  return NewString(runtime.meter(), std::string(text), source.is_string() && source.text().markup);
}

Result<std::string> Replace(Meter& meter, std::string_view text, std::string_view old,
                            std::string_view replacement, int64_t count) {
  RW_TRY(meter.Work(text.size() + old.size()));
  const size_t most = count < 0 ? text.size() + 1 : static_cast<size_t>(count);
  size_t matches = 0;
  if (old.empty()) {
    matches = std::min(most, CountCodePoints(text) + 1);
  } else {
    for (size_t at = FindBytes(text, old, 0); at != std::string_view::npos && matches < most;
         at = FindBytes(text, old, at + old.size())) {
      ++matches;
    }
  }
  RW_TRY(meter.Step(matches));
  const size_t unit = std::max<size_t>(replacement.size(), 1);
  RW_TRY(meter.Room(text.size()));
  if (matches > meter.bytes_left() / unit) RW_TRY(meter.Room(SIZE_MAX));
  if (old.empty()) return Interleave(text, replacement, matches);
  std::string out;
  size_t at = 0;
  for (size_t i = 0; i < matches; ++i) {
    const size_t found = FindBytes(text, old, at);
    out += text.substr(at, found - at);
    out += replacement;
    at = found + old.size();
  }
  out += text.substr(at);
  return out;
}

Result<std::string> JoinTexts(Meter& meter, std::string_view separator,
                              const std::vector<Value>& items, bool escape) {
  std::string out;
  Charge charge;
  for (size_t i = 0; i < items.size(); ++i) {
    RW_TRY(meter.Step());
    RW_ASSIGN(std::string text, Str(meter, items[i]));
    const bool safe = items[i].is_string() && items[i].text().markup;
    if (escape && !safe) text = EscapeHtml(text);
    const size_t added = text.size() + (i > 0 ? separator.size() : 0);
    RW_TRY(charge.Grow(&meter, added));
    RW_TRY(meter.Work(added));
    if (i > 0) out += separator;
    out += text;
  }
  return out;
}

Result<Value> PartsList(Runtime& runtime, const Value& source,
                        const std::vector<std::string_view>& parts) {
  RW_TRY(runtime.meter().Step(parts.size()));
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) {
    RW_ASSIGN(Value item, Like(runtime, source, part));
    items.push_back(std::move(item));
  }
  return NewList(runtime.meter(), std::move(items));
}

}  // namespace rw::jinja
