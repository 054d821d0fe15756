#include "model/chat_template/access.h"

#include <algorithm>

#include "model/chat_template/builtins.h"
#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

Result<Value> BindMethod(Runtime& runtime, const Builtin& method, const Value& self) {
  auto bound = std::make_shared<Callable>();
  RW_TRY(bound->charge.Grow(&runtime.meter(), sizeof(Callable)));
  bound->builtin = &method;
  bound->self = self;
  return Value::Of(std::shared_ptr<const Callable>(std::move(bound)));
}

// What Python's immutable sandbox hides, and string methods that are not provided here.
bool IsForbidden(const Value& x, std::string_view name) {
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::string_view kList[] = {"append", "clear",  "extend",  "insert",
                                        "pop",    "remove", "reverse", "sort"};
  const auto in = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (name.starts_with("__") && name.ends_with("__")) return true;
  if (x.is(Kind::kDict)) return in(kDict);
  return x.is(Kind::kSequence) && x.sequence().kind == SequenceKind::kList && in(kList);
}

Result<Value> LoopProperty(Runtime& runtime, const Loop& loop, std::string_view name, bool& found) {
  const auto index = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.items.size());
  found = true;
  if (name == "index") return Value::Int(index + 1);
  if (name == "index0") return Value::Int(index);
  if (name == "first") return Value::Bool(index == 0);
  if (name == "last") return Value::Bool(index + 1 == length);
  if (name == "length") return Value::Int(length);
  if (name == "revindex") return Value::Int(length - index);
  if (name == "revindex0") return Value::Int(length - index - 1);
  if (name == "depth") return Value::Int(1);
  if (name == "depth0") return Value::Int(0);
  if (name == "previtem") {
    if (index == 0) return NewUndefined(runtime.meter(), "there is no previous item");
    return loop.items[loop.index - 1];
  }
  if (name == "nextitem") {
    if (index + 1 >= length) return NewUndefined(runtime.meter(), "there is no next item");
    return loop.items[loop.index + 1];
  }
  found = false;
  return Value();
}

// The attribute in Python's sense, without items; `found` tells whether there is one.
Result<Value> PlainAttribute(Runtime& runtime, const Value& x, std::string_view name, bool& found) {
  found = true;
  if (IsForbidden(x, name)) {
    return NewUndefined(runtime.meter(), fmt::format("access to '{}' of a '{}' is refused",
                                                     name.substr(0, 60), x.type_name()));
  }
  if (x.is(Kind::kNamespace)) {
    const auto& attributes = x.name_space().attributes;
    const auto it = attributes.find(name);
    found = it != attributes.end();
    return found ? it->second : Value();
  }
  if (const Builtin* method = FindMethod(x, name)) return BindMethod(runtime, *method, x);
  if (x.is(Kind::kLoop)) return LoopProperty(runtime, x.loop(), name, found);
  found = false;
  return Value();
}

Result<Value> NoAttribute(Runtime& runtime, const Value& x, std::string_view name) {
  return NewUndefined(runtime.meter(), fmt::format("a '{}' has no attribute '{}'", x.type_name(),
                                                   name.substr(0, 60)));
}

// The start of the code point number `index` (from the end if negative); npos: there is none.
Result<size_t> CodePointAt(Meter& meter, std::string_view text, int64_t index) {
  RW_TRY(meter.Work(text.size()));
  if (index < 0) index += static_cast<int64_t>(CountCodePoints(text));
  if (index < 0) return std::string_view::npos;
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += Decode(text, at).bytes;
  return at < text.size() ? at : std::string_view::npos;
}

// x[index] for a string or sequence; `found` is false past the ends.
Result<Value> IndexItem(Runtime& runtime, const Value& x, int64_t index, bool& found) {
  if (x.is_string()) {
    RW_ASSIGN(const size_t at, CodePointAt(runtime.meter(), x.string(), index));
    found = at != std::string_view::npos;
    if (!found) return Value();
    const size_t bytes = Decode(x.string(), at).bytes;
    return NewString(runtime.meter(), x.string().substr(at, bytes), x.text().markup);
  }
  const auto& items = x.sequence().items;
  const auto count = static_cast<int64_t>(items.size());
  if (index < 0) index += count;
  found = index >= 0 && index < count;
  return found ? items[static_cast<size_t>(index)] : Value();
}

// The item in Python's sense, without attributes.
Result<Value> PlainItem(Runtime& runtime, const Value& x, const Value& key, bool& found) {
  found = false;
  if (x.is(Kind::kDict)) {
    const auto value = x.dict().Find(key, &runtime.meter());
    if (!value) {
      RW_TRY(runtime.meter().Step());  // out of steps is an error, an unhashable key is none
      return Value();
    }
    found = *value != nullptr;
    return found ? **value : Value();
  }
  const bool indexed = x.is_string() || (x.is(Kind::kSequence) && x.sequence().indexable());
  if (indexed && key.is_integral()) return IndexItem(runtime, x, key.integer(), found);
  return Value();
}

struct Bounds {
  int64_t start = 0;
  int64_t step = 1;
  size_t count = 0;
};

Result<int64_t> Bound(const Value& bound, int64_t length, int64_t low, int64_t high,
                      int64_t otherwise) {
  if (bound.is(Kind::kNone)) return otherwise;
  if (bound.is_undefined()) return Err("{}", bound.undefined_reason());
  if (!bound.is_integral()) return Err("a slice needs integers, found a '{}'", bound.type_name());
  int64_t index = bound.integer();
  if (index < 0) index = index < -length ? -1 - length : index;
  if (index < 0) index += length;
  return std::clamp(index, low, high);
}

// As Python's slice.indices.
Result<Bounds> SliceBounds(const Value& start, const Value& stop, const Value& step,
                           int64_t length) {
  Bounds bounds;
  if (!step.is(Kind::kNone)) {
    if (!step.is_integral()) return Err("a slice needs integers, found a '{}'", step.type_name());
    bounds.step = std::clamp(step.integer(), -INT64_MAX, INT64_MAX);
  }
  if (bounds.step == 0) return Err("the step of a slice is zero");
  const bool forward = bounds.step > 0;
  const int64_t low = forward ? 0 : -1;
  const int64_t high = forward ? length : length - 1;
  RW_ASSIGN(bounds.start, Bound(start, length, low, high, forward ? low : high));
  RW_ASSIGN(const int64_t end, Bound(stop, length, low, high, forward ? high : low));
  const int64_t distance = forward ? end - bounds.start : bounds.start - end;
  if (distance <= 0) return bounds;
  bounds.count = static_cast<size_t>((distance - 1) / std::abs(bounds.step) + 1);
  return bounds;
}

Result<Value> SliceString(Runtime& runtime, const Value& x, const Value& start, const Value& stop,
                          const Value& step) {
  const std::string& text = x.string();
  RW_TRY(runtime.meter().Work(2 * text.size()));
  const auto length = static_cast<int64_t>(CountCodePoints(text));
  RW_ASSIGN(const Bounds bounds, SliceBounds(start, stop, step, length));
  if (bounds.step == 1) {
    size_t at = 0;
    for (int64_t i = 0; i < bounds.start && at < text.size(); ++i) at += Decode(text, at).bytes;
    size_t end = at;
    for (size_t i = 0; i < bounds.count; ++i) end += Decode(text, end).bytes;
    return NewString(runtime.meter(), text.substr(at, end - at), x.text().markup);
  }
  RW_TRY(runtime.meter().Room(static_cast<size_t>(length) * sizeof(size_t)));
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); i += Decode(text, i).bytes) starts.push_back(i);
  std::string out;
  int64_t index = bounds.start;
  for (size_t i = 0; i < bounds.count; ++i) {
    const size_t at = starts[static_cast<size_t>(index)];
    out += text.substr(at, Decode(text, at).bytes);
    if (i + 1 < bounds.count) index += bounds.step;
  }
  return NewString(runtime.meter(), std::move(out), x.text().markup);
}

}  // namespace

Result<Value> GetAttribute(Runtime& runtime, const Value& x, std::string_view name) {
  if (x.is_undefined()) return Err("{}", x.undefined_reason());
  bool found = false;
  RW_ASSIGN(Value value, PlainAttribute(runtime, x, name, found));
  if (found) return value;
  const Value* item = x.is(Kind::kDict) ? x.dict().Find(name) : nullptr;
  if (item != nullptr) return *item;
  return NoAttribute(runtime, x, name);
}

Result<Value> GetItem(Runtime& runtime, const Value& x, const Value& key) {
  if (x.is_undefined()) return Err("{}", x.undefined_reason());
  bool found = false;
  RW_ASSIGN(Value value, PlainItem(runtime, x, key, found));
  if (found) return value;
  if (key.is_string()) {
    RW_ASSIGN(value, PlainAttribute(runtime, x, key.string(), found));
    if (found) return value;
    return NoAttribute(runtime, x, key.string());
  }
  return NewUndefined(runtime.meter(), fmt::format("a '{}' has no such element", x.type_name()));
}

Result<Value> GetSlice(Runtime& runtime, const Value& x, const Value& start, const Value& stop,
                       const Value& step) {
  if (x.is_undefined()) return Err("{}", x.undefined_reason());
  if (x.is_string()) return SliceString(runtime, x, start, stop, step);
  if (!x.is(Kind::kSequence) || !x.sequence().indexable()) {
    return Err("a '{}' cannot be sliced", x.type_name());
  }
  const auto& items = x.sequence().items;
  RW_ASSIGN(const Bounds bounds,
            SliceBounds(start, stop, step, static_cast<int64_t>(items.size())));
  RW_TRY(runtime.meter().Room(bounds.count * sizeof(Value)));
  std::vector<Value> out;
  out.reserve(bounds.count);
  int64_t index = bounds.start;
  for (size_t i = 0; i < bounds.count; ++i) {
    out.push_back(items[static_cast<size_t>(index)]);
    if (i + 1 < bounds.count) index += bounds.step;
  }
  const bool tuple = x.sequence().kind == SequenceKind::kTuple;
  return NewSequence(runtime.meter(), tuple ? SequenceKind::kTuple : SequenceKind::kList,
                     std::move(out));
}

Result<std::vector<Value>> Items(Runtime& runtime, const Value& x) {
  std::vector<Value> items;
  switch (x.kind()) {
    case Kind::kUndefined:
      return items;
    case Kind::kString:
      for (size_t i = 0; i < x.string().size();) {
        const size_t bytes = Decode(x.string(), i).bytes;
        RW_ASSIGN(Value item, NewString(runtime.meter(), x.string().substr(i, bytes)));
        RW_TRY(runtime.meter().Step());
        items.push_back(std::move(item));
        i += bytes;
      }
      return items;
    case Kind::kSequence: {
      const Sequence& sequence = x.sequence();
      RW_TRY(runtime.meter().Work(sequence.items.size() * sizeof(Value)));
      items.assign(sequence.items.begin() + static_cast<ptrdiff_t>(sequence.read),
                   sequence.items.end());
      if (sequence.kind == SequenceKind::kGenerator) sequence.read = sequence.items.size();
      return items;
    }
    case Kind::kDict:
      RW_TRY(runtime.meter().Work(x.dict().entries().size() * sizeof(Value)));
      for (const Dict::Entry& entry : x.dict().entries()) items.push_back(entry.key);
      return items;
    default:
      return Err("a '{}' cannot be iterated over", x.type_name());
  }
}

Result<int64_t> Length(Runtime& runtime, const Value& x) {
  switch (x.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      RW_TRY(runtime.meter().Work(x.string().size()));
      return static_cast<int64_t>(CountCodePoints(x.string()));
    case Kind::kSequence:
      if (x.sequence().kind == SequenceKind::kGenerator) break;
      return static_cast<int64_t>(x.sequence().items.size());
    case Kind::kDict:
      return static_cast<int64_t>(x.dict().entries().size());
    case Kind::kLoop:
      return static_cast<int64_t>(x.loop().items.size());
    default:
      break;
  }
  return Err("a '{}' has no length", x.type_name());
}

Result<Value> DictView(Runtime& runtime, const Dict& dict, SequenceKind kind) {
  std::vector<Value> items;
  for (const Dict::Entry& entry : dict.entries()) {
    if (kind == SequenceKind::kItems) {
      RW_ASSIGN(Value pair, NewPair(runtime.meter(), entry.key, entry.value));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kind == SequenceKind::kKeys ? entry.key : entry.value);
    }
  }
  return NewSequence(runtime.meter(), kind, std::move(items));
}

}  // namespace rw::jinja
