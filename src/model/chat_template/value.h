// The values a template computes with: Python's, as far as chat templates see them.
//
// Values are immutable and cheap to copy, so a context can be shared by renderings on several
// threads. Three things change during one rendering and never leave it: a namespace's attributes,
// a loop's position and how far a generator was read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "model/chat_template/meter.h"

namespace rw::jinja {

class Dict;
class Value;
struct Builtin;    // builtins.h
struct MacroStmt;  // ast.h
struct Callable;
struct Loop;
struct Namespace;
struct Sequence;
struct Text;

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,
  kDict,
  kNamespace,
  kCallable,
  kLoop,
};

// Containers nest at most so deep: comparing, printing and freeing them recurses.
inline constexpr int kMaxValueDepth = 100;

class Value {
 public:
  Value() = default;  // undefined

  static Value None() { return Value(NoneTag{}); }
  static Value Bool(bool x) { return Value(x); }
  static Value Int(int64_t x) { return Value(x); }
  static Value Float(double x) { return Value(x); }
  // What a context is built from; these hold no charge. UTF-8 is expected, other bytes pass
  // through.
  static Value String(std::string text);
  static Value List(std::vector<Value> items);
  static Value Object(std::vector<std::pair<std::string, Value>> members);
  static Result<Value> FromJson(const Json& json);

  // Why the value is undefined ("'x' is undefined") shows in the error of the first real use.
  static Value Undefined(std::shared_ptr<const Text> why) { return Value(std::move(why), 0); }
  static Value Of(std::shared_ptr<const Text> x) { return Value(std::move(x)); }
  static Value Of(std::shared_ptr<const Sequence> x) { return Value(std::move(x)); }
  static Value Of(std::shared_ptr<const Dict> x) { return Value(std::move(x)); }
  static Value Of(std::shared_ptr<Namespace> x) { return Value(std::move(x)); }
  static Value Of(std::shared_ptr<const Callable> x) { return Value(std::move(x)); }
  static Value Of(std::shared_ptr<Loop> x) { return Value(std::move(x)); }

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind wanted) const { return kind() == wanted; }
  bool is_undefined() const { return is(Kind::kUndefined); }
  bool is_string() const { return is(Kind::kString); }
  bool is_integral() const { return is(Kind::kInt) || is(Kind::kBool); }  // as in Python
  bool is_number() const { return is_integral() || is(Kind::kFloat); }

  // Each needs that kind.
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const {
    return is(Kind::kBool) ? int64_t{boolean()} : std::get<int64_t>(data_);
  }
  double number() const;  // any number
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(data_); }
  const std::string& string() const;
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(data_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Namespace& name_space() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(data_); }
  Loop& loop() const { return *std::get<std::shared_ptr<Loop>>(data_); }

  std::string undefined_reason() const;
  int depth() const;                   // of containers in containers; a scalar is 0
  const void* identity() const;        // null for what Python holds by value
  std::string_view type_name() const;  // Python's: "str", "NoneType", "dict", ...

 private:
  struct NoneTag {};
  struct UndefinedTag {
    std::shared_ptr<const Text> why;
  };
  template <class T>
  explicit Value(T x) : data_(std::move(x)) {}
  Value(std::shared_ptr<const Text> why, int) : data_(UndefinedTag{std::move(why)}) {}

  // In the order of Kind.
  std::variant<UndefinedTag, NoneTag, bool, int64_t, double, std::shared_ptr<const Text>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
               std::shared_ptr<Namespace>, std::shared_ptr<const Callable>, std::shared_ptr<Loop>>
      data_;
};

struct Text {
  std::string bytes;
  bool markup = false;  // made by the filters `safe` and `escape`: escapes what is added to it
  Charge charge;
};

enum class SequenceKind { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  std::vector<Value> items;
  int depth = 1;
  std::string label;        // what a range or generator prints as
  mutable size_t read = 0;  // generators: items already consumed
  Charge charge;

  bool is_view() const {
    return kind == SequenceKind::kKeys || kind == SequenceKind::kValues ||
           kind == SequenceKind::kItems;
  }
  // Lists, tuples and ranges can be indexed; views and generators cannot.
  bool indexable() const { return kind != SequenceKind::kGenerator && !is_view(); }
};

// Keys in the order of insertion. Numbers that are equal are one key, as in Python.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  // A null meter counts nothing. A key that cannot be hashed (a list, a dict) is an error.
  Status Set(Value key, Value value, Meter* meter);
  Result<const Value*> Find(const Value& key, Meter* meter) const;  // null: absent
  const Value* Find(std::string_view key) const;

  const std::vector<Entry>& entries() const { return entries_; }
  int depth() const { return depth_; }
  Charge& charge() { return charge_; }

 private:
  static constexpr size_t kUnindexed = 8;  // up to here a search in order is quicker

  std::vector<Entry> entries_;
  std::multimap<size_t, size_t> index_;  // hash of the key -> entry, once there are many
  int depth_ = 1;
  Charge charge_;
};

struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
  Charge charge;
};

// A builtin function, a method bound to its object, or a macro.
struct Callable {
  const Builtin* builtin = nullptr;
  Value self;
  const MacroStmt* macro = nullptr;
  size_t scope = 0;           // where the macro was defined
  uint64_t scope_serial = 0;  // and which scope stood there
  Charge charge;
};

struct Loop {
  std::vector<Value> items;
  size_t index = 0;
  int depth = 1;
  Charge charge;
};

// What a rendering makes: charged to its meter, refused when it does not fit or nests too deep.
Result<Value> NewString(Meter& meter, std::string bytes, bool markup = false);
Result<Value> NewSequence(Meter& meter, SequenceKind kind, std::vector<Value> items);
Result<Value> NewDict(Meter& meter, Dict dict);
Result<Value> NewUndefined(Meter& meter, std::string why);

inline Result<Value> NewList(Meter& meter, std::vector<Value> items) {
  return NewSequence(meter, SequenceKind::kList, std::move(items));
}
Result<Value> NewPair(Meter& meter, Value first, Value second);

}  // namespace rw::jinja
