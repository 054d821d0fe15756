#include "base/json.h"

#include <simdjson.h>

#include <bit>
#include <limits>

#include "base/file.h"

namespace rw {

namespace dom = simdjson::dom;

struct JsonAccess {
  static dom::element Element(const Json& json) { return std::bit_cast<dom::element>(json.raw_); }
  static Json Make(dom::element element, std::string where) {
    return Json(std::bit_cast<Json::Raw>(element), std::move(where));
  }
};

struct JsonDocument::Impl {
  std::string name;
  dom::parser parser;
  dom::element root;
};

namespace {

std::string MemberPlace(const std::string& parent, std::string_view key) {
  // The source's name is followed by ": ", deeper levels by ".".
  const bool top = parent.find(": ") == std::string::npos;
  // A key comes from outside: keep messages to one short line whatever it holds.
  std::string shown;
  for (const char c : key.substr(0, 80)) shown += (static_cast<unsigned char>(c) < 32) ? '?' : c;
  if (key.size() > 80) shown += "...";
  return parent + (top ? ": " : ".") + shown;
}

std::string ElementPlace(const std::string& parent, size_t index) {
  const bool top = parent.find(": ") == std::string::npos;
  return fmt::format("{}{}[{}]", parent, top ? ": " : "", index);
}

}  // namespace

Json::Kind Json::kind() const {
  switch (JsonAccess::Element(*this).type()) {
    case dom::element_type::ARRAY:
      return Kind::kArray;
    case dom::element_type::OBJECT:
      return Kind::kObject;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return Kind::kInt;
    case dom::element_type::DOUBLE:
      return Kind::kDouble;
    case dom::element_type::STRING:
      return Kind::kString;
    case dom::element_type::BOOL:
      return Kind::kBool;
    case dom::element_type::NULL_VALUE:
      return Kind::kNull;
  }
  return Kind::kNull;
}

std::string_view Json::kind_name() const {
  static constexpr std::string_view kNames[] = {"null",     "a boolean", "an integer", "a number",
                                                "a string", "an array",  "an object"};
  return kNames[static_cast<int>(kind())];
}

tl::unexpected<Error> Json::Expected(std::string_view wanted) const {
  std::string found(kind_name());
  const dom::element element = JsonAccess::Element(*this);
  if (is_number() || is_bool()) {
    found = simdjson::minify(element);
  } else if (is_string()) {
    if (const auto text = AsString(); text->size() <= 60) found = simdjson::minify(element);
  }
  return Err("{}: expected {}, found {}", where_, wanted, found);
}

std::optional<Json> Json::Find(std::string_view key) const {
  dom::object object;
  if (JsonAccess::Element(*this).get(object) != simdjson::SUCCESS) return std::nullopt;
  dom::element value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return JsonAccess::Make(value, MemberPlace(where_, key));
}

Result<Json> Json::Get(std::string_view key) const {
  if (!is_object()) return Expected("an object");
  if (auto value = Find(key)) return *value;
  return Err("{}: missing", MemberPlace(where_, key));
}

std::optional<std::string> Json::ScalarText() const {
  switch (kind()) {
    case Kind::kBool:
      return *AsBool() ? "true" : "false";
    case Kind::kInt:
      if (const auto value = AsInt()) return std::to_string(*value);
      return std::nullopt;
    case Kind::kDouble:
      return fmt::format("{}", *AsDouble());
    case Kind::kString:
      return std::string(*AsString());
    default:
      return std::nullopt;
  }
}

Result<bool> Json::AsBool() const {
  bool value;
  if (JsonAccess::Element(*this).get(value) != simdjson::SUCCESS) return Expected("true or false");
  return value;
}

Result<int64_t> Json::AsInt() const {
  const dom::element element = JsonAccess::Element(*this);
  int64_t value;
  if (element.get(value) == simdjson::SUCCESS) return value;
  // Some exporters write whole numbers as 4096.0.
  double real;
  if (element.get(real) == simdjson::SUCCESS && real >= -0x1p53 && real <= 0x1p53 &&
      real == static_cast<double>(static_cast<int64_t>(real))) {
    return static_cast<int64_t>(real);
  }
  return Expected("an integer");
}

Result<double> Json::AsDouble() const {
  double value;
  if (JsonAccess::Element(*this).get(value) != simdjson::SUCCESS) return Expected("a number");
  return value;
}

Result<std::string_view> Json::AsString() const {
  std::string_view value;
  if (JsonAccess::Element(*this).get(value) != simdjson::SUCCESS) return Expected("a string");
  return value;
}

Result<std::vector<Json>> Json::Elements() const {
  std::vector<Json> elements;
  RW_TRY(ForEachElement([&](size_t, Json value) -> Status {
    elements.push_back(std::move(value));
    return {};
  }));
  return elements;
}

Status Json::ForEachMember(const std::function<Status(std::string_view, Json)>& visit) const {
  dom::object object;
  if (JsonAccess::Element(*this).get(object) != simdjson::SUCCESS) return Expected("an object");
  for (const auto member : object) {
    RW_TRY(visit(member.key, JsonAccess::Make(member.value, MemberPlace(where_, member.key))));
  }
  return {};
}

Status Json::ForEachElement(const std::function<Status(size_t, Json)>& visit) const {
  dom::array array;
  if (JsonAccess::Element(*this).get(array) != simdjson::SUCCESS) return Expected("an array");
  size_t index = 0;
  for (const dom::element element : array) {
    RW_TRY(visit(index, JsonAccess::Make(element, ElementPlace(where_, index))));
    ++index;
  }
  return {};
}

JsonDocument::JsonDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Json JsonDocument::root() const { return JsonAccess::Make(impl_->root, impl_->name); }

Result<JsonDocument> JsonDocument::Parse(std::string_view text, std::string name,
                                         size_t max_depth) {
  auto impl = std::make_unique<Impl>();
  impl->name = std::move(name);
  if (text.size() >= std::numeric_limits<uint32_t>::max()) {
    return Err("{}: expected JSON of less than 4 GiB, found {} bytes", impl->name, text.size());
  }
  // Setting the capacity ourselves is how simdjson takes a depth limit.
  if (impl->parser.allocate(text.size(), max_depth) != simdjson::SUCCESS) {
    return Err("{}: not enough memory for {} bytes of JSON", impl->name, text.size());
  }
  const auto error =
      impl->parser.parse(text.data(), text.size(), /*realloc_if_needed=*/true).get(impl->root);
  if (error == simdjson::DEPTH_ERROR) {
    return Err("{}: expected JSON nested at most {} deep, found deeper", impl->name, max_depth);
  }
  if (error != simdjson::SUCCESS) {
    return Err("{}: expected valid JSON: {}", impl->name, simdjson::error_message(error));
  }
  return JsonDocument(std::move(impl));
}

Result<JsonDocument> JsonDocument::Load(const std::string& path, size_t max_bytes) {
  RW_ASSIGN(const std::string text, ReadFile(path, max_bytes));
  return Parse(text, path);
}

}  // namespace rw
