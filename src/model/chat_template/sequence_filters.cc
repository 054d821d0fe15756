// Filters over whole sequences: their ends, order, sums.
#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/attribute_path.h"
#include "model/chat_template/builtins.h"
#include "model/chat_template/compare.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/print.h"
#include "model/chat_template/runtime.h"
#include "model/chat_template/text.h"
#include "model/chat_template/text_ops.h"

namespace rw::jinja {
namespace {

Result<Value> First(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is(Kind::kSequence)) {
    // A generator gives up one item only.
    const Sequence& sequence = self.sequence();
    if (sequence.read < sequence.items.size()) {
      const size_t at = sequence.read;
      if (sequence.kind == SequenceKind::kGenerator) ++sequence.read;
      return sequence.items[at];
    }
  } else if (self.is_string() && !self.string().empty()) {
    const std::string& text = self.string();
    return NewString(runtime.meter(), text.substr(0, Decode(text, 0).bytes));
  } else {
    RW_ASSIGN(const std::vector<Value> items, Items(runtime, self));
    if (!items.empty()) return items.front();
  }
  return NewUndefined(runtime.meter(), "no first item, sequence was empty");
}

Result<Value> Last(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is(Kind::kSequence) && self.sequence().kind == SequenceKind::kGenerator) {
    return Err("a 'generator' has no last item; make it a list first");
  }
  if (self.is_string() && !self.string().empty()) {
    const std::string& text = self.string();
    return NewString(runtime.meter(), text.substr(PreviousStart(text, text.size())));
  }
  RW_ASSIGN(const std::vector<Value> items, Items(runtime, self));
  if (!items.empty()) return items.back();
  return NewUndefined(runtime.meter(), "no last item, sequence was empty");
}

// `path` of each item, or the item itself.
Result<std::vector<Value>> ItemsAt(Runtime& runtime, const Value& self, const Arguments& arguments,
                                   size_t path_argument) {
  RW_ASSIGN(std::vector<Value> items, Items(runtime, self));
  if (!arguments.Given(path_argument)) return items;
  RW_ASSIGN(const AttributePath path, AttributePath::Parse(runtime, arguments[path_argument]));
  for (Value& item : items) {
    RW_ASSIGN(item, path.Get(runtime, item));
  }
  return items;
}

Result<Value> Join(Runtime& runtime, const Value& self, const Arguments& arguments) {
  std::string separator;
  if (arguments.Has(0)) {
    RW_ASSIGN(separator, Str(runtime.meter(), arguments[0]));
  }
  RW_ASSIGN(const std::vector<Value> items, ItemsAt(runtime, self, arguments, 1));
  RW_ASSIGN(std::string text, JoinTexts(runtime.meter(), separator, items, /*escape=*/false));
  return NewString(runtime.meter(), std::move(text));
}

Result<Value> Reverse(Runtime& runtime, const Value& self, const Arguments&) {
  if (self.is_string()) {
    return GetSlice(runtime, self, Value::None(), Value::None(), Value::Int(-1));
  }
  RW_ASSIGN(std::vector<Value> items, Items(runtime, self));
  std::reverse(items.begin(), items.end());
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, std::move(items));
}

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

Result<bool> KeysLess(Meter& meter, const Keyed& a, const Keyed& b) {
  for (size_t i = 0; i < a.keys.size(); ++i) {
    RW_ASSIGN(const bool equal, Equal(a.keys[i], b.keys[i], &meter));
    if (!equal) return Less(a.keys[i], b.keys[i], &meter);
  }
  return false;
}

// Python's stable sort; with `reverse`, equal items keep their order too.
Result<std::vector<Value>> Sorted(Meter& meter, std::vector<Keyed> keyed, bool reverse) {
  Status status;
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    if (!status) return false;
    const Result<bool> less = KeysLess(meter, a, b);
    if (!less) status = tl::unexpected<Error>(less.error());
    return less.value_or(false);
  });
  RW_TRY(status);
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return items;
}

Result<Value> Sort(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const bool reverse, arguments.Bool(0, false));
  RW_ASSIGN(const bool case_sensitive, arguments.Bool(1, false));
  std::vector<AttributePath> paths(1);
  if (arguments.Given(2) && arguments[2].is_string()) {
    paths.clear();
    for (const std::string_view part : Split(arguments[2].string(), ",", -1)) {
      RW_ASSIGN(const Value text, NewString(runtime.meter(), std::string(part)));
      RW_ASSIGN(AttributePath path, AttributePath::Parse(runtime, text));
      paths.push_back(std::move(path));
    }
  } else if (arguments.Given(2)) {
    RW_ASSIGN(paths[0], AttributePath::Parse(runtime, arguments[2]));
  }
  RW_ASSIGN(std::vector<Value> items, Items(runtime, self));
  std::vector<Keyed> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) {
    Keyed entry;
    for (const AttributePath& path : paths) {
      RW_ASSIGN(Value key, path.Get(runtime, item));
      if (!case_sensitive) {
        RW_ASSIGN(key, IgnoringCase(runtime, std::move(key)));
      }
      entry.keys.push_back(std::move(key));
    }
    entry.item = std::move(item);
    keyed.push_back(std::move(entry));
  }
  RW_ASSIGN(std::vector<Value> sorted, Sorted(runtime.meter(), std::move(keyed), reverse));
  return NewList(runtime.meter(), std::move(sorted));
}

Result<Value> DictSort(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (self.is_undefined()) return Err("{}", self.undefined_reason());
  if (!self.is(Kind::kDict)) return Err("dictsort() needs a dict, found a '{}'", self.type_name());
  RW_ASSIGN(const bool case_sensitive, arguments.Bool(0, false));
  RW_ASSIGN(const std::string_view by, arguments.String(1, "key"));
  RW_ASSIGN(const bool reverse, arguments.Bool(2, false));
  if (by != "key" && by != "value") return Err("dictsort() sorts by \"key\" or \"value\"");
  std::vector<Keyed> keyed;
  for (const Dict::Entry& entry : self.dict().entries()) {
    Value key = by == "key" ? entry.key : entry.value;
    if (!case_sensitive) {
      RW_ASSIGN(key, IgnoringCase(runtime, std::move(key)));
    }
    RW_ASSIGN(Value pair, NewPair(runtime.meter(), entry.key, entry.value));
    keyed.push_back({{std::move(key)}, std::move(pair)});
  }
  RW_ASSIGN(std::vector<Value> sorted, Sorted(runtime.meter(), std::move(keyed), reverse));
  return NewList(runtime.meter(), std::move(sorted));
}

Result<Value> Unique(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const bool case_sensitive, arguments.Bool(0, false));
  RW_ASSIGN(const std::vector<Value> items, Items(runtime, self));
  AttributePath path;
  if (arguments.Given(1)) {
    RW_ASSIGN(path, AttributePath::Parse(runtime, arguments[1]));
  }
  Dict seen;
  std::vector<Value> out;
  for (const Value& item : items) {
    RW_ASSIGN(Value key, path.Get(runtime, item));
    if (!case_sensitive) {
      RW_ASSIGN(key, IgnoringCase(runtime, std::move(key)));
    }
    RW_ASSIGN(const Value* found, seen.Find(key, &runtime.meter()));
    if (found != nullptr) continue;
    RW_TRY(seen.Set(std::move(key), Value::None(), &runtime.meter()));
    out.push_back(item);
  }
  return NewSequence(runtime.meter(), SequenceKind::kGenerator, std::move(out));
}

template <bool want_max>
Result<Value> Extreme(Runtime& runtime, const Value& self, const Arguments& arguments) {
  RW_ASSIGN(const bool case_sensitive, arguments.Bool(0, false));
  RW_ASSIGN(const std::vector<Value> items, Items(runtime, self));
  AttributePath path;
  if (arguments.Given(1)) {
    RW_ASSIGN(path, AttributePath::Parse(runtime, arguments[1]));
  }
  const Value* best = nullptr;
  Value best_key;
  for (const Value& item : items) {
    RW_ASSIGN(Value key, path.Get(runtime, item));
    if (!case_sensitive) {
      RW_ASSIGN(key, IgnoringCase(runtime, std::move(key)));
    }
    bool better = best == nullptr;
    if (!better) {
      RW_ASSIGN(better, want_max ? Less(best_key, key, &runtime.meter())
                                 : Less(key, best_key, &runtime.meter()));
    }
    if (!better) continue;
    best = &item;
    best_key = std::move(key);
  }
  if (best != nullptr) return *best;
  return NewUndefined(runtime.meter(), "no aggregated item, sequence was empty");
}

Result<Value> Sum(Runtime& runtime, const Value& self, const Arguments& arguments) {
  Value sum = arguments.Has(1) ? arguments[1] : Value::Int(0);
  if (sum.is_string()) return Err("sum() does not add strings; use join");
  RW_ASSIGN(const std::vector<Value> items, ItemsAt(runtime, self, arguments, 0));
  for (const Value& item : items) {
    RW_ASSIGN(sum, Arithmetic(runtime, Op::kAdd, sum, item));
  }
  return sum;
}

constexpr Builtin kSequenceFilters[] = {
    {"dictsort", "case_sensitive? by? reverse?", DictSort},
    {"first", "", First},
    {"join", "d? attribute?", Join},
    {"last", "", Last},
    {"max", "case_sensitive? attribute?", Extreme<true>},
    {"min", "case_sensitive? attribute?", Extreme<false>},
    {"reverse", "", Reverse},
    {"sort", "reverse? case_sensitive? attribute?", Sort},
    {"sum", "attribute? start?", Sum},
    {"unique", "case_sensitive? attribute?", Unique},
};

}  // namespace

std::span<const Builtin> SequenceFilters() { return kSequenceFilters; }

}  // namespace rw::jinja
