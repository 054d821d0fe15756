#include "model/chat_template/value.h"

#include <algorithm>

#include "base/check.h"
#include "model/chat_template/compare.h"

namespace rw::jinja {
namespace {

// What the bookkeeping around a value takes, roughly.
constexpr size_t kTextBytes = 80;
constexpr size_t kSequenceBytes = 128;
constexpr size_t kDictBytes = 160;
constexpr size_t kEntryBytes = 2 * sizeof(Value) + 48;

int MaxDepth(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth;
}

Status CheckDepth(int depth) {
  if (depth > kMaxValueDepth) return Err("values nest more than {} deep", kMaxValueDepth);
  return {};
}

Result<Value> Convert(const Json& json, int depth);

Result<Value> ConvertArray(const Json& json, int depth) {
  std::vector<Value> items;
  RW_TRY(json.ForEachElement([&](size_t, const Json& element) -> Status {
    RW_ASSIGN(Value item, Convert(element, depth));
    items.push_back(std::move(item));
    return {};
  }));
  return Value::List(std::move(items));
}

Result<Value> ConvertObject(const Json& json, int depth) {
  auto dict = std::make_shared<Dict>();
  RW_TRY(json.ForEachMember([&](std::string_view key, const Json& member) -> Status {
    RW_ASSIGN(Value value, Convert(member, depth));
    return dict->Set(Value::String(std::string(key)), std::move(value), nullptr);
  }));
  return Value::Of(std::shared_ptr<const Dict>(std::move(dict)));
}

// `depth` counts the containers around `json`.
Result<Value> Convert(const Json& json, int depth) {
  if (depth >= kMaxValueDepth - 1) return json.Expected("fewer levels of nesting");
  switch (json.kind()) {
    case Json::Kind::kNull:
      return Value::None();
    case Json::Kind::kBool:
      return json.AsBool().map(Value::Bool);
    case Json::Kind::kInt:
      return json.AsInt().map(Value::Int);
    case Json::Kind::kDouble:
      return json.AsDouble().map(Value::Float);
    case Json::Kind::kString:
      return json.AsString().map([](auto text) { return Value::String(std::string(text)); });
    case Json::Kind::kArray:
      return ConvertArray(json, depth + 1);
    case Json::Kind::kObject:
      return ConvertObject(json, depth + 1);
  }
  return Value::None();
}

}  // namespace

Value Value::String(std::string text) {
  return Of(std::make_shared<const Text>(Text{std::move(text), false, {}}));
}

Value Value::List(std::vector<Value> items) {
  auto sequence = std::make_shared<Sequence>();
  sequence->depth = 1 + MaxDepth(items);
  sequence->items = std::move(items);
  RW_CHECK(sequence->depth <= kMaxValueDepth);
  return Of(std::shared_ptr<const Sequence>(std::move(sequence)));
}

Value Value::Object(std::vector<std::pair<std::string, Value>> members) {
  auto dict = std::make_shared<Dict>();
  for (std::pair<std::string, Value>& member : members) {
    const Status set =
        dict->Set(String(std::move(member.first)), std::move(member.second), nullptr);
    RW_CHECK(set.has_value());  // strings are keys, and nothing is metered
  }
  RW_CHECK(dict->depth() <= kMaxValueDepth);
  return Of(std::shared_ptr<const Dict>(std::move(dict)));
}

Result<Value> Value::FromJson(const Json& json) { return Convert(json, 0); }

double Value::number() const {
  return is(Kind::kFloat) ? std::get<double>(data_) : static_cast<double>(integer());
}

const std::string& Value::string() const { return text().bytes; }

std::string Value::undefined_reason() const {
  const auto& why = std::get<UndefinedTag>(data_).why;
  return why == nullptr ? "an undefined value was used" : why->bytes;
}

int Value::depth() const {
  if (is(Kind::kSequence)) return sequence().depth;
  if (is(Kind::kDict)) return dict().depth();
  // A bound method holds its object, and that may be a container.
  if (is(Kind::kCallable)) return 1 + callable().self.depth();
  if (is(Kind::kLoop)) return loop().depth;
  return 0;
}

const void* Value::identity() const {
  switch (kind()) {
    case Kind::kString:
      return &text();
    case Kind::kSequence:
      return &sequence();
    case Kind::kDict:
      return &dict();
    case Kind::kNamespace:
      return &name_space();
    case Kind::kCallable:
      return &callable();
    case Kind::kLoop:
      return &loop();
    default:
      return nullptr;
  }
}

std::string_view Value::type_name() const {
  constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool", "int",
                                         "float",     "str",      "",     "dict",
                                         "namespace", "function", "loop"};
  constexpr std::string_view kSequenceNames[] = {
      "list", "tuple", "range", "dict_keys", "dict_values", "dict_items", "generator"};
  if (is(Kind::kSequence)) return kSequenceNames[static_cast<size_t>(sequence().kind)];
  if (is_string() && text().markup) return "Markup";
  return kNames[static_cast<size_t>(kind())];
}

Status Dict::Set(Value key, Value value, Meter* meter) {
  RW_ASSIGN(const Value* present, Find(key, meter));
  const int depth = 1 + std::max(key.depth(), value.depth());
  RW_TRY(CheckDepth(depth));
  depth_ = std::max(depth_, depth);
  if (present != nullptr) {
    // Entries are this dict's own, so the value found may be replaced.
    const_cast<Value*>(present)->operator=(std::move(value));
    return {};
  }
  RW_TRY(charge_.Grow(meter, kEntryBytes));
  entries_.push_back({std::move(key), std::move(value)});
  if (entries_.size() <= kUnindexed) return {};
  const size_t first = index_.empty() ? 0 : entries_.size() - 1;
  for (size_t i = first; i < entries_.size(); ++i) {
    RW_ASSIGN(const size_t hash, Hash(entries_[i].key, meter));
    index_.emplace(hash, i);
  }
  return {};
}

Result<const Value*> Dict::Find(const Value& key, Meter* meter) const {
  RW_ASSIGN(const size_t hash, Hash(key, meter));
  if (index_.empty()) {
    for (const Entry& entry : entries_) {
      RW_ASSIGN(const bool equal, Equal(entry.key, key, meter));
      if (equal) return &entry.value;
    }
    return nullptr;
  }
  const auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    RW_ASSIGN(const bool equal, Equal(entries_[it->second].key, key, meter));
    if (equal) return &entries_[it->second].value;
  }
  return nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  const auto matches = [&](const Entry& entry) {
    return entry.key.is_string() && entry.key.string() == key;
  };
  if (index_.empty()) {
    const auto it = std::find_if(entries_.begin(), entries_.end(), matches);
    return it == entries_.end() ? nullptr : &it->value;
  }
  const auto [begin, end] = index_.equal_range(HashBytes(key));
  for (auto it = begin; it != end; ++it) {
    if (matches(entries_[it->second])) return &entries_[it->second].value;
  }
  return nullptr;
}

Result<Value> NewString(Meter& meter, std::string bytes, bool markup) {
  RW_TRY(meter.Work(bytes.size()));
  Text text{std::move(bytes), markup, {}};
  RW_TRY(text.charge.Grow(&meter, kTextBytes + text.bytes.size()));
  return Value::Of(std::make_shared<const Text>(std::move(text)));
}

Result<Value> NewSequence(Meter& meter, SequenceKind kind, std::vector<Value> items) {
  const size_t bytes = items.size() * sizeof(Value);
  RW_TRY(meter.Work(bytes));
  auto sequence = std::make_shared<Sequence>();
  RW_TRY(sequence->charge.Grow(&meter, kSequenceBytes + bytes));
  sequence->kind = kind;
  sequence->depth = 1 + MaxDepth(items);
  RW_TRY(CheckDepth(sequence->depth));
  sequence->items = std::move(items);
  if (kind == SequenceKind::kGenerator) sequence->label = "<generator object>";
  return Value::Of(std::shared_ptr<const Sequence>(std::move(sequence)));
}

Result<Value> NewDict(Meter& meter, Dict dict) {
  RW_TRY(dict.charge().Grow(&meter, kDictBytes));
  return Value::Of(std::make_shared<const Dict>(std::move(dict)));
}

Result<Value> NewUndefined(Meter& meter, std::string why) {
  auto text = std::make_shared<Text>();
  RW_TRY(text->charge.Grow(&meter, kTextBytes + why.size()));
  text->bytes = std::move(why);
  return Value::Undefined(std::move(text));
}

Result<Value> NewPair(Meter& meter, Value first, Value second) {
  std::vector<Value> items;
  items.reserve(2);
  items.push_back(std::move(first));
  items.push_back(std::move(second));
  return NewSequence(meter, SequenceKind::kTuple, std::move(items));
}

}  // namespace rw::jinja
