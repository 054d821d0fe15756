#include "plan/tune/matrix.h"

#include <fmt/format.h>

#include <algorithm>

#include "plan/evidence_json.h"

namespace rw::tune {
namespace {

constexpr size_t kMaxCells = 1'000'000;

Status ReadText(const Json& object, std::string_view key, std::string& into) {
  const auto value = object.Find(key);
  if (!value) return {};
  RW_ASSIGN(into, value->AsString());
  return {};
}

Status ReadCount(const Json& object, std::string_view key, int64_t& into) {
  const auto value = object.Find(key);
  if (!value) return {};
  RW_ASSIGN(into, value->AsInt());
  if (into < 0) return value->Expected("0 or more");
  return {};
}

Status ReadShape(const Json& json, KernelShape& shape) {
  RW_TRY(ReadCount(json, "d", shape.d));
  RW_TRY(ReadCount(json, "hq", shape.hq));
  RW_TRY(ReadCount(json, "hk", shape.hk));
  RW_TRY(ReadCount(json, "width", shape.width));
  if (const auto dtype = json.Find("kv_dtype")) {
    RW_ASSIGN(shape.kv_dtype, DTypeIn(*dtype));
  }
  if (const auto layout = json.Find("kv_layout")) {
    RW_ASSIGN(shape.kv_layout, KvLayoutIn(*layout));
  }
  return {};
}

Status ReadTimes(const Json& json, Cell& cell) {
  const std::pair<std::string_view, double*> times[] = {
      {"median_us", &cell.median_us}, {"low_us", &cell.low_us}, {"high_us", &cell.high_us}};
  for (const auto& [key, into] : times) {
    RW_ASSIGN(const Json value, json.Get(key));
    RW_ASSIGN(*into, value.AsDouble());
    if (!(*into > 0)) return value.Expected("a time of more than 0");
  }
  if (cell.low_us > cell.median_us || cell.median_us > cell.high_us) {
    return Err("{}: expected low_us <= median_us <= high_us, found {}, {}, {}", json.where(),
               cell.low_us, cell.median_us, cell.high_us);
  }
  return {};
}

// "hash+hash" beside as many kernels; a file that tells none or others says nothing of sources.
Status ReadSources(const Json& json, Cell& cell) {
  if (const auto kernels = json.Find("kernels")) {
    RW_TRY(kernels->ForEachElement([&](size_t, Json item) -> Status {
      RW_ASSIGN(const std::string_view key, item.AsString());
      cell.kernels.emplace_back(key);
      return {};
    }));
  }
  std::string text;
  RW_TRY(ReadText(json, "sources", text));
  std::vector<std::string> hashes;
  for (size_t begin = 0; begin <= text.size() && !text.empty();) {
    const size_t end = std::min(text.find('+', begin), text.size());
    hashes.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (hashes.size() != cell.kernels.size()) return {};
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (!hashes[i].empty()) cell.sources[cell.kernels[i]] = hashes[i];
  }
  return {};
}

Result<Cell> CellIn(const Json& json) {
  Cell cell;
  for (const auto& [key, into] : {std::pair{"op", &cell.op}, std::pair{"variant", &cell.variant}}) {
    RW_TRY(json.Get(key));
    RW_TRY(ReadText(json, key, *into));
  }
  RW_TRY(ReadText(json, "cache", cell.cache));
  RW_ASSIGN(const Json dtype, json.Get("dtype"));
  RW_ASSIGN(cell.dtype, DTypeIn(dtype));
  RW_TRY(ReadShape(json, cell.shape));
  RW_TRY(ReadCount(json, "tokens", cell.tokens));
  if (cell.tokens < 1) return Err("{}: expected tokens of 1 or more", json.where());
  RW_TRY(ReadText(json, "absent", cell.absent));
  if (cell.absent.empty()) RW_TRY(ReadTimes(json, cell));
  RW_TRY(ReadSources(json, cell));
  return cell;
}

double NoiseOf(const std::vector<Cell>& cells) {
  std::vector<double> spreads;
  for (const Cell& cell : cells) {
    if (cell.absent.empty()) spreads.push_back(cell.spread());
  }
  if (spreads.empty()) return 0;
  const auto at = spreads.begin() + static_cast<std::ptrdiff_t>((spreads.size() - 1) * 19 / 20);
  std::ranges::nth_element(spreads, at);
  return *at;
}

bool IsCold(const Cell& cell) { return cell.cache == "cold"; }

}  // namespace

Result<Matrix> MatrixIn(const Json& root, const std::string& name) {
  Matrix matrix{.file = name};
  RW_ASSIGN(const Json device, root.Get("device"));
  RW_ASSIGN(const Json kind, device.Get("kind"));
  RW_ASSIGN(matrix.device, DeviceIn(kind));
  RW_TRY(ReadText(device, "name", matrix.device_name));
  RW_TRY(ReadText(device, "arch", matrix.arch));
  matrix.arch = ArchOf(matrix.arch);
  RW_TRY(ReadText(root, "command", matrix.command));
  RW_TRY(ReadText(root, "date", matrix.date));
  RW_TRY(ReadText(root, "commit", matrix.commit));
  RW_ASSIGN(const Json cells, root.Get("cells"));
  RW_TRY(cells.ForEachElement([&](size_t, Json item) -> Status {
    if (matrix.cells.size() >= kMaxCells) {
      return cells.Expected(fmt::format("at most {} cells", kMaxCells));
    }
    RW_ASSIGN(Cell cell, CellIn(item));
    matrix.cells.push_back(std::move(cell));
    return {};
  }));
  matrix.noise = NoiseOf(matrix.cells);
  return matrix;
}

Result<Matrix> ParseMatrix(std::string_view json, const std::string& name) {
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(json, name));
  const Json root = document.root();
  std::string schema;
  RW_TRY(ReadText(root, "schema", schema));
  if (schema != kMatrixSchema) {
    return Err("{}: expected results of bench kernels (schema {}), found {}", name, kMatrixSchema,
               schema.empty() ? "none" : schema);
  }
  return MatrixIn(root, name);
}

bool Beats(const Cell& a, const Cell& b, double noise) {
  const double margin = (b.median_us / a.median_us - 1) * 100;
  return a.high_us < b.low_us && margin > std::max({noise, a.spread(), b.spread()});
}

std::string Describe(const Call& call) {
  std::string text = fmt::format("{} {}", call.op, LongName(call.dtype));
  const std::pair<std::string_view, int64_t> sizes[] = {{"d", call.shape.d},
                                                        {"hq", call.shape.hq},
                                                        {"hk", call.shape.hk},
                                                        {"width", call.shape.width}};
  for (const auto& [name, size] : sizes) {
    if (size > 0) text += fmt::format(", {} {}", name, size);
  }
  if (call.shape.kv_dtype) text += fmt::format(", kv {}", LongName(*call.shape.kv_dtype));
  if (call.shape.kv_layout) text += fmt::format(" {}", Name(*call.shape.kv_layout));
  return text;
}

std::vector<Call> CallsOf(const Matrix& matrix) {
  std::map<std::string, Call> calls;
  for (const bool cold : {true, false}) {
    std::map<std::pair<std::string, int64_t>, bool> fresh;  // tokens that this round began
    for (const Cell& cell : matrix.cells) {
      if (IsCold(cell) != cold || !cell.absent.empty()) continue;
      Call call{cell.op, cell.dtype, cell.shape, {}};
      const std::string key = Describe(call);
      Call& known = calls.try_emplace(key, std::move(call)).first->second;
      const auto at = fresh.try_emplace({key, cell.tokens}, !known.tokens.contains(cell.tokens));
      if (at.first->second) known.tokens[cell.tokens][cell.variant] = &cell;
    }
  }
  std::vector<Call> all;
  for (auto& [key, call] : calls) all.push_back(std::move(call));
  return all;
}

}  // namespace rw::tune
