#include "kernels/args.h"

#include <algorithm>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/sampling.h"

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

// Attributes of any op that normalises.
template <class Args>
void ReadNormAttrs(const KernelCall& call, Args& args) {
  args.eps = static_cast<float>(call.attrs.Float("eps"));
  args.style = ParseNormStyle(call.attrs.String("style"));
}

void CheckWritable(const TensorView& k, const TensorView& v, const TensorView& slot,
                   const KvLayerView& kv) {
  CheckRank(k, 3);
  CheckSameShape(k, v);
  RW_CHECK(k.rows() == slot.rows());
  RW_CHECK(k.dims[1] == kv.heads && k.dims[2] == kv.head_dim, "[{},{}] into a cache of [{},{}]",
           k.dims[1], k.dims[2], kv.heads, kv.head_dim);
}

RopeLayout ReadRopeLayout(const KernelCall& call) {
  const std::string& layout = call.attrs.String("layout");
  RW_CHECK(layout == "half" || layout == "interleaved", "rope layout {}", layout);
  return layout == "half" ? RopeLayout::kHalf : RopeLayout::kInterleaved;
}

// Checks what a rotation needs and reads its attributes.
void CheckTurnable(const KernelCall& call, RopeArgs& args) {
  CheckRank(args.q, 3);
  CheckRank(args.k, 3);
  CheckRank(args.cs, 2);
  CheckSameShape(args.q, args.q_out);
  args.d = args.q.dims[2];
  args.rotated = args.cs.dims[1];
  RW_CHECK(args.q.rows() == args.pos.rows() && args.k.rows() == args.pos.rows());
  RW_CHECK(args.k.dims[2] == args.d && args.rotated % 2 == 0 && args.rotated <= args.d,
           "{} of {} elements turn", args.rotated, args.d);
  args.layout = ReadRopeLayout(call);
}

// Whether a type may stand for a letter: 'T' for the float type t, 'F' for any float, 'P' for any
// packed type, 'I' for i32.
bool Matches(DType type, char letter, DType t) {
  switch (letter) {
    case 'I':
      return type == DType::kI32;
    case 'P':
      return IsPacked(type);
    case 'F':
      return IsFloat(type);
    default:
      return IsFloat(type) && type == t;
  }
}

bool Matches(std::span<const DType> types, std::string_view form, DType t) {
  if (types.size() != form.size()) return false;
  for (size_t i = 0; i < types.size(); ++i) {
    if (!Matches(types[i], form[i], t)) return false;
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

// As much of the form as there are operands: trailing ones may be left out.
std::string_view FirstOf(std::string_view form, const KernelTypes& types) {
  return form.substr(0, types.in.size());
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

SampleArgs ReadSample(const KernelCall& call) {
  CheckCounts(call, 3, 1);
  const SampleArgs args{call.in[0], call.in[1], call.in[2], call.out[0]};
  for (const TensorView* view : {&args.x, &args.how, &args.pick}) {
    CheckRank(*view, 2);
    RW_CHECK(view->rows() == args.x.rows(), "{} rows beside {}", view->rows(), args.x.rows());
  }
  RW_CHECK(args.how.width() == kHowWidth && args.pick.width() == kPickWidth);
  CheckRank(args.y, 1);
  RW_CHECK(args.x.rows() == args.y.rows(), "{} rows to {} numbers", args.x.rows(), args.y.rows());
  RW_CHECK(args.x.width() <= std::numeric_limits<int32_t>::max(), "rows of {}", args.x.width());
  return args;
}

KvWriteArgs ReadKvWrite(const KernelCall& call) {
  CheckCounts(call, 3, 0);
  const KvWriteArgs args{call.in[0], call.in[1], call.in[2], Kv(call)};
  CheckWritable(args.k, args.v, args.slot, args.kv);
  return args;
}

NormArgs ReadNorm(const KernelCall& call) {
  const bool adds = call.out.size() == 2;
  CheckCounts(call, adds ? 3 : 2, adds ? 2 : 1);
  NormArgs args{call.in[0], call.in.back(), call.out.back()};
  CheckSameShape(args.x, args.y);
  if (adds) {
    args.add = &call.in[1];
    args.sum = &call.out[0];
    CheckSameShape(args.x, *args.add);
    CheckSameShape(args.x, *args.sum);
  }
  CheckRank(args.w, 1);
  args.h = args.w.dims[0];
  RW_CHECK(args.h > 0 && args.x.width() % args.h == 0, "rows of {} in {}", args.x.width(), args.h);
  ReadNormAttrs(call, args);
  return args;
}

namespace {

LinearArgs ReadProduct(const TensorView& x, const TensorView& w, const TensorView* bias) {
  LinearArgs args{.x = x, .w = w, .bias = bias};
  CheckRank(args.w, 2);
  args.n = args.x.rows();
  args.k = args.w.dims[1];
  args.m = args.w.dims[0];
  RW_CHECK(args.x.width() == args.k, "x of {}, w of {}", args.x.width(), args.k);
  RW_CHECK(args.bias == nullptr || (args.bias->rank == 1 && args.bias->dims[0] == args.m));
  return args;
}

}  // namespace

std::vector<LinearArgs> ReadLinear(const KernelCall& call) {
  const size_t count = call.out.size();
  RW_CHECK(count > 0 && call.in.size() > count && call.in.size() <= 1 + 2 * count,
           "{} operands and {} results", call.in.size(), count);
  std::vector<LinearArgs> products;
  for (size_t i = 0; i < count; ++i) {
    const bool biased = 1 + count + i < call.in.size();
    LinearArgs args =
        ReadProduct(call.in[0], call.in[1 + i], biased ? &call.in[1 + count + i] : nullptr);
    args.y = call.out[i];
    RW_CHECK(args.y.rows() == args.n && args.y.width() == args.m);
    products.push_back(args);
  }
  return products;
}

FusedLinearArgs ReadFusedLinear(const KernelCall& call, const LinearForm& form) {
  const auto count = static_cast<size_t>(form.products);
  const size_t first = form.norms ? 2 : 1, biases = first + count + form.extra.size();
  const bool biased = call.in.size() > biases;
  CheckCounts(call, biases + (biased ? count : 0), call.out.size());
  FusedLinearArgs args{.extra = call.in.subspan(first + count, form.extra.size())};
  for (size_t i = 0; i < count; ++i) {
    args.products.push_back(
        ReadProduct(call.in[0], call.in[first + i], biased ? &call.in[biases + i] : nullptr));
  }
  if (form.norms) {
    NormArgs norm{.x = call.in[0], .w = call.in[1], .h = call.in[0].width()};
    RW_CHECK(norm.w.rank == 1 && norm.w.dims[0] == norm.h, "a norm of {} for rows of {}",
             norm.w.dims[0], norm.h);
    ReadNormAttrs(call, norm);
    args.norm = norm;
  }
  return args;
}

GateAct ReadGateAct(const KernelCall& call) {
  const std::string& act = call.attrs.String("act");
  if (act == "gelu") return GateAct::kGelu;
  if (act == "gelu_tanh") return GateAct::kGeluTanh;
  RW_CHECK(act == "silu", "activation {}", act);
  return GateAct::kSilu;
}

RopeArgs ReadProductsRope(const KernelCall& call, const FusedLinearArgs& linear) {
  CheckCounts(call, call.in.size(), 1);
  RopeArgs args{.pos = linear.extra[0],
                .cs = linear.extra[1],
                .q_out = call.out[0],
                .layout = ReadRopeLayout(call),
                .slot = &linear.extra[2],
                .kv = &Kv(call)};
  CheckRank(args.q_out, 3);
  CheckRank(args.cs, 2);
  args.d = args.q_out.dims[2];
  args.rotated = args.cs.dims[1];
  const int64_t n = args.q_out.rows();
  RW_CHECK(args.pos.rows() == n && args.slot->rows() == n && linear.products[0].n == n);
  RW_CHECK(args.kv->head_dim == args.d && args.rotated % 2 == 0 && args.rotated <= args.d,
           "{} of {} elements turn", args.rotated, args.d);
  RW_CHECK(linear.products[0].m == args.q_out.width());
  for (int i = 1; i < 3; ++i) RW_CHECK(linear.products[i].m == args.kv->heads * args.d);
  return args;
}

RopeArgs ReadRope(const KernelCall& call) {
  const bool writes = call.out.size() == 1;
  const bool norms = call.in.size() == (writes ? 8 : 6);
  CheckCounts(call, 4 + (norms ? 2 : 0) + (writes ? 2 : 0), writes ? 1 : 2);
  const TensorView* next = call.in.data();
  RopeArgs args{.q = next[0], .k = next[1], .q_out = call.out[0]};
  next += 2;
  if (writes) args.v = next++;
  if (norms) args.qw = next++, args.kw = next++;
  args.pos = *next++;
  args.cs = *next++;
  if (writes) {
    args.slot = next;
    args.kv = &Kv(call);
    CheckWritable(args.k, *args.v, *args.slot, *args.kv);
  } else {
    args.k_out = &call.out[1];
    CheckSameShape(args.k, *args.k_out);
  }
  CheckTurnable(call, args);
  if (norms) {
    for (const TensorView* w : {args.qw, args.kw}) {
      RW_CHECK(w->rank == 1 && w->dims[0] == args.d, "a norm of {} for heads of {}", w->dims[0],
               args.d);
    }
    ReadNormAttrs(call, args);
  }
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
  return args;
}

void AttentionArgs::CheckSequences() const {
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t rows = FirstRow(s + 1) - FirstRow(s);
    RW_CHECK(rows >= 0 && rows <= Length(s), "{} queries in {} tokens", rows, Length(s));
    RW_CHECK(Length(s) <= table.width() * kPageSize);
  }
  RW_CHECK(FirstRow(0) == 0 && FirstRow(sequences) == q.rows());
}

bool AcceptsUnary(const KernelTypes& types, const Attrs&) { return Matches(types, "T", "T"); }
bool AcceptsBinary(const KernelTypes& types, const Attrs&) { return Matches(types, "TT", "T"); }
bool AcceptsEmbed(const KernelTypes& types, const Attrs&) { return Matches(types, "IF", "T"); }
bool AcceptsPackedEmbed(const KernelTypes& types, const Attrs&) {
  return Matches(types, "IP", "T");
}
bool AcceptsGatherRows(const KernelTypes& types, const Attrs&) { return Matches(types, "TI", "T"); }
bool AcceptsSample(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TFI", "I") && types.in[1] == DType::kF32;
}
bool AcceptsKvWrite(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTI", "") && IsCacheType(types.kv);
}
bool AcceptsNorm(const KernelTypes& types, const Attrs&) { return Matches(types, "TF", "T"); }
bool AcceptsAddNorm(const KernelTypes& types, const Attrs&) { return Matches(types, "TTF", "TT"); }
namespace {
bool IsProduct(const KernelTypes& types, std::string_view in, std::string_view biased) {
  if (!Matches(types, in, "F") && !Matches(types, biased, "F")) return false;
  return types.out[0] == types.in[0] || types.out[0] == DType::kF32;
}
bool AreProducts(const KernelTypes& types, std::string_view in, std::string_view out) {
  return types.in.size() > out.size() && Matches(types, FirstOf(in, types), out);
}
}  // namespace
bool AcceptsLinear(const KernelTypes& types, const Attrs&) { return IsProduct(types, "TF", "TFF"); }
bool AcceptsLinear2(const KernelTypes& types, const Attrs&) {
  return AreProducts(types, "TFFFF", "TT");
}
bool AcceptsLinear3(const KernelTypes& types, const Attrs&) {
  return AreProducts(types, "TFFFFFF", "TTT");
}
bool AcceptsPackedLinear(const KernelTypes& types, const Attrs&) {
  return IsProduct(types, "TP", "TPF");
}
bool AcceptsPackedLinear2(const KernelTypes& types, const Attrs&) {
  return AreProducts(types, "TPPFF", "TT");
}
bool AcceptsPackedLinear3(const KernelTypes& types, const Attrs&) {
  return AreProducts(types, "TPPPFFF", "TTT");
}
bool AcceptsFusedLinear(const KernelTypes& types, const LinearForm& form) {
  const auto count = static_cast<size_t>(form.products);
  std::string in = form.norms ? "TF" : "T";
  in += std::string(count, 'F') + std::string(form.extra);
  if (types.in.size() != in.size()) in += std::string(count, 'F');
  const size_t results = types.out.size();
  return (results == 1 || results == count) && Matches(types, in, std::string(results, 'T'));
}
bool AcceptsRope(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTIF", "TT") && types.in[3] == DType::kF32;
}
bool AcceptsRopeKvWrite(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTTIFI", "T") && types.in[4] == DType::kF32 && IsCacheType(types.kv);
}
bool AcceptsQkNormRope(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTFFIF", "TT") && types.in[5] == DType::kF32;
}
bool AcceptsQkNormRopeKvWrite(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TTTFFIFI", "T") && types.in[6] == DType::kF32 && IsCacheType(types.kv);
}
bool AcceptsAttention(const KernelTypes& types, const Attrs&) {
  return Matches(types, "TIII", "T") && IsCacheType(types.kv);
}

}  // namespace rw
