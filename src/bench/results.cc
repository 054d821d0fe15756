#include "bench/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"
#include "base/json.h"

namespace rw::bench {
namespace {

using JsonValue = nlohmann::ordered_json;

constexpr std::string_view kSchema = "ropewalk-kernels-1";

// The members of a key by their names in the file.
struct TextField {
  const char* name;
  std::string CellKey::*member;
  bool always;
};
constexpr TextField kTexts[] = {{"op", &CellKey::op, true},
                                {"variant", &CellKey::variant, true},
                                {"dtype", &CellKey::dtype, true},
                                {"kv_dtype", &CellKey::kv_dtype, false},
                                {"kv_layout", &CellKey::kv_layout, false},
                                {"cache", &CellKey::cache, true}};
struct NumberField {
  const char* name;
  int64_t CellKey::*member;
};
constexpr NumberField kNumbers[] = {{"hq", &CellKey::hq},
                                    {"hk", &CellKey::hk},
                                    {"d", &CellKey::d},
                                    {"width", &CellKey::width},
                                    {"tokens", &CellKey::tokens}};
struct TimeField {
  const char* name;
  double Timing::*member;
};
constexpr TimeField kTimes[] = {
    {"median_us", &Timing::median_us}, {"low_us", &Timing::low_us}, {"high_us", &Timing::high_us}};

// Four digits that count: more would be noise, and the files are large.
double Rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 3);
  // Division by a whole number of units keeps what is printed short.
  return unit < 1 ? std::round(value / unit) / std::round(1 / unit)
                  : std::round(value / unit) * unit;
}

JsonValue ToJsonValue(const Cell& cell) {
  JsonValue json;
  for (const TextField& field : kTexts) {
    const std::string& text = cell.key.*field.member;
    if (field.always || !text.empty()) json[field.name] = text;
  }
  for (const NumberField& field : kNumbers) {
    if (cell.key.*field.member != 0) json[field.name] = cell.key.*field.member;
  }
  if (!cell.absent.empty()) {
    json["absent"] = cell.absent;
    return json;
  }
  for (const TimeField& field : kTimes) json[field.name] = Rounded(cell.timing.*field.member);
  json["runs"] = cell.timing.runs;
  json["bytes"] = cell.bytes;
  json["roof_share"] = Rounded(cell.roof_share);
  json["sources"] = cell.sources;
  json["kernels"] = cell.kernels;
  return json;
}

Status ReadText(const Json& object, const char* name, std::string& to) {
  if (const auto value = object.Find(name)) {
    RW_ASSIGN(const std::string_view text, value->AsString());
    to = text;
  }
  return {};
}

Status ReadNumber(const Json& object, const char* name, int64_t& to) {
  if (const auto value = object.Find(name)) {
    RW_ASSIGN(to, value->AsInt());
  }
  return {};
}

Status ReadTime(const Json& object, const char* name, double& to) {
  RW_ASSIGN(const Json value, object.Get(name));
  RW_ASSIGN(to, value.AsDouble());
  return {};
}

Result<Cell> ReadCell(const Json& json) {
  Cell cell;
  for (const TextField& field : kTexts) {
    if (field.always) RW_TRY(json.Get(field.name));
    RW_TRY(ReadText(json, field.name, cell.key.*field.member));
  }
  for (const NumberField& field : kNumbers) {
    RW_TRY(ReadNumber(json, field.name, cell.key.*field.member));
  }
  RW_TRY(ReadText(json, "absent", cell.absent));
  if (!cell.absent.empty()) return cell;
  for (const TimeField& field : kTimes) {
    RW_TRY(ReadTime(json, field.name, cell.timing.*field.member));
  }
  RW_TRY(ReadNumber(json, "runs", cell.timing.runs));
  RW_TRY(ReadNumber(json, "bytes", cell.bytes));
  RW_TRY(ReadTime(json, "roof_share", cell.roof_share));
  RW_TRY(ReadText(json, "sources", cell.sources));
  RW_ASSIGN(const Json kernels, json.Get("kernels"));
  RW_TRY(kernels.ForEachElement([&](size_t, Json kernel) -> Status {
    RW_ASSIGN(const std::string_view name, kernel.AsString());
    cell.kernels.emplace_back(name);
    return {};
  }));
  return cell;
}

Result<MeasuredDevice> ReadDevice(const Json& json) {
  MeasuredDevice device;
  RW_TRY(ReadText(json, "kind", device.kind));
  RW_TRY(ReadText(json, "name", device.name));
  RW_TRY(ReadText(json, "arch", device.arch));
  int64_t threads = 0;
  RW_TRY(ReadNumber(json, "threads", threads));
  device.threads = static_cast<int>(threads);
  RW_TRY(ReadTime(json, "copy_gb_s", device.copy_gb_s));
  return device;
}

}  // namespace

Timing TimingOf(std::vector<double> microseconds) {
  if (microseconds.empty()) return {};
  std::ranges::sort(microseconds);
  // Between the two nearest where the place is none.
  const auto at = [&](double part) {
    const double place = part * static_cast<double>(microseconds.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, microseconds.size() - 1);
    return std::lerp(microseconds[below], microseconds[above], place - std::floor(place));
  };
  return {at(0.5), at(0.25), at(0.75), static_cast<int64_t>(microseconds.size())};
}

CellKey KeyOf(const Point& point, std::string_view variant, std::string_view cache) {
  const ops::CallShape& shape = point.shape;
  CellKey key{.op = std::string(point.op->name),
              .variant = std::string(variant),
              .dtype = std::string(LongName(shape.dtype)),
              .kv_layout = point.kv_layout,
              .tokens = shape.tokens,
              .cache = std::string(cache)};
  if (!point.kv_layout.empty()) key.kv_dtype = LongName(shape.kv_dtype);
  if (HasHeads(*point.op)) {
    key.hq = shape.hq;
    key.hk = shape.hk;
    key.d = shape.d;
  } else {
    key.width = shape.width;
  }
  return key;
}

std::string ToJson(const Results& results) {
  JsonValue json = {{"schema", kSchema},
                    {"device",
                     {{"kind", results.device.kind},
                      {"name", results.device.name},
                      {"arch", results.device.arch}}},
                    {"command", results.command},
                    {"date", results.date},
                    {"commit", results.commit},
                    {"spread", "low_us and high_us are quartiles"}};
  if (results.device.threads > 0) json["device"]["threads"] = results.device.threads;
  json["device"]["copy_gb_s"] = Rounded(results.device.copy_gb_s);
  // A line for each cell: files of thousands of cells stay readable, and so do their differences.
  std::string text = json.dump(1);
  text.resize(text.size() - 2);  // without the newline and the brace
  text += ",\n \"cells\": [";
  const char* separator = "\n  ";
  for (const Cell& cell : results.cells) {
    text += std::exchange(separator, ",\n  ") + ToJsonValue(cell).dump();
  }
  return text + "\n ]\n}\n";
}

Result<Results> ParseResults(std::string_view json, const std::string& name) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(json, name));
  const Json root = document.root();
  std::string schema;
  RW_TRY(ReadText(root, "schema", schema));
  if (schema != kSchema) {
    return Err("{}: expected results of bench kernels (schema {}), found {}", name, kSchema,
               schema.empty() ? "none" : schema);
  }
  Results results;
  RW_ASSIGN(const Json device, root.Get("device"));
  RW_ASSIGN(results.device, ReadDevice(device));
  RW_TRY(ReadText(root, "command", results.command));
  RW_TRY(ReadText(root, "date", results.date));
  RW_TRY(ReadText(root, "commit", results.commit));
  RW_ASSIGN(const Json cells, root.Get("cells"));
  RW_TRY(cells.ForEachElement([&](size_t, Json json_cell) -> Status {
    RW_ASSIGN(Cell cell, ReadCell(json_cell));
    results.cells.push_back(std::move(cell));
    return {};
  }));
  return results;
}

Result<Results> LoadResults(const std::string& path) {
  RW_ASSIGN(const std::string text, ReadFile(path));
  return ParseResults(text, path);
}

Status SaveResults(const Results& results, const std::string& path) {
  return SaveText(ToJson(results), path);
}

Status SaveText(std::string_view text, const std::string& path) {
  const std::string beside = path + ".new";
  {
    std::ofstream file(beside, std::ios::binary);
    file << text;
    if (!file.flush()) return Err("{}: cannot be written", beside);
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) return Err("{}: cannot be written", path);
  return {};
}

}  // namespace rw::bench
