#include "plan/evidence_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "plan/fusion.h"
#include "plan/names.h"

namespace rw {
namespace {

constexpr std::string_view kSchema = "ropewalk-rules-1";
constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr size_t kMaxRows = 50'000;
constexpr size_t kMaxText = 4096;  // of one field
constexpr size_t kMaxSources = 64;
constexpr std::string_view kCustomOps = "custom_ops:";

template <class T>
struct Named {
  std::string_view name;
  T value;
};

// The first name of a type is the one that is written.
constexpr Named<DType> kDTypes[] = {
    {"float32", DType::kF32},     {"f32", DType::kF32},     {"bfloat16", DType::kBF16},
    {"bf16", DType::kBF16},       {"float16", DType::kF16}, {"f16", DType::kF16},
    {"fp8_e4m3", DType::kF8E4M3}, {"fp8", DType::kF8E4M3},  {"f8e4m3", DType::kF8E4M3}};
constexpr Named<Device> kDevices[] = {
    {"cpu", Device::kCpu}, {"cuda", Device::kCuda}, {"rocm", Device::kRocm}};
constexpr Named<KvLayout> kLayouts[] = {{"HND", KvLayout::kHnd}, {"NHD", KvLayout::kNhd}};
constexpr Named<EvidenceKind> kKinds[] = {{"measured", EvidenceKind::kMeasured},
                                          {"cited", EvidenceKind::kCited}};

template <class T, size_t n>
Result<T> OneOf(const Named<T> (&names)[n], const Json& json) {
  std::vector<std::string> known;
  if (json.is_string()) {
    RW_ASSIGN(const std::string_view text, json.AsString());
    for (const auto& [name, value] : names) {
      if (name == text) return value;
      known.emplace_back(name);
    }
    return Err("{}: unknown '{}', the nearest is {}", json.where(), text,
               known[Nearest(text, known)]);
  }
  for (const auto& row : names) known.emplace_back(row.name);
  return json.Expected(fmt::format("one of {}", fmt::join(known, ", ")));
}

template <class T, size_t n>
std::string_view FirstName(const Named<T> (&names)[n], T value) {
  return std::ranges::find(names, value, &Named<T>::value)->name;
}

Result<std::string> TextIn(const Json& json) {
  RW_ASSIGN(const std::string_view text, json.AsString());
  if (text.size() > kMaxText) {
    return json.Expected(fmt::format("at most {} bytes of text", kMaxText));
  }
  return std::string(text);
}

Result<Bounds> BoundsIn(const Json& json) {
  constexpr std::string_view kWanted = "[LEAST, MOST], two whole numbers from 1 up";
  if (!json.is_array()) return json.Expected(kWanted);
  RW_ASSIGN(const std::vector<Json> ends, json.Elements());
  if (ends.size() != 2) return Err("{}: expected {}, found {}", json.where(), kWanted, ends.size());
  Bounds bounds;
  RW_ASSIGN(bounds.least, ends[0].AsInt());
  RW_ASSIGN(bounds.most, ends[1].AsInt());
  if (bounds.least < 1 || bounds.most < bounds.least) {
    return Err("{}: expected {}, found [{}, {}]", json.where(), kWanted, bounds.least, bounds.most);
  }
  return bounds;
}

std::vector<std::string> KnownQuestions() {
  std::vector<std::string> known;
  for (const FusionDef& fusion : Fusions()) known.push_back(QuestionOf(fusion.knob));
  for (const CustomOpDef& def : CustomOps()) {
    for (const std::string_view op : def.ops) known.push_back(QuestionOf(op));
  }
  return known;
}

Result<std::string> QuestionIn(const Json& json) {
  static const std::vector<std::string> known = KnownQuestions();
  RW_ASSIGN(const std::string_view text, json.AsString());
  if (std::ranges::find(known, text) != known.end()) return std::string(text);
  return Err("{}: unknown question '{}', the nearest is {}", json.where(), text.substr(0, kMaxText),
             known[Nearest(text.substr(0, 80), known)]);
}

template <class T>
Status Into(T& field, Result<T> value) {
  RW_ASSIGN(field, std::move(value));
  return {};
}
template <class T>
Status Into(std::optional<T>& field, Result<T> value) {
  RW_ASSIGN(field, std::move(value));
  return {};
}

// A key of an object, and what reads its value.
template <class T>
struct Field {
  std::string_view key;
  Status (*read)(const Json& json, T& into);
};

template <class T, size_t n>
Status ReadFields(const Json& object, const Field<T> (&fields)[n], T& into) {
  if (!object.is_object()) return object.Expected("an object");
  return object.ForEachMember([&](std::string_view key, Json value) -> Status {
    const auto field = std::ranges::find(fields, key, &Field<T>::key);
    if (field != std::end(fields)) return field->read(value, into);
    std::vector<std::string> known;
    for (const auto& row : fields) known.emplace_back(row.key);
    return Err("{}: unknown key, the nearest is {}", value.where(),
               known[Nearest(key.substr(0, 80), known)]);
  });
}

constexpr Field<ShapeBounds> kWhereFields[] = {
    {"d", [](const Json& j, ShapeBounds& w) { return Into(w.d, BoundsIn(j)); }},
    {"hq", [](const Json& j, ShapeBounds& w) { return Into(w.hq, BoundsIn(j)); }},
    {"hk", [](const Json& j, ShapeBounds& w) { return Into(w.hk, BoundsIn(j)); }},
    {"width", [](const Json& j, ShapeBounds& w) { return Into(w.width, BoundsIn(j)); }},
    {"kv_dtype", [](const Json& j, ShapeBounds& w) { return Into(w.kv_dtype, DTypeIn(j)); }},
    {"kv_layout", [](const Json& j, ShapeBounds& w) { return Into(w.kv_layout, KvLayoutIn(j)); }},
};

Status ReadSources(const Json& json, EvidenceRow& row) {
  if (!json.is_object()) return json.Expected("an object of kernels and hashes");
  return json.ForEachMember([&](std::string_view key, Json value) -> Status {
    if (row.sources.size() >= kMaxSources) {
      return json.Expected(fmt::format("at most {} kernels", kMaxSources));
    }
    return Into(row.sources[std::string(key.substr(0, kMaxText))], TextIn(value));
  });
}

template <std::string EvidenceRow::*kField>
Status ReadText(const Json& json, EvidenceRow& row) {
  return Into(row.*kField, TextIn(json));
}

constexpr Field<EvidenceRow> kRowFields[] = {
    {"question", [](const Json& j, EvidenceRow& r) { return Into(r.question, QuestionIn(j)); }},
    {"choice", [](const Json& j, EvidenceRow& r) { return Into(r.choice, j.AsBool()); }},
    {"device", [](const Json& j, EvidenceRow& r) { return Into(r.device, DeviceIn(j)); }},
    {"device_name", ReadText<&EvidenceRow::device_name>},
    {"arch",
     [](const Json& j, EvidenceRow& r) -> Status {
       RW_TRY(ReadText<&EvidenceRow::arch>(j, r));
       r.arch = ArchOf(r.arch);
       return {};
     }},
    {"dtype", [](const Json& j, EvidenceRow& r) { return Into(r.dtype, DTypeIn(j)); }},
    {"where", [](const Json& j, EvidenceRow& r) { return ReadFields(j, kWhereFields, r.where); }},
    {"tokens", [](const Json& j, EvidenceRow& r) { return Into(r.tokens, BoundsIn(j)); }},
    {"kind", [](const Json& j, EvidenceRow& r) { return Into(r.kind, OneOf(kKinds, j)); }},
    {"margin", ReadText<&EvidenceRow::margin>},
    {"spread", ReadText<&EvidenceRow::spread>},
    {"finding", ReadText<&EvidenceRow::finding>},
    {"date", ReadText<&EvidenceRow::date>},
    {"command", ReadText<&EvidenceRow::command>},
    {"commit", ReadText<&EvidenceRow::commit>},
    {"result", ReadText<&EvidenceRow::result>},
    {"source", ReadText<&EvidenceRow::source>},
    {"sources", ReadSources},
};

Result<EvidenceRow> RowIn(const Json& json, const std::string& file) {
  EvidenceRow row{.file = file};
  RW_TRY(ReadFields(json, kRowFields, row));
  for (const std::string_view key : {"question", "choice", "device"}) RW_TRY(json.Get(key));
  RW_TRY(json.Get(row.kind == EvidenceKind::kCited ? "source" : "result"));
  return row;
}

using Value = nlohmann::ordered_json;

void Put(Value& json, std::string_view key, const std::optional<Bounds>& bounds) {
  if (bounds) json[std::string(key)] = {bounds->least, bounds->most};
}
void Put(Value& json, std::string_view key, const std::optional<DType>& dtype) {
  if (dtype) json[std::string(key)] = LongName(*dtype);
}
void Put(Value& json, std::string_view key, const std::string& text) {
  if (!text.empty()) json[std::string(key)] = text;
}

Value WhereJson(const ShapeBounds& where) {
  Value json = Value::object();
  Put(json, "d", where.d);
  Put(json, "hq", where.hq);
  Put(json, "hk", where.hk);
  Put(json, "width", where.width);
  Put(json, "kv_dtype", where.kv_dtype);
  if (where.kv_layout) json["kv_layout"] = Name(*where.kv_layout);
  return json;
}

Value RowJson(const EvidenceRow& row) {
  Value json = {{"question", row.question},
                {"choice", row.choice},
                {"device", FirstName(kDevices, row.device)}};
  Put(json, "device_name", row.device_name);
  Put(json, "arch", row.arch);
  Put(json, "dtype", row.dtype);
  if (row.where != ShapeBounds{}) json["where"] = WhereJson(row.where);
  if (row.tokens != Bounds{}) Put(json, "tokens", std::optional(row.tokens));
  json["kind"] = FirstName(kKinds, row.kind);
  Put(json, "margin", row.margin);
  Put(json, "spread", row.spread);
  Put(json, "finding", row.finding);
  Put(json, "date", row.date);
  Put(json, "command", row.command);
  Put(json, "commit", row.commit);
  Put(json, "result", row.result);
  Put(json, "source", row.source);
  if (!row.sources.empty()) json["sources"] = row.sources;
  return json;
}

}  // namespace

Result<DType> DTypeIn(const Json& json) { return OneOf(kDTypes, json); }
std::string_view LongName(DType dtype) { return FirstName(kDTypes, dtype); }
Result<Device> DeviceIn(const Json& json) { return OneOf(kDevices, json); }
Result<KvLayout> KvLayoutIn(const Json& json) { return OneOf(kLayouts, json); }
std::string_view Name(KvLayout layout) { return FirstName(kLayouts, layout); }

std::string ArchOf(std::string_view name) {
  std::string arch(name);
  if (arch.starts_with("sm_")) arch.erase(2, 1);
  return arch;
}

Result<std::vector<EvidenceRow>> ParseEvidence(std::string_view json, const std::string& name) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(json, name, 16));
  const Json root = document.root();
  if (!root.is_object()) return root.Expected("an object");
  RW_ASSIGN(const Json schema, root.Get("schema"));
  RW_ASSIGN(const std::string_view found, schema.AsString());
  if (found != kSchema) {
    return Err("{}: expected '{}', found '{}'", schema.where(), kSchema, found.substr(0, 80));
  }
  std::vector<EvidenceRow> rows;
  RW_TRY(root.ForEachMember([&](std::string_view key, Json value) -> Status {
    if (key == "schema") return {};
    if (key != "rows") return Err("{}: unknown key, expected schema and rows", value.where());
    return value.ForEachElement([&](size_t, Json item) -> Status {
      if (rows.size() >= kMaxRows) return value.Expected(fmt::format("at most {} rows", kMaxRows));
      RW_ASSIGN(EvidenceRow row, RowIn(item, name));
      rows.push_back(std::move(row));
      return {};
    });
  }));
  return rows;
}

Result<std::vector<EvidenceRow>> LoadEvidenceFile(const std::string& path) {
  RW_ASSIGN(const std::string text, ReadFile(path, kMaxBytes));
  return ParseEvidence(text, path);
}

std::string EvidenceJson(std::span<const EvidenceRow> rows) {
  std::string text = fmt::format("{{\n \"schema\": \"{}\",\n \"rows\": [", kSchema);
  for (size_t i = 0; i < rows.size(); ++i) {  // a row is a line, so that a change shows as one
    text += fmt::format("{}\n  {}", i == 0 ? "" : ",",
                        RowJson(rows[i]).dump(-1, ' ', false, Value::error_handler_t::replace));
  }
  return text + "\n ]\n}\n";
}

}  // namespace rw
