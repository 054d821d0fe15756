#include "model/chat_template/compare.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "model/chat_template/text.h"

namespace rw::jinja {
namespace {

Status Count(Meter* meter) { return meter == nullptr ? Status{} : meter->Step(); }
Status Work(Meter* meter, size_t bytes) { return meter == nullptr ? Status{} : meter->Work(bytes); }

bool NumbersEqual(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  return a.number() == b.number();
}

Result<bool> ItemsEqual(const std::vector<Value>& a, const std::vector<Value>& b, Meter* meter) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    RW_ASSIGN(const bool equal, Equal(a[i], b[i], meter));
    if (!equal) return false;
  }
  return true;
}

Result<bool> DictsEqual(const Dict& a, const Dict& b, Meter* meter) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const Dict::Entry& entry : a.entries()) {
    RW_ASSIGN(const Value* other, b.Find(entry.key, meter));
    if (other == nullptr) return false;
    RW_ASSIGN(const bool equal, Equal(entry.value, *other, meter));
    if (!equal) return false;
  }
  return true;
}

bool Ordered(SequenceKind kind) {
  return kind == SequenceKind::kList || kind == SequenceKind::kTuple;
}

Result<bool> SequencesLess(const Sequence& a, const Sequence& b, Meter* meter) {
  const size_t count = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < count; ++i) {
    RW_ASSIGN(const bool equal, Equal(a.items[i], b.items[i], meter));
    if (!equal) return Less(a.items[i], b.items[i], meter);
  }
  return a.items.size() < b.items.size();
}

Result<bool> SequenceContains(Meter& meter, const Sequence& sequence, const Value& item) {
  if (sequence.kind != SequenceKind::kGenerator) {
    for (const Value& candidate : sequence.items) {
      RW_ASSIGN(const bool equal, Equal(candidate, item, &meter));
      if (equal) return true;
    }
    return false;
  }
  while (sequence.read < sequence.items.size()) {
    RW_ASSIGN(const bool equal, Equal(sequence.items[sequence.read++], item, &meter));
    if (equal) return true;
  }
  return false;
}

}  // namespace

Result<bool> Equal(const Value& a, const Value& b, Meter* meter) {
  RW_TRY(Count(meter));
  if (a.is_number() && b.is_number()) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      if (a.string().size() != b.string().size()) return false;
      RW_TRY(Work(meter, a.string().size()));
      return a.string() == b.string();
    case Kind::kSequence: {
      const SequenceKind kind = a.sequence().kind;
      if (kind != b.sequence().kind) return false;
      if (a.sequence().indexable())
        return ItemsEqual(a.sequence().items, b.sequence().items, meter);
      return a.identity() == b.identity();
    }
    case Kind::kDict:
      return DictsEqual(a.dict(), b.dict(), meter);
    default:
      return a.identity() == b.identity();
  }
}

Result<bool> Less(const Value& a, const Value& b, Meter* meter) {
  RW_TRY(Count(meter));
  if (a.is_undefined()) return Err("{}", a.undefined_reason());
  if (b.is_undefined()) return Err("{}", b.undefined_reason());
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) {
    RW_TRY(Work(meter, std::min(a.string().size(), b.string().size())));
    return a.string() < b.string();  // the order of UTF-8 bytes is that of code points
  }
  if (a.is(Kind::kSequence) && b.is(Kind::kSequence) && a.sequence().kind == b.sequence().kind &&
      Ordered(a.sequence().kind)) {
    return SequencesLess(a.sequence(), b.sequence(), meter);
  }
  return Err("a '{}' and a '{}' have no order", a.type_name(), b.type_name());
}

Result<bool> Contains(Meter& meter, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (item.is_undefined()) return Err("{}", item.undefined_reason());
      if (!item.is_string()) {
        return Err("'in <string>' needs a string on the left, found a '{}'", item.type_name());
      }
      RW_TRY(meter.Work(container.string().size() + item.string().size()));
      return FindBytes(container.string(), item.string(), 0) != std::string_view::npos;
    case Kind::kSequence:
      return SequenceContains(meter, container.sequence(), item);
    case Kind::kDict: {
      RW_ASSIGN(const Value* found, container.dict().Find(item, &meter));
      return found != nullptr;
    }
    default:
      return Err("a '{}' cannot be searched with 'in'", container.type_name());
  }
}

size_t HashBytes(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }

Result<size_t> Hash(const Value& value, Meter* meter) {
  RW_TRY(Count(meter));
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return static_cast<size_t>(value.kind());
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      // As doubles, since 1, 1.0 and true are one key. Long integers may collide, which is allowed.
      return std::hash<double>()(value.number());
    case Kind::kString:
      RW_TRY(Work(meter, value.string().size()));
      return HashBytes(value.string());
    case Kind::kSequence: {
      const Sequence& sequence = value.sequence();
      if (sequence.kind != SequenceKind::kTuple) break;
      size_t hash = sequence.items.size();
      for (const Value& item : sequence.items) {
        RW_ASSIGN(const size_t part, Hash(item, meter));
        hash = hash * 1000003 + part;
      }
      return hash;
    }
    case Kind::kDict:
      break;
    default:
      return std::hash<const void*>()(value.identity());
  }
  return Err("a '{}' cannot be a key: it has no hash", value.type_name());
}

}  // namespace rw::jinja
