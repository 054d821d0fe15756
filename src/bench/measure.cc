#include "bench/measure.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "bench/variants.h"
#include "lower/lower.h"
#include "ops/cost.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

constexpr int kLaunches = 20;              // in a lot, fewer where one is long
constexpr double kLongSeconds = 500e-6;    // a run from which on fewer make a lot
constexpr double kLongLotSeconds = 10e-3;  // then as many as last so long
constexpr double kSlowestSeconds = 1;      // a run that takes longer is left out
constexpr int64_t kLeastRuns = 5;
constexpr int64_t kMostRuns = 31;
constexpr int64_t kFlushedCaches = 4;  // times the last cache that a flush reads
constexpr int64_t kColdCaches = 8;     // times the last cache after which a set's data are gone
constexpr int64_t kUnknownCache = 32 << 20;
constexpr int64_t kMostMemory[] = {int64_t{3} << 30, int64_t{24} << 30};  // on a CPU, on a GPU
constexpr int kCopies = 9;

int64_t CacheBytes(const ComputeDevice& device) {
  return device.CacheBytes() > 0 ? device.CacheBytes() : kUnknownCache;
}

}  // namespace

// Runs of one candidate.
class Measurer::Lot {
 public:
  Lot(std::shared_ptr<ComputeDevice> device, ThreadPool& pool, const Executable& executable,
      const std::vector<std::unique_ptr<Operands>>& sets)
      : device_(std::move(device)), pool_(pool) {
    runners_.reserve(sets.size());
    for (const auto& set : sets) {
      runners_.push_back(set->MakeRunner(device_, executable));
      frames_.push_back(set->Bind(runners_.back()));
    }
  }

  // Runs once on every set, finds how long a run takes and makes the lot of it.
  Status Prepare() {
    RW_TRY(device_->Build(runners_.front().executable().Programs()));
    RW_ASSIGN(const std::vector<double> seconds, device_->Time(2, [&](int) { QueueRun(0); }));
    run_seconds = seconds.back();
    if (run_seconds > kSlowestSeconds) return {};
    for (size_t set = 1; set < runners_.size(); ++set) QueueRun(set);
    RW_TRY(device_->Finish());
    launches = run_seconds < kLongSeconds
                   ? kLaunches
                   : std::clamp(static_cast<int>(kLongLotSeconds / run_seconds), 1, kLaunches);
    if (!device_->Records()) return {};
    RW_ASSIGN(recording_, device_->Record([&] { QueueAll(); }));
    return {};
  }

  void Queue() {
    if (recording_) {
      device_->QueuePlay(*recording_);
    } else {
      QueueAll();
    }
  }

  double run_seconds = 0;
  int launches = 1;
  std::vector<double> microseconds;  // of a run, one for each lot

 private:
  void QueueRun(size_t set) {
    const Runner& runner = runners_[set];
    runner.Queue(frames_[set], 0, static_cast<int>(runner.executable().steps.size()), pool_);
  }
  // Lots go on where the last one ended, so that short ones go round too.
  void QueueAll() {
    for (int i = 0; i < launches; ++i) QueueRun(next_++ % runners_.size());
  }

  std::shared_ptr<ComputeDevice> device_;
  ThreadPool& pool_;
  std::vector<Runner> runners_;
  std::vector<Runner::Frame> frames_;
  std::unique_ptr<Recording> recording_;
  size_t next_ = 0;
};

// A product of one row: it reads much and writes next to nothing, so that nothing of it waits in
// the cache to be written back.
struct Measurer::Flush {
  DeviceMemory memory;
  std::unique_ptr<Operands> operands;
  std::optional<Runner> runner;
  Runner::Frame frame;
  double seconds = 0;
};

Measurer::Measurer(std::shared_ptr<ComputeDevice> device, ThreadPool& pool, double seconds_per_case,
                   DeviceMemory memory)
    : device_(std::move(device)),
      pool_(pool),
      seconds_per_case_(seconds_per_case),
      arena_(std::move(memory)) {}

Result<std::unique_ptr<Measurer>> Measurer::Create(std::shared_ptr<ComputeDevice> device,
                                                   ThreadPool& pool, double seconds_per_case) {
  const bool cpu = device->kind() == Device::kCpu;
  const int64_t bytes = std::min(device->AvailableBytes() / 2, kMostMemory[cpu ? 0 : 1]);
  RW_ASSIGN(DeviceMemory memory, device->Reserve(bytes, "the operands of the kernels"));
  std::unique_ptr<Measurer> measurer(
      new Measurer(std::move(device), pool, seconds_per_case, std::move(memory)));
  RW_TRY(measurer->MeasureCopies());
  return measurer;
}

Status Measurer::MakeFlush() {
  Point point{&ops::kLinear, {.dtype = DType::kBF16}, ""};
  while (point.shape.width * point.shape.width * 2 < kFlushedCaches * CacheBytes(*device_)) {
    point.shape.width += 1024;
  }
  RW_ASSIGN(const Graph graph, ops::CallGraph(*point.op, point.shape));
  RW_ASSIGN(Executable executable, LowerVariant({"", graph}, point.shape, device_->kind()));
  const int64_t arena_bytes = executable.arena_bytes;
  auto flush = std::make_shared<Flush>();
  RW_ASSIGN(flush->memory, device_->Reserve(Operands::Bytes(graph, point, arena_bytes),
                                            "what drives the operands out of the cache"));
  Arena own(flush->memory);
  Numbers numbers(point.shape);
  flush->operands = std::make_unique<Operands>(*device_, pool_, own, graph, point, numbers,
                                               arena_bytes, /*seed=*/0);
  flush->runner.emplace(flush->operands->MakeRunner(device_, std::move(executable)));
  flush->frame = flush->operands->Bind(*flush->runner);
  flush_ = std::move(flush);
  RW_ASSIGN(const std::vector<double> seconds, device_->Time(2, [&](int) { QueueFlush(); }));
  flush_->seconds = seconds.back();
  return {};
}

void Measurer::QueueFlush() { flush_->runner->Queue(flush_->frame, 0, 1, pool_); }

Status Measurer::MeasureCopies() {
  arena_.Reset();
  const int64_t bytes =
      std::min(arena_.size() / 2, kColdCaches * CacheBytes(*device_)) / 4096 * 4096;
  std::byte* const from = arena_.Take(bytes).data;
  std::byte* const to = arena_.Take(bytes).data;
  RW_ASSIGN(std::vector<double> seconds,
            device_->Time(kCopies, [&](int) { device_->QueueCopy(to, from, bytes, pool_); }));
  seconds.erase(seconds.begin());  // it warmed up
  copy_bytes_per_s_ = 2 * static_cast<double>(bytes) / TimingOf(seconds).median_us;
  return {};
}

int Measurer::SetsFor(int64_t bytes_moved, int64_t set_bytes, bool cold) const {
  if (!cold) return 1;
  const int64_t enough = kColdCaches * CacheBytes(*device_) / bytes_moved + 1;
  return static_cast<int>(
      std::clamp<int64_t>(std::min(enough, arena_.size() / set_bytes), 1, kLaunches));
}

// Lots of a device are in order; every second one is a flush if the operands shall be cold.
Status Measurer::TimeInTurn(std::vector<Lot>& lots, bool cold) {
  std::vector<Lot*> order;
  for (int64_t run = 0; run < kMostRuns; ++run) {
    for (Lot& lot : lots) {
      const double wanted =
          seconds_per_case_ / (lot.run_seconds * lot.launches + (cold ? flush_->seconds : 0));
      if (run < std::clamp(static_cast<int64_t>(wanted), kLeastRuns, kMostRuns)) {
        order.push_back(&lot);
      }
    }
  }
  order.insert(order.begin(), order.front());  // the host has no lead yet
  const int stride = cold ? 2 : 1;
  RW_ASSIGN(const std::vector<double> seconds,
            device_->Time(stride * static_cast<int>(order.size()), [&](int i) {
              if (cold && i % 2 == 0) {
                QueueFlush();
              } else {
                order[static_cast<size_t>(i / stride)]->Queue();
              }
            }));
  for (size_t i = 1; i < order.size(); ++i) {
    const double lot = seconds[i * static_cast<size_t>(stride) + (cold ? 1 : 0)];
    order[i]->microseconds.push_back(lot * 1e6 / order[i]->launches);
  }
  return {};
}

Status Measurer::FindRoom(const Point& point, int64_t set_bytes) {
  if (set_bytes > arena_.size()) {
    return Err("operands of {} MB, with {} MB for them", set_bytes >> 20, arena_.size() >> 20);
  }
  const ops::CallShape& shape = point.shape;
  device_->SetBounds({1, shape.context});
  if (!ops::Uses(*point.op, "s")) return {};
  return device_->Prepare({shape.tokens, shape.hq, shape.d, shape.context});
}

Result<std::vector<Cell>> Measurer::Measure(const Point& point,
                                            const std::vector<Candidate>& candidates,
                                            std::string_view cache) {
  const bool cold = cache == kCold;
  if (cold && flush_ == nullptr) RW_TRY(MakeFlush());
  RW_ASSIGN(const Graph call, ops::CallGraph(*point.op, point.shape));
  const int64_t bytes_moved = BytesMoved(call, ops::SymbolsOf(point.shape));
  int64_t arena_bytes = 0;
  std::vector<Cell> cells;
  for (const Candidate& candidate : candidates) {
    arena_bytes = std::max(arena_bytes, candidate.executable.arena_bytes);
    cells.push_back({.key = KeyOf(point, candidate.variant, cache),
                     .bytes = bytes_moved,
                     .sources = SourcesOf(candidate.executable.steps),
                     .kernels = KernelsOf(candidate.executable.steps)});
  }
  const int64_t set_bytes = Operands::Bytes(call, point, arena_bytes);
  if (const Status room = FindRoom(point, set_bytes); !room) {
    for (Cell& cell : cells) cell.absent = room.error().message;
    return cells;
  }
  arena_.Reset();
  Numbers numbers(point.shape);
  std::vector<std::unique_ptr<Operands>> sets;
  for (int set = 0; set < SetsFor(bytes_moved, set_bytes, cold); ++set) {
    sets.push_back(std::make_unique<Operands>(*device_, pool_, arena_, call, point, numbers,
                                              arena_bytes, static_cast<uint64_t>(set + 1) << 8));
  }
  std::vector<Lot> lots;
  std::vector<Cell*> cell_of;  // by lot
  for (size_t i = 0; i < candidates.size(); ++i) {
    Lot lot(device_, pool_, candidates[i].executable, sets);
    RW_TRY(lot.Prepare());
    if (lot.run_seconds > kSlowestSeconds) {
      cells[i].absent = fmt::format("one run takes {:.1f} s", lot.run_seconds);
      continue;
    }
    lots.push_back(std::move(lot));
    cell_of.push_back(&cells[i]);
  }
  if (!lots.empty()) RW_TRY(TimeInTurn(lots, cold));
  for (size_t i = 0; i < lots.size(); ++i) {
    Cell& cell = *cell_of[i];
    cell.timing = TimingOf(std::move(lots[i].microseconds));
    cell.roof_share =
        static_cast<double>(bytes_moved) / (cell.timing.median_us * 1e-6) / copy_bytes_per_s_;
  }
  return cells;
}

}  // namespace rw::bench
