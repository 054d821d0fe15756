// JSON from outside, read with simdjson (chosen for speed on tokenizer files of tens of MB and for
// its depth limit and UTF-8 check). Every accessor names the place in its error:
// "config.json: rope_scaling.factor: expected a number, found a string".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rw {

class JsonDocument;

// A value inside a JsonDocument, which must outlive it. Cheap to copy.
class Json {
 public:
  enum class Kind { kNull, kBool, kInt, kDouble, kString, kArray, kObject };

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kInt || kind() == Kind::kDouble; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  std::string_view kind_name() const;  // "a string", "an object", ... for messages

  // Member of an object. Find: absent (or this not an object) is nullopt; a null member is a value.
  // Get: absent is an error.
  std::optional<Json> Find(std::string_view key) const;
  Result<Json> Get(std::string_view key) const;

  Result<bool> AsBool() const;
  Result<int64_t> AsInt() const;              // a number without fraction that fits
  Result<double> AsDouble() const;            // any number
  Result<std::string_view> AsString() const;  // UTF-8, may hold U+0000; lives with the document

  // A scalar as one would type it: true, 4096, 0.5, llama. nullopt for null, arrays and objects.
  std::optional<std::string> ScalarText() const;

  // Elements in order. An error if this is no array / object. Members keep the order of the file;
  // duplicate keys are all visited.
  Result<std::vector<Json>> Elements() const;
  Status ForEachMember(const std::function<Status(std::string_view key, Json value)>& visit) const;
  Status ForEachElement(const std::function<Status(size_t index, Json value)>& visit) const;

  // Where this value stands, e.g. "config.json: rope_scaling.factor".
  const std::string& where() const { return where_; }
  // An error at this place: "<where>: expected <wanted>, found <what is here>".
  tl::unexpected<Error> Expected(std::string_view wanted) const;

 private:
  friend struct JsonAccess;  // json.cc: keeps simdjson out of this header
  struct Raw {
    const void* document;
    size_t index;
  };
  Json(Raw raw, std::string where) : raw_(raw), where_(std::move(where)) {}

  Raw raw_;
  std::string where_;
};

class JsonDocument {
 public:
  // `name` stands for the source in messages ("config.json"). At most 64 levels deep unless told.
  static Result<JsonDocument> Parse(std::string_view text, std::string name, size_t max_depth = 64);
  // Reads the file; refuses one larger than max_bytes before reading it.
  static Result<JsonDocument> Load(const std::string& path, size_t max_bytes = size_t{1} << 30);

  Json root() const;

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

 private:
  struct Impl;
  explicit JsonDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rw
