// sample: a token of each row of logits.
//
// The blocks of a row read their parts of it several times, and meet in between. First they find
// the best logit, which is all that a greedy row needs. Then top-k and top-p each look for the last
// token that they keep, digit by digit of its logit from the highest: how much there is of each
// digit says which one it has. At last each block says how much of its part is kept, and the block
// that comes last finds the token that the draw falls on.
#include <array>
#include <bit>
#include <limits>
#include <type_traits>

#include "kernels/args.h"
#include "kernels/gpu/gpu.h"
#include "kernels/gpu/row_part.cuh"
#include "kernels/gpu/sums.cuh"
#include "kernels/sampling.h"

namespace rw::gpu {
namespace {

constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;  // one for each value of a digit

// The order of finite logits of type T as whole numbers: larger ones are likelier.
template <class T>
struct Keys {
  // Low bits of a float that say nothing about a T.
  static constexpr int kEmpty = std::is_same_v<T, BF16> ? 16 : std::is_same_v<T, F16> ? 13 : 0;
  static constexpr int kBits = 32 - kEmpty;
  static constexpr int kDigits = (kBits + kDigitBits - 1) / kDigitBits;
  static constexpr uint32_t kSign = 0x80000000u;

  // 0, which no finite number has: not finite.
  __device__ __forceinline__ static uint32_t Of(float logit) {
    const bool finite = std::abs(logit) < std::numeric_limits<float>::infinity();
    const auto bits = std::bit_cast<uint32_t>(logit + 0.0f);  // -0 becomes 0
    const uint32_t ordered = (bits & kSign) != 0 ? ~bits : bits | kSign;
    return finite ? ordered >> kEmpty : 0;
  }
  // The inverse; NaN of 0.
  __device__ __forceinline__ static float Logit(uint32_t key) {
    const uint32_t bits = key << kEmpty;
    return std::bit_cast<float>((bits & kSign) != 0 ? bits ^ kSign : ~bits >> kEmpty << kEmpty);
  }
};

// What is kept of a row: the tokens of larger keys, and the first `ties` of this key. All, if both
// are 0.
struct Cut {
  uint32_t key;
  uint32_t ties;
};

// The largest number seen and where; index -1: none.
struct Best {
  float value;
  int index;
};

// What the blocks of a row tell each other.
struct Board {
  Best best[kMaxRowParts];
  Mass mass[kMaxRowParts];
  uint64_t bins[2 * Keys<float>::kDigits][kBins];  // for the digits of top-k, then of top-p
};

struct SampleParams {
  RowParts rows;
  const float* how;
  const int32_t* pick;
  int32_t* y;
  int64_t how_stride, pick_stride;
  Board* boards;  // of each row
};

__device__ __forceinline__ Best None() { return {-std::numeric_limits<float>::infinity(), -1}; }
__device__ __forceinline__ Best Better(Best a, Best b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}
__device__ __forceinline__ Best BestOfWarp(Best best) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    best = Better(best, {ShuffleXor(best.value, mask), ShuffleXor(best.index, mask)});
  }
  return best;
}
// Of all threads of the block, in all of them. Between two calls lies a meeting.
__device__ __forceinline__ Best BestOfBlock(Best best) {
  constexpr int kWarps = kRowThreads / kWarp;
  __shared__ Best of_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  best = BestOfWarp(best);
  if (lane == 0) of_warp[threadIdx.x / kWarp] = best;
  __syncthreads();
  return BestOfWarp(lane < kWarps ? of_warp[lane] : None());
}

// What weighs one, so that sums fit a word.
struct One {
  __device__ __forceinline__ operator uint64_t() const { return 1; }  // NOLINT: it is a number
};

// How much there is of each digit, the largest first. Sums of 64 bits are two words, because shared
// memory adds words by itself.
struct Histogram {
  uint32_t low[kBins], high[kBins];

  __device__ __forceinline__ void Clear() {
    for (int i = static_cast<int>(threadIdx.x); i < kBins; i += kRowThreads) low[i] = high[i] = 0;
  }
  __device__ __forceinline__ void Add(uint32_t bin, One) { atomicAdd(&low[bin], 1u); }
  __device__ __forceinline__ void Add(uint32_t bin, uint64_t amount) {
    if (amount == 0) return;
    const auto word = static_cast<uint32_t>(amount);
    const uint32_t carry = atomicAdd(&low[bin], word) + word < word ? 1 : 0;
    const uint32_t upper = static_cast<uint32_t>(amount >> 32) + carry;
    if (upper != 0) atomicAdd(&high[bin], upper);
  }
  __device__ __forceinline__ uint64_t At(int bin) const {
    return uint64_t{high[bin]} << 32 | low[bin];
  }
  __device__ __forceinline__ void Put(int bin, uint64_t amount) {
    low[bin] = static_cast<uint32_t>(amount);
    high[bin] = static_cast<uint32_t>(amount >> 32);
  }
};

// A block at work on its part of a row.
template <class T, int kCount>
class RowSampler {
 public:
  __device__ __forceinline__ RowSampler(const SampleParams& p, const SampleRule& rule,
                                        Histogram* histogram)
      : rule_(rule), part_(p.rows), board_(p.boards + blockIdx.x), histogram_(histogram) {}

  // The token, in the block that comes last; nothing in the others.
  __device__ __forceinline__ bool Take(int& token) {
    Best best = BestOfPart();
    const bool cuts = rule_.top_k > 0 || rule_.top_p < 1;
    if (!rule_.greedy() && cuts) ClearBins();
    if (!part_.alone() && threadIdx.x == 0) board_->best[part_.part()] = best;
    if (rule_.greedy()) [[likely]] {  // its code stands together
      if (!part_.Arrive()) return false;
    } else {
      part_.Meet();
    }
    if (!part_.alone()) best = JoinBest();
    token = best.index;
    return rule_.greedy() || Sample(best.value, token);
  }
  __device__ __forceinline__ void Leave() const { part_.Leave(); }

 private:
  using K = Keys<T>;
  static constexpr int kBinsOfThread = kBins / kRowThreads;

  __device__ __forceinline__ void ClearBins() {
    histogram_->Clear();
    if (part_.alone()) return;
    uint64_t* bins = board_->bins[0];
    const int first = part_.part() * kRowThreads + static_cast<int>(threadIdx.x);
    for (int i = first; i < 2 * K::kDigits * kBins; i += part_.parts() * kRowThreads) bins[i] = 0;
  }

  // NaN and infinities never win.
  __device__ __forceinline__ Best BestOfPart() const {
    Best best = None();
    part_.template ForEach<4>([&](const Run<kCount>& run, int index) {
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const float logit = run.at[j];
        if (logit > best.value && logit < std::numeric_limits<float>::infinity()) {
          best = {logit, index + j};
        }
      }
    });
    return BestOfBlock(best);
  }
  __device__ __forceinline__ Best JoinBest() const {
    Best best = None();
    if (static_cast<int>(threadIdx.x) < part_.parts()) {
      const Best& found = board_->best[threadIdx.x];
      best = {Fresh(found.value), Fresh(found.index)};
    }
    return BestOfBlock(best);
  }

  // Draws from what top-k and top-p keep; the token stays where nothing weighs.
  __device__ __forceinline__ bool Sample(float best, int& token) {
    const SampleWeights weigh(rule_, best);
    Cut cut{};
    if (rule_.top_k > 0) {
      cut = Select(
          0, cut, [](float) { return One{}; },
          [&](uint64_t) { return uint64_t{static_cast<uint32_t>(rule_.top_k)}; });
    }
    if (rule_.top_p < 1) {
      cut = Select(K::kDigits, cut, weigh,
                   [&](uint64_t total) { return TopPMass(total, rule_.top_p); });
    }
    return Draw(weigh, cut, token);
  }

  // Of what `within` keeps, the first tokens that together weigh what is wanted of the total; all,
  // if the total is less. `count`: of digits that were counted before.
  template <class Weigh, class Wanted>
  __device__ __forceinline__ Cut Select(int count, Cut within, const Weigh& weigh,
                                        const Wanted& wanted_of) {
    uint32_t key = 0;  // its digits so far
    uint64_t wanted = 0;
    for (int shift = K::kBits; shift > 0;) {
      const bool first = shift == K::kBits;
      const int width = min(kDigitBits, shift);
      shift -= width;
      Mass bins[kBinsOfThread];
      Count(within, key << width, shift, width, weigh, board_->bins[count++], bins);
      Mass mine{};
#pragma unroll
      for (const Mass& bin : bins) mine = mine + bin;
      const Sums sums = SumUp<kRowThreads>(mine);
      if (first) wanted = wanted_of(sums.total.above);
      if (wanted > sums.total.above) return within;
      const Place place =
          FindPlace(bins, sums.before, wanted, [](const Mass& mass) { return mass.above; });
      wanted -= place.before.above;
      key = (key << width) + (1u << width) - 1 - static_cast<uint32_t>(place.item);
    }
    const uint64_t each = weigh(K::Logit(key));
    return {key, static_cast<uint32_t>((wanted + each - 1) / each)};
  }

  // How much the whole row has of each value of a digit, in keys that begin with the digits of
  // `base`. The thread's bins, the largest value first.
  template <class Weigh>
  __device__ __forceinline__ void Count(Cut within, uint32_t base, int shift, int width,
                                        const Weigh& weigh, uint64_t* of_row,
                                        Mass (&bins)[kBinsOfThread]) {
    const uint32_t last = (1u << width) - 1;
    const auto bin_of = [&](uint32_t key) { return last - ((key >> shift) - base); };
    __syncthreads();  // the histogram is empty
    part_.template ForEach<1>([&](const Run<kCount>& run, int) {
      uint32_t of[kCount];
      bool any = false;
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const uint32_t key = K::Of(run.at[j]);
        of[j] = key > within.key ? bin_of(key) : kBins;
        any |= of[j] <= last;
      }
      if (!any) return;
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const auto amount = weigh(run.at[j]);
        if (of[j] <= last) histogram_->Add(of[j], amount);
      }
    });
    if (part_.part() == 0 && threadIdx.x == 0 && within.ties > 0) {
      const uint32_t bin = bin_of(within.key);
      const uint64_t each = weigh(K::Logit(within.key));
      if (bin <= last) histogram_->Add(bin, within.ties * each);
    }
    __syncthreads();
    if (!part_.alone()) {
      // Neighbours in memory go to neighbouring threads; each thread writes where it has read.
      const int first = static_cast<int>(threadIdx.x), end = static_cast<int>(last) + 1;
      for (int i = first; i < end; i += kRowThreads) {
        const unsigned long long amount = histogram_->At(i);
        if (amount != 0) atomicAdd(reinterpret_cast<unsigned long long*>(of_row + i), amount);
      }
      part_.Meet();
      for (int i = first; i < end; i += kRowThreads) histogram_->Put(i, Fresh(of_row[i]));
      __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < kBinsOfThread; ++i) {
      const int bin = static_cast<int>(threadIdx.x) * kBinsOfThread + i;
      bins[i] = {histogram_->At(bin), 0};
      histogram_->Put(bin, 0);  // for the next digit
    }
  }

  // What is kept, laid end to end in the order of ids: the token at the draw's place.
  __device__ __forceinline__ bool Draw(const SampleWeights& weigh, Cut cut, int& token) {
    const uint64_t tie = weigh(K::Logit(cut.key));
    const auto kept = [=](const Mass& mass) {
      return mass.above + uint64_t{min(mass.ties, cut.ties)} * tie;
    };
    const auto masses_of = [&](const Run<kCount>& run, Mass(&masses)[kCount]) {
      uint32_t keys[kCount];
      bool any = false;
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        keys[j] = K::Of(run.at[j]);
        any |= keys[j] > cut.key;
        masses[j] = {0, keys[j] == cut.key ? 1u : 0u};
      }
      if (!any) return;
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const uint32_t weight = weigh(run.at[j]);
        masses[j].above = keys[j] > cut.key ? weight : 0;
      }
    };
    Mass part[1] = {};
    part_.template ForEach<1>([&](const Run<kCount>& run, int) {
      Mass masses[kCount];
      masses_of(run, masses);
#pragma unroll
      for (const Mass& mass : masses) part[0] = part[0] + mass;
    });
    part[0] = SumUp<kRowThreads>(part[0]).total;
    if (!part_.alone() && threadIdx.x == 0) board_->mass[part_.part()] = part[0];
    if (!part_.Arrive()) return false;

    const auto other = static_cast<int>(threadIdx.x);
    if (other >= part_.parts()) {
      part[0] = {};
    } else if (!part_.alone()) {
      part[0] = {Fresh(board_->mass[other].above), Fresh(board_->mass[other].ties)};
    }
    const Sums sums = SumUp<kRowThreads>(part[0]);
    const uint64_t total = kept(sums.total);
    if (total == 0) return true;
    const uint64_t wanted = DrawnMass(total, rule_.draw) + 1;
    const Place place = FindPlace(part, sums.before, wanted, kept);
    Mass before = place.before;
    part_.Walk(place.item, [&](const Run<kCount>& run, int index, bool has) {
      Mass items[kCount] = {}, mine{};
      if (has) masses_of(run, items);
#pragma unroll
      for (const Mass& mass : items) mine = mine + mass;
      const Sums walked = SumUp<kRowThreads>(mine);
      if (kept(before + walked.total) >= wanted) {
        token = index + FindPlace(items, before + walked.before, wanted, kept).item;
        return true;
      }
      before = before + walked.total;
      return false;
    });
    return true;
  }

  SampleRule rule_;
  RowPart<T, kCount> part_;
  Board* board_;
  Histogram* histogram_;  // in shared memory
};

template <class T, int kCount>
__global__ void __launch_bounds__(kRowThreads, kRowBlocksOfProcessor) SampleKernel(SampleParams p) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  __shared__ Histogram histogram;
  const SampleRule rule = ReadRule(p.how + row * p.how_stride, p.pick + row * p.pick_stride);
  RowSampler<T, kCount> sampler(p, rule, &histogram);
  int token = -1;
  if (!sampler.Take(token)) return;
  sampler.Leave();
  if (threadIdx.x == 0) p.y[row] = token;
}

template <class T, int kCount>
void StartSample(const KernelCall& call, const SampleArgs& args) {
  static const int resident = [] {
    int blocks = 0;
    gpuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, SampleKernel<T, kCount>, kRowThreads, 0);
    return blocks;
  }();
  const Queue& queue = QueueOf(call);
  const int64_t rows = args.x.rows(), runs = args.x.width() / kCount;
  const int64_t parts = PartsOfRow(queue, resident, rows, runs, sizeof(Board));
  const int64_t part_runs = CeilDiv(runs, parts);
  const SampleParams p{{args.x.data, args.x.row_stride, static_cast<int>(runs),
                        static_cast<int>(part_runs), queue.counters},
                       args.how.row<const float>(0),
                       args.pick.row<const int32_t>(0),
                       args.y.row<int32_t>(0),
                       args.how.row_stride,
                       args.pick.row_stride,
                       reinterpret_cast<Board*>(queue.scratch)};
  const dim3 grid(static_cast<unsigned>(rows),
                  static_cast<unsigned>(part_runs == 0 ? 1 : CeilDiv(runs, part_runs)));
  Launch(queue, SampleKernel<T, kCount>, grid, kRowThreads, 0, p);
}

void RunSample(const KernelCall& call) {
  const SampleArgs args = ReadSample(call);
  WithFloatType(args.x.dtype, [&]<class T>(T) {
    constexpr int kWhole = kPack<T>;
    Packs<T, kWhole>(args.x) ? StartSample<T, kWhole>(call, args) : StartSample<T, 1>(call, args);
  });
}

constexpr std::array kRows = {
    KernelRow{"sample", kDevice, kProvider, AcceptsSample, RunSample},
};

}  // namespace

std::span<const KernelRow> SampleRows() { return kRows; }

}  // namespace rw::gpu
