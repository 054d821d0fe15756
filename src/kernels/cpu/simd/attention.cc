// Attention over the paged cache. A task is one kv head of one sequence and a tile of its query
// tokens; the query heads that share the kv head go through together, so that every page of keys
// and values is converted once for all of them.
#include <limits>
#include <vector>

#include "kernels/args.h"
#include "kernels/cpu/cache_scale.h"
#include "kernels/cpu/reference/reference.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/simd/work.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/attention.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/attention_tile-inl.h"

#ifndef RW_KERNELS_CPU_SIMD_ATTENTION_TASK_
#define RW_KERNELS_CPU_SIMD_ATTENTION_TASK_
namespace rw::simd {
// Query rows [begin, end) of q, all of one sequence, for one kv head.
struct AttentionTask {
  int64_t sequence;
  int64_t head;
  int64_t begin, end;
};
}  // namespace rw::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

constexpr int64_t kTaskRows = 32;                     // query rows (tokens x heads) of a task
constexpr int kPagesAtOnce = kManyRegisters ? 2 : 1;  // whose scores are computed together

// A task and its scratch memory. Row r is token r / group, head r % group.
template <class T, class KV>
class Tile {
 public:
  Tile(const AttentionArgs& args, const AttentionTask& task)
      : args_(args),
        task_(task),
        rows_((task.end - task.begin) * args.group),
        width_((args.d + kLanes - 1) / kLanes * kLanes),
        k_scale_(CacheScale(args.kv.k_scale, task.head)),
        v_scale_(CacheScale(args.kv.v_scale, task.head)) {
    const int64_t page = kPageSize * width_;
    const int64_t running = sizeof(Running) / sizeof(float);
    float* scratch =
        ScratchFloats(Scratch::kTile, rows_ * (args.d + width_ + kSoftmaxBlock + running) +
                                          (kPagesAtOnce + 1) * page);
    const auto take = [&scratch](int64_t count) { return std::exchange(scratch, scratch + count); };
    keys_ = take(kPagesAtOnce * page);
    page_values_ = take(page);
    values_ = take(rows_ * width_);
    scores_ = take(rows_ * kSoftmaxBlock);
    q_ = take(rows_ * args.d);
    running_ = reinterpret_cast<Running*>(take(rows_ * running));
  }

  void Run() {
    LoadQueries();
    const int64_t begin = args_.WindowBegin(Position(0));
    const int64_t end = Position(rows_ - 1) + 1;
    for (int64_t block = begin / kSoftmaxBlock * kSoftmaxBlock; block < end;
         block += kSoftmaxBlock) {
      const int64_t first = std::max(begin, block) / kPageSize * kPageSize;
      const int64_t last = std::min(end, block + kSoftmaxBlock);
      for (int64_t p = first; p < last; p += kPagesAtOnce * kPageSize) {
        for (int i = 0; i < kPagesAtOnce; ++i) FetchAhead(args_.kv.v, p + i * kPageSize, last);
        Score(block, p, last);
      }
      for (int64_t r = 0; r < rows_; ++r) Weigh(block, r);
      for (int64_t p = first; p < last; p += kPageSize) {
        FetchAhead(args_.kv.k, p + kSoftmaxBlock, end);
        Gather(block, p);
      }
    }
    StoreResults();
  }

 private:
  struct Range {
    int64_t begin, end;
  };

  int64_t Position(int64_t r) const {
    return args_.Position(task_.sequence, task_.begin + r / args_.group);
  }
  // Positions from `from` up to `count` more that row r attends to, relative to `from`.
  Range Attended(int64_t r, int64_t from, int64_t count) const {
    const int64_t position = Position(r);
    return {std::clamp<int64_t>(args_.WindowBegin(position) - from, 0, count),
            std::clamp<int64_t>(position + 1 - from, 0, count)};
  }
  // The page of `plane` that holds position p.
  const KV* Page(const std::byte* plane, int64_t p) const {
    const int64_t page = args_.table.row<const int32_t>(task_.sequence)[p / kPageSize];
    RW_CHECK(page >= 0 && page < args_.kv.pages, "page {} of {}", page, args_.kv.pages);
    return reinterpret_cast<const KV*>(plane) + args_.kv.Offset(page, task_.head, 0);
  }

  // Fetches a page into the cache, if the sequence has it: pages lie anywhere, so the processor
  // cannot guess the next one.
  void FetchAhead(const std::byte* plane, int64_t p, int64_t end) const {
    if (p >= end) return;
    const KV* page = Page(plane, p);
    for (int64_t j = 0; j < kPageSize; ++j) {
      const KV* row = page + j * args_.kv.token_stride;
      for (int64_t i = 0; i < args_.d; i += 64 / sizeof(KV)) hwy::Prefetch(row + i);
    }
  }

  void LoadQueries() {
    for (int64_t r = 0; r < rows_; ++r) {
      const T* q = args_.q.template row<const T>(task_.begin + r / args_.group) +
                   (task_.head * args_.group + r % args_.group) * args_.d;
      Map(
          args_.d, q_ + r * args_.d, [](VF x) RW_INLINED { return x; }, q);
      running_[r] = {-std::numeric_limits<float>::infinity(), {}};
    }
    std::fill(values_, values_ + rows_ * width_, 0.0f);
  }

  // Raw scores of all rows with the pages from position p on, before `last`.
  void Score(int64_t block, int64_t p, int64_t last) {
    int pages = 0;
    for (; pages < kPagesAtOnce && p + pages * kPageSize < last; ++pages) {
      TransposePage(Page(args_.kv.k, p + pages * kPageSize), args_.kv.token_stride, args_.d,
                    k_scale_, keys_ + pages * kPageSize * args_.d);
    }
    float* scores = scores_ + p - block;
    if (pages == kPagesAtOnce) {
      ScorePages<kPagesAtOnce>(q_, args_.d, rows_, keys_, scores);
    } else {
      ScorePages<1>(q_, args_.d, rows_, keys_, scores);
    }
  }

  // Scores of row r in this block to weights; what it has so far shrinks to the new maximum.
  void Weigh(int64_t block, int64_t r) {
    const Range range = Attended(r, block, kSoftmaxBlock);
    if (range.begin >= range.end) return;
    const float keep = SoftmaxBlock(scores_ + r * kSoftmaxBlock, range.begin, range.end,
                                    args_.scale, args_.softcap, running_[r]);
    if (keep == 1.0f) return;
    float* values = values_ + r * width_;
    Map(
        width_, values, [keep](VF x) RW_INLINED { return hn::Mul(x, Set(keep)); }, values);
  }

  // Adds the weighted values of the page at position p. Rows that attend to all of it go four at a
  // time; others take only their own positions, whatever stands in the rest of the page.
  void Gather(int64_t block, int64_t p) {
    Range needed = {kPageSize, 0};
    for (int64_t r = 0; r < rows_; ++r) {
      const Range range = Attended(r, p, kPageSize);
      if (range.begin >= range.end) continue;
      needed = {std::min(needed.begin, range.begin), std::max(needed.end, range.end)};
    }
    LoadValues(Page(args_.kv.v, p), needed);
    const float* weights = scores_ + p - block;
    for (int64_t r = 0; r < rows_;) {
      const Range range = Attended(r, p, kPageSize);
      const int64_t four = std::min(r + 3, rows_ - 1);
      const Range other = Attended(four, p, kPageSize);
      const bool same = range.begin == other.begin && range.end == other.end && four == r + 3;
      const float* row_weights = weights + r * kSoftmaxBlock;
      float* values = values_ + r * width_;
      if (range.begin >= range.end) {
        ++r;
      } else if (same) {
        AddValueRows<4>(row_weights, page_values_, range.begin, range.end, values, width_);
        r += 4;
      } else {
        AddValueRows<1>(row_weights, page_values_, range.begin, range.end, values, width_);
        ++r;
      }
    }
  }

  void LoadValues(const KV* v, Range range) {
    const int64_t d = args_.d;
    for (int64_t j = range.begin; j < range.end; ++j) {
      const KV* from = v + j * args_.kv.token_stride;
      float* to = page_values_ + j * width_;
      int64_t i = 0;
      for (; i + kLanes <= d; i += kLanes) {
        hn::StoreU(Scaled<KV>(Load(from + i), v_scale_), DF(), to + i);
      }
      if (i < d) hn::StoreU(Scaled<KV>(LoadN(from + i, d - i), v_scale_), DF(), to + i);
    }
  }

  void StoreResults() {
    for (int64_t r = 0; r < rows_; ++r) {
      T* y = args_.y.template row<T>(task_.begin + r / args_.group) +
             (task_.head * args_.group + r % args_.group) * args_.d;
      const VF sum = hn::SumOfLanes(DF(), hn::LoadU(DF(), running_[r].sums));
      Map(
          args_.d, y, [sum](VF x) RW_INLINED { return hn::Div(x, sum); }, values_ + r * width_);
    }
  }

  const AttentionArgs& args_;
  const AttentionTask& task_;
  const int64_t rows_;
  const int64_t width_;  // d up to whole vectors
  const float k_scale_;  // of this head's keys and values in an fp8 cache
  const float v_scale_;
  float* q_;            // [rows][d]
  float* keys_;         // [kPagesAtOnce][d][kPageSize]
  float* page_values_;  // [kPageSize][width]
  float* values_;       // [rows][width]: weighted sums of values so far
  float* scores_;       // [rows][kSoftmaxBlock]: scores, then weights
  Running* running_;    // [rows]
};

std::vector<AttentionTask> MakeTasks(const AttentionArgs& args) {
  const int64_t tokens = std::max<int64_t>(1, kTaskRows / args.group);
  std::vector<AttentionTask> tasks;
  for (int64_t s = 0; s < args.sequences; ++s) {
    for (int64_t head = 0; head < args.hk; ++head) {
      for (int64_t i = args.FirstRow(s); i < args.FirstRow(s + 1); i += tokens) {
        tasks.push_back({s, head, i, std::min(i + tokens, args.FirstRow(s + 1))});
      }
    }
  }
  return tasks;
}

template <class T, class KV>
void RunTasks(const AttentionArgs& args, std::span<const AttentionTask> tasks) {
  for (const AttentionTask& task : tasks) Tile<T, KV>(args, task).Run();
}

void Attention(const KernelCall& call) {
  const AttentionArgs args = ReadAttention(call);
  args.CheckSequences();
  const std::vector<AttentionTask> tasks = MakeTasks(args);
  WithFloatType(args.q.dtype, [&]<class T>(T) {
    WithCacheType(args.kv.dtype, [&]<class KV>(KV) {
      call.pool.ParallelFor(static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end) {
        RunTasks<T, KV>(args, std::span(tasks).subspan(begin, end - begin));
      });
    });
  });
}

#else  // no vectors: the reference
using reference::Attention;
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Attention);

constexpr KernelRow kRows[] = {
    {"attention", Device::kCpu, kProvider, AcceptsAttention,
     [](const KernelCall& call) {
       HWY_DYNAMIC_DISPATCH(Attention)
       (call);
     }},
};

}  // namespace

std::span<const KernelRow> AttentionRows() { return kRows; }

}  // namespace rw::simd
#endif  // HWY_ONCE
