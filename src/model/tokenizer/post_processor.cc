#include "model/tokenizer/post_processor.h"

#include <string_view>

#include "model/tokenizer/fields.h"

namespace rw::tok {
namespace {

using Known = std::function<bool(int32_t)>;

constexpr size_t kMostTokens = 1024;

Result<int32_t> ParseKnownId(const Json& json, const Known& known) {
  RW_ASSIGN(const int32_t id, TokenIdValue(json));
  if (!known(id)) return json.Expected("the id of a token");
  return id;
}

Status AppendTemplateIds(const Json& piece, const Json& special_tokens, const Known& known,
                         std::vector<int32_t>& ids) {
  RW_ASSIGN(const Json name, piece.Get("id"));
  RW_ASSIGN(const std::string_view key, name.AsString());
  RW_ASSIGN(const Json token, special_tokens.Get(key));
  RW_ASSIGN(const Json list, token.Get("ids"));
  return list.ForEachElement([&](size_t, Json element) -> Status {
    RW_ASSIGN(const int32_t id, ParseKnownId(element, known));
    ids.push_back(id);
    if (ids.size() <= kMostTokens) return {};
    return Err("{}: expected at most {} special tokens", special_tokens.where(), kMostTokens);
  });
}

Result<SpecialFrame> ParseTemplate(const Json& json, const Known& known) {
  constexpr std::string_view kWanted =
      R"({"SpecialToken": ...}, or {"Sequence": {"id": "A"}} once)";
  RW_ASSIGN(const Json single, json.Get("single"));
  RW_ASSIGN(const Json special_tokens, json.Get("special_tokens"));
  SpecialFrame frame;
  bool text_seen = false;
  RW_TRY(single.ForEachElement([&](size_t, Json piece) -> Status {
    if (const auto special = piece.Find("SpecialToken")) {
      return AppendTemplateIds(*special, special_tokens, known,
                               text_seen ? frame.behind : frame.before);
    }
    const auto sequence = piece.Find("Sequence");
    const auto id = sequence ? sequence->Find("id") : std::nullopt;
    if (!id || !IsString(*id, "A") || text_seen) {
      return piece.Expected(kWanted);
    }
    text_seen = true;
    return {};
  }));
  if (!text_seen) return single.Expected(R"(a template with {"Sequence": {"id": "A"}})");
  return frame;
}

// "cls" and "sep" are ["<s>", 0].
Result<SpecialFrame> ParseBert(const Json& json, const Known& known) {
  const auto parse = [&](std::string_view key) -> Result<int32_t> {
    RW_ASSIGN(const Json value, json.Get(key));
    RW_ASSIGN(const std::vector<Json> pair, value.Elements());
    if (pair.size() != 2) return value.Expected("a token and its id");
    return ParseKnownId(pair[1], known);
  };
  RW_ASSIGN(const int32_t cls, parse("cls"));
  RW_ASSIGN(const int32_t sep, parse("sep"));
  return SpecialFrame{{cls}, {sep}};
}

Result<SpecialFrame> ParseByteLevel(const Json&, const Known&) { return SpecialFrame{}; }

Result<SpecialFrame> ParseSequence(const Json& json, const Known& known) {
  RW_ASSIGN(const Json list, json.Get("processors"));
  SpecialFrame frame;
  RW_TRY(list.ForEachElement([&](size_t, Json element) -> Status {
    RW_ASSIGN(const SpecialFrame outer, ParsePostProcessor(element, known));
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.behind.insert(frame.behind.end(), outer.behind.begin(), outer.behind.end());
    return {};
  }));
  return frame;
}

struct Kind {
  std::string_view name;
  Result<SpecialFrame> (*parse)(const Json&, const Known&);
};

constexpr Kind kKinds[] = {
    {"TemplateProcessing", ParseTemplate}, {"ByteLevel", ParseByteLevel},
    {"BertProcessing", ParseBert},         {"RobertaProcessing", ParseBert},
    {"Sequence", ParseSequence},
};

}  // namespace

Result<SpecialFrame> ParsePostProcessor(const Json& json, const Known& known) {
  if (json.is_null()) return SpecialFrame{};
  RW_ASSIGN(const Kind* kind, PickByName(kKinds, json, "type"));
  return kind->parse(json, known);
}

}  // namespace rw::tok
