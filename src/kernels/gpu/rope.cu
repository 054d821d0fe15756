// rope, rope_kv_write, qk_norm_rope and qk_norm_rope_kv_write: one kernel for heads of whole octets
// (rope.cuh says how they are divided) and one for all others (rope_any.cuh).
#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/kv.cuh"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/norm.cuh"
#include "kernels/gpu/rope.cuh"
#include "kernels/gpu/rope_any.cuh"

namespace rw::gpu {
namespace {

// Threads of a block: about kBlockThreads, more where tokens would leave warps half empty.
constexpr int kBlockThreads = 128;
constexpr int kMaxThreads = 256;
// A thread takes up to kMaxHeads heads, so that more loads are on their way at once and angles are
// read less often, but not so many that a processor gets fewer than this many threads.
constexpr int kMaxHeads = 4;
constexpr int64_t kProcessorThreads = 1024;
constexpr int kMaxOctets = 32;  // of a head: d up to 256

template <class T>
struct HeadPart {
  Octet<T> at[2];
};
struct HeldWeights {
  float at[2][kOctet];
};
struct HeldAngles {
  float cos[kOctet], sin[kOctet];  // of the thread's eight pairs
};

__device__ __forceinline__ HeldWeights LoadWeights(const RopeParams& p, RopePart part,
                                                   const HeldOctets& held) {
  HeldWeights w = {};
  if (part == RopePart::kV) return w;
  const bool is_q = part == RopePart::kQ;
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    if (held.octet[s] < 0) continue;
    LoadNumbers(is_q ? p.qw : p.kw, is_q ? p.qw_dtype : p.kw_dtype, held.octet[s] * kOctet,
                w.at[s]);
  }
  return w;
}

// Of the row of cs. Half: pairs j of both octets; interleaved: four pairs of each.
template <RopeLayout kLayout>
__device__ __forceinline__ HeldAngles LoadAngles(const float* row, int rotated,
                                                 const HeldOctets& held) {
  constexpr int kParts = kLayout == RopeLayout::kHalf ? 1 : 2;
  constexpr int kPairs = kOctet / kParts;
  HeldAngles angles;
#pragma unroll
  for (int s = 0; s < kParts; ++s) {
    if (!held.turns[s]) continue;
    const int first = held.octet[s] * kPairs;
    const auto cos = LoadRun<float, kPairs>(row + first);
    const auto sin = LoadRun<float, kPairs>(row + rotated / 2 + first);
#pragma unroll
    for (int j = 0; j < kPairs; ++j) {
      angles.cos[s * kPairs + j] = cos.at[j];
      angles.sin[s * kPairs + j] = sin.at[j];
    }
  }
  return angles;
}

template <RopeLayout kLayout, class T>
__device__ __forceinline__ void Turn(HeadPart<T>& x, const HeldAngles& angles,
                                     const HeldOctets& held) {
  const auto turn = [&](T& a, T& b, int pair) {
    const Pair turned = Rotate({Widen(a), Widen(b)}, angles.cos[pair], angles.sin[pair]);
    a = Narrow<T>(turned.x);
    b = Narrow<T>(turned.y);
  };
  if constexpr (kLayout == RopeLayout::kHalf) {
    if (!held.turns[0]) return;
#pragma unroll
    for (int j = 0; j < kOctet; ++j) turn(x.at[0].at[j], x.at[1].at[j], j);
  } else {
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      if (!held.turns[s]) continue;
#pragma unroll
      for (int j = 0; j < kOctet / 2; ++j) {
        turn(x.at[s].at[2 * j], x.at[s].at[2 * j + 1], s * kOctet / 2 + j);
      }
    }
  }
}

// The sum of squares of a head whose octets lie in `lanes` threads, in the order of norm.cuh: octet
// l joins octet l + lanes first. All threads of the warp take part.
struct HeadFold {
  int lanes;
  bool in_order;
  int from[2];   // else: the lane of the warp that holds octet l and l + lanes
  int which[2];  // as its first or second; -1: there is no such octet

  template <RopeLayout kLayout>
  __device__ __forceinline__ static HeadFold Of(const RopeGrid& grid, int lane) {
    HeadFold fold{grid.lanes, HoldsInOrder(kLayout, grid), {}, {}};
    const int first = static_cast<int>(threadIdx.x) % kWarp - lane;
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      const int octet = lane + s * grid.lanes;
      const OctetHolder holder = HolderOf(grid, octet);
      fold.from[s] = octet < grid.octets ? first + holder.lane : 0;
      fold.which[s] = octet < grid.octets ? holder.which : -1;
    }
    return fold;
  }
  template <class T>
  __device__ __forceinline__ float operator()(const HeadPart<T>& x) const {
    float sums[2] = {SquaresOf(x.at[0]), SquaresOf(x.at[1])};
    if (!in_order) {
      float moved[2];
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        const float first = ShuffleFrom(sums[0], from[s]);
        const float second = ShuffleFrom(sums[1], from[s]);
        moved[s] = which[s] < 0 ? 0.0f : which[s] == 0 ? first : second;
      }
      sums[0] = moved[0];
      sums[1] = moved[1];
    }
    return FoldLanes(sums[0] + sums[1], lanes);
  }
};

template <class T, RopeLayout kLayout, bool kNorms, int kHeads>
__global__ void __launch_bounds__(kMaxThreads) RopeKernel(RopeParams p, RopeGrid grid) {
  const RopePlace place = PlaceOf(p, grid, blockIdx.x, blockIdx.y, threadIdx.x);
  const RopeColumn column = grid.Column(p, place.column);
  const HeldOctets held = HeldBy(kLayout, grid, place.lane);
  HeldWeights w;
  if constexpr (kNorms) {
    w = LoadWeights(p, place.live ? column.part : RopePart::kV, held);
  }
  WaitForPrevious();
  if constexpr (!kNorms) {
    if (!place.live) return;
  }
  // Angles wait for the position; what they turn is loaded meanwhile.
  const int position = place.live ? p.pos[place.token] : -1;
  const int slot = place.live && p.slot != nullptr ? p.slot[place.token] : place.token;
  const T* from = SourceOf<T>(p, column.part, place.token);
  PackedOctet<T> loaded[kHeads][2] = {};
#pragma unroll
  for (int i = 0; i < kHeads; ++i) {
    const int head = column.first + i * column.step;
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      if (place.live && head < column.heads && held.octet[s] >= 0) {
        loaded[i][s] = LoadPacked(from + head * p.d + held.octet[s] * kOctet);
      }
    }
  }
  const bool writes = position >= 0 && position < p.positions &&
                      (column.part == RopePart::kQ || HasSlot(p.kv, slot));
  HeldAngles angles;
  if (writes && column.part != RopePart::kV) {
    angles = LoadAngles<kLayout>(p.cs + position * p.cs_stride, p.rotated, held);
  }
  float factors[kHeads];
  if constexpr (kNorms) {
    const HeadFold fold = HeadFold::Of<kLayout>(grid, place.lane);
#pragma unroll
    for (int i = 0; i < kHeads; ++i) {
      const HeadPart<T> x = {Unpack(loaded[i][0]), Unpack(loaded[i][1])};
      factors[i] = NormFactor(fold(x), p.d, p.eps);
    }
  }
  if (!writes) return;
  const RopeTarget to = TargetOf<T>(p, column.part, place.token, slot);
#pragma unroll
  for (int i = 0; i < kHeads; ++i) {
    const int head = column.first + i * column.step;
    if (head >= column.heads) continue;
    HeadPart<T> x = {Unpack(loaded[i][0]), Unpack(loaded[i][1])};
    if (column.part != RopePart::kV) {
      if constexpr (kNorms) {
#pragma unroll
        for (int s = 0; s < 2; ++s) {
          x.at[s] = Normed(p.style, x.at[s], factors[i], w.at[s]);
        }
      }
      Turn<kLayout>(x, angles, held);
    }
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      if (held.octet[s] < 0) continue;
      StoreCache(to.dtype, to.data, to.token + head * to.head_stride + held.octet[s] * kOctet,
                 x.at[s], ScaleOf(to.scales, head));
    }
  }
}

// Blocks of about kBlockThreads: part of a token's columns, or all of them of several tokens, as
// many as leave the least of their last warp empty.
void DivideBlocks(RopeGrid& grid) {
  const int64_t parts = CeilDiv(int64_t{grid.columns} * grid.lanes, kBlockThreads);
  grid.block_columns = static_cast<int>(CeilDiv(grid.columns, parts));
  const int threads = grid.block_columns * grid.lanes;
  const auto idle = [&](int tokens) {  // of each thread that works
    const double all = static_cast<double>(CeilDiv(tokens * threads, kFoldLanes)) * kFoldLanes;
    return all / (tokens * threads);
  };
  grid.block_tokens = 1;
  for (int tokens = 2; parts == 1 && tokens * threads <= kMaxThreads; ++tokens) {
    if (idle(tokens) < idle(grid.block_tokens)) grid.block_tokens = tokens;
  }
  grid.by_token = SmallDivisor::Of(threads);
  grid.by_lanes = SmallDivisor::Of(grid.lanes);
}

template <class T, RopeLayout kLayout, bool kNorms, int kHeads>
void StartWith(const Queue& queue, const RopeParams& p, RopeGrid grid) {
  const auto columns = [](int heads) { return static_cast<int>(CeilDiv(heads, kHeads)); };
  grid.q_columns = columns(p.q_heads);
  grid.k_columns = columns(p.k_heads);
  grid.columns = grid.q_columns + grid.k_columns + columns(p.v_heads);
  DivideBlocks(grid);
  const int threads = grid.block_tokens * static_cast<int>(grid.by_token.by);
  const dim3 blocks(static_cast<unsigned>(CeilDiv(p.n, grid.block_tokens)),
                    static_cast<unsigned>(CeilDiv(grid.columns, grid.block_columns)));
  Launch(queue, RopeKernel<T, kLayout, kNorms, kHeads>, blocks,
         static_cast<int>(CeilDiv(threads, kWarp)) * kWarp, 0, p, grid);
}

template <class T, RopeLayout kLayout, bool kNorms>
void StartOctets(const Queue& queue, const RopeParams& p) {
  RopeGrid grid{};
  grid.octets = p.d / kOctet;
  grid.turning = p.rotated / kOctet;
  grid.lanes = (grid.octets + 1) / 2;
  if (kNorms) grid.lanes = static_cast<int>(std::bit_ceil(static_cast<unsigned>(grid.lanes)));
  const int64_t heads = p.q_heads + p.k_heads + p.v_heads;
  const int64_t each =
      CeilDiv(p.n * heads * grid.lanes, kProcessorThreads * std::max(queue.multiprocessors, 1));
  if (each <= 1) return StartWith<T, kLayout, kNorms, 1>(queue, p, grid);
  if (each <= 2) return StartWith<T, kLayout, kNorms, 2>(queue, p, grid);
  StartWith<T, kLayout, kNorms, kMaxHeads>(queue, p, grid);
}

template <class T, bool kNorms>
void StartAny(const Queue& queue, const RopeParams& p) {
  const int64_t heads = p.q_heads + p.k_heads + p.v_heads;
  const auto blocks = static_cast<unsigned>(CeilDiv(p.n * heads * kFoldLanes, kAnyRopeThreads));
  Launch(queue, AnyRopeKernel<T, kNorms>, blocks, kAnyRopeThreads, 0, p);
}

// A result of rope as a cache whose slots are its rows.
KvLayerView AsCache(const TensorView& k) {
  KvLayerView kv{k.data, nullptr, k.dtype, CeilDiv(k.rows(), kPageSize), k.dims[1], k.dims[2]};
  kv.page_stride = kPageSize * k.row_stride;
  kv.head_stride = k.dims[2];
  kv.token_stride = k.row_stride;
  return kv;
}

RopeParams ParamsOf(const RopeArgs& args) {
  RW_CHECK(args.cs.rows() <= std::numeric_limits<int>::max(), "{} positions", args.cs.rows());
  RopeParams p{};
  p.q = args.q.data;
  p.k = args.k.data;
  p.q_out = args.q_out.data;
  p.kv = args.kv != nullptr ? *args.kv : AsCache(*args.k_out);
  p.pos = args.pos.row<const int32_t>(0);
  p.cs = args.cs.row<const float>(0);
  p.q_stride = args.q.row_stride;
  p.k_stride = args.k.row_stride;
  p.q_out_stride = args.q_out.row_stride;
  p.cs_stride = args.cs.row_stride;
  p.n = static_cast<int>(args.pos.rows());
  p.positions = static_cast<int>(args.cs.rows());
  p.q_heads = static_cast<int>(args.q.dims[1]);
  p.k_heads = static_cast<int>(args.k.dims[1]);
  p.d = static_cast<int>(args.d);
  p.rotated = static_cast<int>(args.rotated);
  p.layout = args.layout;
  if (args.kv != nullptr) {
    p.v = args.v->data;
    p.slot = args.slot->row<const int32_t>(0);
    p.v_stride = args.v->row_stride;
    p.v_heads = p.k_heads;
  }
  if (args.qw != nullptr) {
    p.qw = args.qw->data;
    p.kw = args.kw->data;
    p.qw_dtype = args.qw->dtype;
    p.kw_dtype = args.kw->dtype;
    p.style = args.style;
    p.eps = args.eps;
  }
  return p;
}

// Whether RopeKernel can take it.
template <class T>
bool InOctets(const RopeArgs& args, const RopeParams& p) {
  const int pair = args.layout == RopeLayout::kHalf ? 2 * kOctet : kOctet;
  if (p.d % kOctet != 0 || p.d > kMaxOctets * kOctet || p.rotated % pair != 0) return false;
  if (!HasOctets<T>(args.q) || !HasOctets<T>(args.k) || !HasOctets<T>(args.q_out)) return false;
  if (args.v != nullptr && !HasOctets<T>(*args.v)) return false;
  if (!StartsPack(p.qw) || !StartsPack(p.kw)) return false;
  return Packs<float, kPack<float>>(args.cs) && CacheHasOctets(p.kv);
}

template <class T, bool kNorms>
void Start(const Queue& queue, const RopeArgs& args, const RopeParams& p) {
  if (!InOctets<T>(args, p)) return StartAny<T, kNorms>(queue, p);
  if (args.layout == RopeLayout::kHalf) {
    StartOctets<T, RopeLayout::kHalf, kNorms>(queue, p);
  } else {
    StartOctets<T, RopeLayout::kInterleaved, kNorms>(queue, p);
  }
}

void Run(const KernelCall& call) {
  const RopeArgs args = ReadRope(call);
  const RopeParams p = ParamsOf(args);
  WithFloatType(args.q.dtype, [&]<class T>(T) {
    if (args.qw != nullptr) {
      Start<T, true>(QueueOf(call), args, p);
    } else {
      Start<T, false>(QueueOf(call), args, p);
    }
  });
}

constexpr std::array kRows = {
    KernelRow{"rope", kDevice, kProvider, AcceptsRope, Run},
    KernelRow{"rope_kv_write", kDevice, kProvider, AcceptsRopeKvWrite, Run},
    KernelRow{"qk_norm_rope", kDevice, kProvider, AcceptsQkNormRope, Run},
    KernelRow{"qk_norm_rope_kv_write", kDevice, kProvider, AcceptsQkNormRopeKvWrite, Run},
};

}  // namespace

std::span<const KernelRow> RopeRows() { return kRows; }

}  // namespace rw::gpu
