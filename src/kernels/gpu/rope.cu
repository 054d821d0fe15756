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

constexpr int kThreads = 128;  // of a block
// A thread takes one head, or two where processors would get more than so many threads: angles are
// then read less often. Heads that are normalised or converted are more work, which one thread
// spends longer on.
constexpr int64_t kLightThreads = 320, kHeavyThreads = 1024;
constexpr int kMaxOctets = 32;  // of a head: d up to 256

// What a thread holds of one head, as it lies in memory.
template <class T>
struct HeldHead {
  PackedOctet<T> at[2];
};
struct HeldWeights {
  float at[2][kOctet];
};
struct HeldAngles {
  float cos[kOctet], sin[kOctet];  // of the thread's eight pairs
};

template <class T>
__device__ __forceinline__ HeldHead<T> LoadHead(const T* from, const HeldOctets& held) {
  HeldHead<T> x = {};
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    if (held.held[s]) x.at[s] = LoadPacked(from + held.octet[s] * kOctet);
  }
  return x;
}

__device__ __forceinline__ HeldWeights LoadWeights(const RopeHeads& part, const HeldOctets& held) {
  HeldWeights w = {};
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    if (!part.turns || !held.held[s]) continue;
    LoadNumbers(part.w, part.w_dtype, held.octet[s] * kOctet, w.at[s]);
  }
  return w;
}

// Of the row of cs. Half: pairs j of both octets; interleaved: four pairs of each.
template <RopeLayout kLayout>
__device__ __forceinline__ void LoadAngles(const RopeParams& p, int position,
                                           const HeldOctets& held, HeldAngles& angles) {
  constexpr int kParts = kLayout == RopeLayout::kHalf ? 1 : 2;
  constexpr int kPairs = kOctet / kParts;
  const float* row = p.cs + position * p.cs_stride;
#pragma unroll
  for (int s = 0; s < kParts; ++s) {
    if (!held.turns[s]) continue;
    const int first = held.octet[s] * kPairs;
    const auto cos = LoadRun<float, kPairs>(row + first);
    const auto sin = LoadRun<float, kPairs>(row + p.pairs + first);
#pragma unroll
    for (int j = 0; j < kPairs; ++j) {
      angles.cos[s * kPairs + j] = cos.at[j];
      angles.sin[s * kPairs + j] = sin.at[j];
    }
  }
}

template <RopeLayout kLayout, class T>
__device__ __forceinline__ void Turn(HeldHead<T>& head, const HeldAngles& angles,
                                     const HeldOctets& held) {
  float x[2][kOctet];
  const auto turn = [&](float& a, float& b, int pair) {
    const Pair turned = Rotate({a, b}, angles.cos[pair], angles.sin[pair]);
    a = turned.x;
    b = turned.y;
  };
#pragma unroll
  for (int s = 0; s < 2; ++s) WidenAll(head.at[s], x[s]);
  if constexpr (kLayout == RopeLayout::kHalf) {
#pragma unroll
    for (int j = 0; j < kOctet; ++j) turn(x[0][j], x[1][j], j);
  } else {
#pragma unroll
    for (int s = 0; s < 2; ++s) {
#pragma unroll
      for (int j = 0; j < kOctet / 2; ++j) turn(x[s][2 * j], x[s][2 * j + 1], s * kOctet / 2 + j);
    }
  }
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    if (held.turns[s]) head.at[s] = NarrowPacked<T>(x[s]);
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
    HeadFold fold{grid.lanes, HoldsInOrder<kLayout>(grid), {}, {}};
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
  __device__ __forceinline__ float operator()(const HeldHead<T>& x) const {
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

template <class T, int kHeads>
__device__ __forceinline__ void Normalise(const RopeParams& p, HeldHead<T> (&x)[kHeads],
                                          const float (&factors)[kHeads], const HeldWeights& w) {
  WithNormStyle(p.style, [&](auto style) {
#pragma unroll
    for (int i = 0; i < kHeads; ++i) {
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        float values[kOctet];
        WidenAll(x[i].at[s], values);
        NormAll<T>(style, values, factors[i], w.at[s]);
        x[i].at[s] = NarrowPacked<T>(values);
      }
    }
  });
}

template <class T, int kHeads>
__device__ __forceinline__ void Store(const RopeHeads& part, const RopeWork& work,
                                      const HeldOctets& held, int64_t place,
                                      const HeldHead<T> (&x)[kHeads],
                                      const float (&scales)[kHeads]) {
  WithCacheTypeFrom<T>(part.dtype, [&]<class C>(C) {
#pragma unroll
    for (int i = 0; i < kHeads; ++i) {
      const int head = work.first + i * work.step;
      if (head >= part.heads) continue;
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        if (!held.held[s]) continue;
        StoreCacheAs<C>(part.to, place + head * part.head_stride + held.octet[s] * kOctet,
                        Unpack(x[i].at[s]), scales[i]);
      }
    }
  });
}

// All that no kernel writes (weights, scales, the table of angles) is on its way before the wait.
// So are the angles of the position that is seen then; they stay if it is the same after the wait.
template <class T, RopeLayout kLayout, bool kNorms, int kHeads>
__global__ void __launch_bounds__(kThreads)
    RopeKernel(const __grid_constant__ RopeParams p, const __grid_constant__ RopeGrid grid) {
  const RopeWork work = grid.WorkOf(blockIdx.x * kThreads + threadIdx.x);
  const RopeHeads& part = p.parts[work.part];
  const HeldOctets held = HeldBy<kLayout>(grid, work.lane);
  const int token = min(work.token, p.n - 1);  // threads of no token follow the last
  int heads[kHeads];                           // those past the last one too
  float scales[kHeads];
#pragma unroll
  for (int i = 0; i < kHeads; ++i) {
    heads[i] = min(work.first + i * work.step, part.heads - 1);
    scales[i] = ScaleOf(part.scales, heads[i]);
  }
  HeldWeights w;
  if constexpr (kNorms) w = LoadWeights(part, held);
  HeldAngles angles;
  const auto load_angles = [&](int position) {
    if (!part.turns || !InRange(position, p.positions)) return;
    LoadAngles<kLayout>(p, position, held, angles);
  };
  const int seen = Peek(p.pos + token);
  load_angles(seen);
  WaitForPrevious();

  const T* row = static_cast<const T*>(part.from) + token * part.from_stride;
  HeldHead<T> x[kHeads];
#pragma unroll
  for (int i = 0; i < kHeads; ++i) {
    x[i] = LoadHead(row + heads[i] * p.d, held);
  }
  const int position = Peek(p.pos + token);
  const int slot = part.slot != nullptr ? part.slot[token] : token;
  if (position != seen) load_angles(position);
  if constexpr (kNorms) {
    const HeadFold fold = HeadFold::Of<kLayout>(grid, work.lane);
    float factors[kHeads];
#pragma unroll
    for (int i = 0; i < kHeads; ++i) {
      factors[i] = NormFactor(fold(x[i]), p.d, p.eps);
      Forget(x[i].at);
    }
    if (part.turns) Normalise(p, x, factors, w);
  }
  if (work.token >= p.n || !InRange(position, p.positions) || !InRange(slot, part.slots)) return;
  if (part.turns && (held.turns[0] || held.turns[1])) {
#pragma unroll
    for (int i = 0; i < kHeads; ++i) Turn<kLayout>(x[i], angles, held);
  }
  Store(part, work, held, PlaceOf(part, slot), x, scales);
}

template <class T, RopeLayout kLayout, bool kNorms, int kHeads>
void StartWith(const Queue& queue, const RopeParams& p, RopeGrid grid) {
  int columns = 0;
  for (int i = 0; i < kRopeParts; ++i) {
    grid.columns[i] = static_cast<int>(CeilDiv(p.parts[i].heads, kHeads));
    columns += grid.columns[i];
  }
  grid.by_token = Divisor::Of(columns * grid.lanes);
  grid.by_lanes = Divisor::Of(grid.lanes);
  const auto blocks = static_cast<unsigned>(CeilDiv(int64_t{p.n} * grid.by_token.by, kThreads));
  Launch(queue, RopeKernel<T, kLayout, kNorms, kHeads>, dim3(blocks), kThreads, 0, p, grid);
}

// Threads of a head.
int LanesOf(const RopeParams& p, bool norms) {
  const auto lanes = static_cast<unsigned>(CeilDiv(p.d, 2 * kOctet));
  return static_cast<int>(norms ? std::bit_ceil(lanes) : lanes);
}
int64_t HeadsOf(const RopeParams& p) {
  int64_t heads = 0;
  for (const RopeHeads& part : p.parts) heads += part.heads;
  return heads;
}

template <class T, RopeLayout kLayout, bool kNorms>
void StartOctets(const Queue& queue, const RopeParams& p) {
  RopeGrid grid{};
  grid.octets = p.d / kOctet;
  grid.turning = 2 * p.pairs / kOctet;
  grid.lanes = LanesOf(p, kNorms);
  grid.pairs = grid.turning / 2;
  grid.rest = (grid.octets - grid.turning + 1) / 2;
  const bool heavy = kNorms || p.parts[kK].dtype != kDTypeOf<T>;
  const int64_t few = (heavy ? kHeavyThreads : kLightThreads) * std::max(queue.multiprocessors, 1);
  if (p.n * HeadsOf(p) * grid.lanes <= few) {
    StartWith<T, kLayout, kNorms, 1>(queue, p, grid);
  } else {
    StartWith<T, kLayout, kNorms, 2>(queue, p, grid);
  }
}

template <class T, bool kNorms>
void StartAny(const Queue& queue, const RopeParams& p) {
  const auto blocks =
      static_cast<unsigned>(CeilDiv(p.n * HeadsOf(p) * kFoldLanes, kAnyRopeThreads));
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

// Heads of x that go to one plane of the cache.
RopeHeads HeadsInto(const KvLayerView& kv, std::byte* plane, const TensorView& x) {
  RopeHeads part{};
  part.from = x.data;
  part.from_stride = x.row_stride;
  part.heads = static_cast<int>(x.dims[1]);
  part.to = plane;
  part.dtype = kv.dtype;
  part.page_stride = kv.page_stride;
  part.head_stride = kv.head_stride;
  part.token_stride = kv.token_stride;
  part.slots =
      static_cast<int>(std::min<int64_t>(kv.pages * kPageSize, std::numeric_limits<int>::max()));
  return part;
}

void SetParts(const RopeArgs& args, RopeParams& p) {
  const KvLayerView q_out = AsCache(args.q_out);
  const KvLayerView kv = args.kv != nullptr ? *args.kv : AsCache(*args.k_out);
  RopeHeads& q = p.parts[kQ] = HeadsInto(q_out, q_out.k, args.q);
  RopeHeads& k = p.parts[kK] = HeadsInto(kv, kv.k, args.k);
  q.turns = k.turns = true;
  if (args.qw != nullptr) {
    q.w = args.qw->data;
    q.w_dtype = args.qw->dtype;
    k.w = args.kw->data;
    k.w_dtype = args.kw->dtype;
  }
  if (args.kv == nullptr) return;
  RopeHeads& v = p.parts[kV] = HeadsInto(kv, kv.v, *args.v);
  k.slot = v.slot = args.slot->row<const int32_t>(0);
  k.scales = kv.k_scale;
  v.scales = kv.v_scale;
}

RopeParams ParamsOf(const RopeArgs& args) {
  RW_CHECK(args.cs.rows() <= std::numeric_limits<int>::max(), "{} positions", args.cs.rows());
  RopeParams p{};
  SetParts(args, p);
  p.pos = args.pos.row<const int32_t>(0);
  p.cs = args.cs.row<const float>(0);
  p.cs_stride = args.cs.row_stride;
  p.n = static_cast<int>(args.pos.rows());
  p.positions = static_cast<int>(args.cs.rows());
  p.d = static_cast<int>(args.d);
  p.pairs = static_cast<int>(args.rotated) / 2;
  p.layout = args.layout;
  p.style = args.style;
  p.eps = args.eps;
  return p;
}

// Whether RopeKernel can take it.
template <class T>
bool InOctets(const RopeArgs& args, const RopeParams& p) {
  const int pair = args.layout == RopeLayout::kHalf ? 2 * kOctet : kOctet;
  if (p.d % kOctet != 0 || p.d > kMaxOctets * kOctet || 2 * p.pairs % pair != 0) return false;
  if (p.n * HeadsOf(p) * LanesOf(p, true) > std::numeric_limits<int>::max()) return false;
  if (!HasOctets<T>(args.q) || !HasOctets<T>(args.k) || !HasOctets<T>(args.q_out)) return false;
  if (args.v != nullptr && !HasOctets<T>(*args.v)) return false;
  if (args.qw != nullptr && !(StartsPack(args.qw->data) && StartsPack(args.kw->data))) return false;
  return Packs<float, kPack<float>>(args.cs) &&
         CacheHasOctets(args.kv != nullptr ? *args.kv : AsCache(*args.k_out));
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
