#include "ops/cost.h"

#include "base/check.h"

namespace rw {
namespace {

using Sizes = std::map<std::string, int64_t, std::less<>>;

int64_t Number(const Dim& dim, const Sizes& sizes) {
  if (!dim.is_symbol()) return dim.value;
  const auto it = sizes.find(dim.symbol);
  RW_CHECK(it != sizes.end(), "no size for {}", dim.symbol);
  return it->second;
}

// `rows` replaces the first dim if it is not negative.
int64_t Bytes(const Type& type, const Sizes& sizes, int64_t rows) {
  int64_t width = 1;
  for (size_t i = 0; i < type.dims.size(); ++i) {
    if (i == 0 && rows < 0) rows = Number(type.dims[0], sizes);
    if (i > 0) width *= Number(type.dims[i], sizes);
  }
  return BytesOf(type.dtype, type.dims.empty() ? 1 : rows, width);
}

int64_t NodeBytes(const Graph& graph, const Node& node, const Sizes& sizes) {
  const OpDef& op = *node.op;
  const DimNumber dim = [&](std::string_view name) { return Number(Dim(name), sizes); };
  int64_t bytes = 0;
  bool writes_kv = false;
  for (const ValueId id : node.out) {
    const Type& type = graph.type(id);
    writes_kv |= type.is_kv();
    // A step writes the keys and values of its own tokens.
    bytes += type.is_kv() ? 2 * dim("n") * Bytes(type, sizes, -1) : Bytes(type, sizes, -1);
  }
  for (size_t i = 0; i < node.in.size(); ++i) {
    const Type& type = graph.type(node.in[i]);
    if (type.is_kv()) {
      if (!writes_kv) bytes += 2 * dim("context") * Bytes(type, sizes, -1);
      continue;
    }
    const int64_t rows = op.rows_read == nullptr ? -1 : op.rows_read(static_cast<int>(i), dim);
    bytes += Bytes(type, sizes, rows);
  }
  return bytes;
}

}  // namespace

int64_t BytesMoved(const Graph& graph, const Sizes& sizes) {
  int64_t bytes = 0;
  for (const Node& node : graph.nodes()) {
    if (node.op->memory != Memory::kView) bytes += NodeBytes(graph, node, sizes);
  }
  return bytes;
}

}  // namespace rw
