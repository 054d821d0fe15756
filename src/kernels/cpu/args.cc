#include "kernels/cpu/args.h"

#include <algorithm>

#include "kernels/dispatch.h"

namespace rw {
namespace {

void CheckCounts(const KernelCall& call, size_t in, size_t out) {
  RW_CHECK(call.in.size() == in && call.out.size() == out, "{} operands and {} results",
           call.in.size(), call.out.size());
}

void CheckSameShape(const TensorView& a, const TensorView& b) {
  RW_CHECK(a.rows() == b.rows() && a.width() == b.width(), "[{},{}] against [{},{}]", a.rows(),
           a.width(), b.rows(), b.width());
}

void CheckRank(const TensorView& x, int rank) {
  RW_CHECK(x.rank == rank, "rank {}, expected {}", x.rank, rank);
}

const KvLayerView& Kv(const KernelCall& call) {
  RW_CHECK(call.kv != nullptr, "the call brings no cache");
  return *call.kv;
}

NormStyle ParseNormStyle(const std::string& style) {
  if (style == "gemma") return NormStyle::kGemma;
  if (style == "olmo") return NormStyle::kOlmo;
  RW_CHECK(style == "llama", "rms_norm style {}", style);
  return NormStyle::kLlama;
}

// Whether `types` has this form, `T` standing for one float type, 'F' for any, 'I' for i32.
bool Matches(std::span<const DType> types, std::string_view form, DType t) {
  if (types.size() != form.size()) return false;
  for (size_t i = 0; i < types.size(); ++i) {
    if (form[i] == 'I' ? types[i] != DType::kI32 : !IsFloat(types[i])) return false;
    if (form[i] == 'T' && types[i] != t) return false;
  }
  return true;
}

bool Matches(const KernelTypes& types, std::string_view in, std::string_view out) {
  if (types.in.size() != in.size() || types.out.size() != out.size()) return false;
  const size_t t_in = in.find('T');
  const size_t t_out = out.find('T');
  const DType t = t_in != in.npos     ? types.in[t_in]
                  : t_out != out.npos ? types.out[t_out]
                                      : DType::kF32;
  return Matches(types.in, in, t) && Matches(types.out, out, t);
}

}  // namespace

UnaryArgs ReadUnary(const KernelCall& call) {
  CheckCounts(call, 1, 1);
  CheckSameShape(call.in[0], call.out[0]);
  return {call.in[0], call.out[0]};
}

BinaryArgs ReadBinary(const KernelCall& call) {
  CheckCounts(call, 2, 1);
  CheckSameShape(call.in[0], call.in[1]);
  CheckSameShape(call.in[0], call.out[0]);
  return {call.in[0], call.in[1], call.out[0]};
}

EmbedArgs ReadEmbed(const KernelCall& call) {
  CheckCounts(call, 2, 1);
  const EmbedArgs args{call.in[0], call.in[1], call.out[0]};
  CheckRank(args.w, 2);
  RW_CHECK(args.y.rows() == args.ids.rows() && args.y.width() == args.w.width());
  return args;
}

GatherRowsArgs ReadGatherRows(const KernelCall& call) {
  CheckCounts(call, 2, 1);
  const GatherRowsArgs args{call.in[0], call.in[1], call.out[0]};
  RW_CHECK(args.y.rows() == args.rows.rows() && args.y.width() == args.x.width());
  return args;
}

KvWriteArgs ReadKvWrite(const KernelCall& call) {
  CheckCounts(call, 3, 0);
  const KvWriteArgs args{call.in[0], call.in[1], call.in[2], Kv(call)};
  CheckRank(args.k, 3);
  CheckSameShape(args.k, args.v);
  RW_CHECK(args.k.rows() == args.slot.rows());
  RW_CHECK(args.k.dims[1] == args.kv.heads && args.k.dims[2] == args.kv.head_dim,
           "[{},{}] into a cache of [{},{}]", args.k.dims[1], args.k.dims[2], args.kv.heads,
           args.kv.head_dim);
  return args;
}

NormArgs ReadNorm(const KernelCall& call) {
  CheckCounts(call, 2, 1);
  NormArgs args{call.in[0], call.in[1], call.out[0]};
  CheckSameShape(args.x, args.y);
  CheckRank(args.w, 1);
  args.h = args.w.dims[0];
  RW_CHECK(args.h > 0 && args.x.width() % args.h == 0, "rows of {} in {}", args.x.width(), args.h);
  args.eps = static_cast<float>(call.attrs.Float("eps"));
  args.style = ParseNormStyle(call.attrs.String("style"));
  return args;
}

LinearArgs ReadLinear(const KernelCall& call) {
  CheckCounts(call, call.in.size() == 3 ? 3 : 2, 1);
  LinearArgs args{call.in[0], call.in[1], call.out[0]};
  if (call.in.size() == 3) args.bias = &call.in[2];
  CheckRank(args.w, 2);
  args.n = args.x.rows();
  args.k = args.w.dims[1];
  args.m = args.w.dims[0];
  RW_CHECK(args.x.width() == args.k, "x of {}, w of {}", args.x.width(), args.k);
  RW_CHECK(args.y.rows() == args.n && args.y.width() == args.m);
  RW_CHECK(args.bias == nullptr || (args.bias->rank == 1 && args.bias->dims[0] == args.m));
  return args;
}

RopeArgs ReadRope(const KernelCall& call) {
  CheckCounts(call, 4, 2);
  RopeArgs args{call.in[0], call.in[1], call.in[2], call.in[3], call.out[0], call.out[1]};
  CheckRank(args.q, 3);
  CheckRank(args.k, 3);
  CheckRank(args.cs, 2);
  CheckSameShape(args.q, args.q_out);
  CheckSameShape(args.k, args.k_out);
  args.rotated = args.cs.dims[1];
  RW_CHECK(args.q.rows() == args.pos.rows() && args.k.rows() == args.pos.rows());
  RW_CHECK(
      args.q.dims[2] == args.k.dims[2] && args.rotated % 2 == 0 && args.rotated <= args.q.dims[2],
      "{} of {} elements turn", args.rotated, args.q.dims[2]);
  const std::string& layout = call.attrs.String("layout");
  RW_CHECK(layout == "half" || layout == "interleaved", "rope layout {}", layout);
  args.layout = layout == "half" ? RopeLayout::kHalf : RopeLayout::kInterleaved;
  return args;
}

AttentionArgs ReadAttention(const KernelCall& call) {
  CheckCounts(call, 4, 1);
  AttentionArgs args{call.in[0], call.in[1], call.in[2], call.in[3], call.out[0], Kv(call)};
  CheckRank(args.q, 3);
  CheckRank(args.table, 2);
  CheckSameShape(args.q, args.y);
  args.sequences = args.len.rows();
  args.hq = args.q.dims[1];
  args.d = args.q.dims[2];
  args.hk = args.kv.heads;
  RW_CHECK(args.kv.head_dim == args.d && args.hk > 0 && args.hq % args.hk == 0);
  args.group = args.hq / args.hk;
  args.scale = static_cast<float>(call.attrs.Float("scale"));
  args.softcap = static_cast<float>(call.attrs.Float("softcap"));
  args.window = call.attrs.Int("window");
  RW_CHECK(args.qstart.rows() == args.sequences + 1 && args.table.rows() == args.sequences);
  for (int64_t s = 0; s < args.sequences; ++s) {
    const int64_t rows = args.FirstRow(s + 1) - args.FirstRow(s);
    RW_CHECK(rows >= 0 && rows <= args.Length(s), "{} queries in {} tokens", rows, args.Length(s));
    RW_CHECK(args.Length(s) <= args.table.width() * kPageSize);
  }
  RW_CHECK(args.FirstRow(0) == 0 && args.FirstRow(args.sequences) == args.q.rows());
  return args;
}

bool AcceptsUnary(const KernelTypes& types, const Attrs&) { return Matches(types, "T", "T"); }
bool AcceptsBinary(const KernelTypes& types, const Attrs&) { return Matches(types, "TT", "T"); }
bool AcceptsEmbed(const KernelTypes& types, const Attrs&) { return Matches(types, "IF", "T"); }
bool AcceptsGatherRows(const KernelTypes& types, const Attrs&) { return Matches(types, "TI", "T"); }
bool AcceptsKvWrite(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTI", "") && IsFloat(types.kv);
}
bool AcceptsNorm(const KernelTypes& types, const Attrs&) { return Matches(types, "TF", "T"); }
bool AcceptsLinear(const KernelTypes& types, const Attrs&) {
  if (!Matches(types, "TF", "F") && !Matches(types, "TFF", "F")) return false;
  return types.out[0] == types.in[0] || types.out[0] == DType::kF32;
}
bool AcceptsRope(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTIF", "TT") && types.in[3] == DType::kF32;
}
bool AcceptsAttention(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TIII", "T") && IsFloat(types.kv);
}

}  // namespace rw
