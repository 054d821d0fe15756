#include "bench/run_matrix.h"

#include <algorithm>
#include <chrono>

#include "bench/measure.h"
#include "bench/variants.h"

namespace rw::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenSaves{3};
constexpr int kSaveShare = 20;  // saving takes one part in so many of the time

// Cells by their keys, in the order in which they came.
class CellTable {
 public:
  explicit CellTable(std::vector<Cell>& cells) : cells_(cells) {
    for (size_t i = 0; i < cells.size(); ++i) index_[cells[i].key] = i;
  }
  bool Has(const CellKey& key, const std::string& sources) const {
    const auto it = index_.find(key);
    if (it == index_.end()) return false;
    const Cell& cell = cells_[it->second];
    return cell.absent.empty() && cell.sources == sources;
  }
  void Put(Cell cell) {
    const auto [it, fresh] = index_.emplace(cell.key, cells_.size());
    if (fresh) {
      cells_.push_back(std::move(cell));
    } else {
      cells_[it->second] = std::move(cell);
    }
  }

 private:
  std::vector<Cell>& cells_;
  std::map<CellKey, size_t> index_;
};

class Saver {
 public:
  explicit Saver(const MatrixHooks& hooks) : hooks_(hooks) {}
  Status Perhaps() { return Clock::now() < next_ ? Status() : Now(); }
  Status Now() {
    const auto start = Clock::now();
    RW_TRY(hooks_.save());
    const auto end = Clock::now();
    next_ = end + std::max<Clock::duration>(kBetweenSaves, kSaveShare * (end - start));
    return {};
  }

 private:
  const MatrixHooks& hooks_;
  Clock::time_point next_ = Clock::now() + kBetweenSaves;
};

bool Wanted(const Axes& axes, const std::string& variant) {
  return axes.variants.empty() || std::ranges::find(axes.variants, variant) != axes.variants.end();
}

// What is missing of one point with operands in the cache or not, in the order of the variants.
Status RunVariants(const Point& point, const std::string& cache,
                   const std::vector<std::pair<std::string, Result<Executable>>>& variants,
                   Measurer& measurer, CellTable& table) {
  std::vector<Candidate> missing;
  std::map<CellKey, Cell> found;
  for (const auto& [name, executable] : variants) {
    const CellKey key = KeyOf(point, name, cache);
    if (!executable) {
      found[key] = {.key = key, .absent = executable.error().message};
    } else if (!table.Has(key, SourcesOf(executable->steps))) {
      missing.push_back({name, *executable});
    }
  }
  if (!missing.empty()) {
    RW_ASSIGN(std::vector<Cell> cells, measurer.Measure(point, missing, cache));
    for (Cell& cell : cells) found[cell.key] = std::move(cell);
  }
  for (const auto& [name, executable] : variants) {
    const auto it = found.find(KeyOf(point, name, cache));
    if (it != found.end()) table.Put(std::move(it->second));
  }
  return {};
}

Status RunPoint(const Point& point, const Axes& axes, Device device, Measurer& measurer,
                CellTable& table) {
  RW_ASSIGN(const std::vector<Variant> variants, VariantsOf(*point.op, point.shape));
  std::vector<std::pair<std::string, Result<Executable>>> wanted;
  for (const Variant& variant : variants) {
    if (!Wanted(axes, variant.name)) continue;
    wanted.emplace_back(variant.name, LowerVariant(variant, point.shape, device));
  }
  for (const std::string& cache : axes.caches) {
    RW_TRY(RunVariants(point, cache, wanted, measurer, table));
  }
  return {};
}

}  // namespace

Result<bool> RunMatrix(std::shared_ptr<ComputeDevice> device, ThreadPool& pool,
                       const MatrixRequest& request, const MatrixHooks& hooks, Results& results) {
  const Device kind = device->kind();
  RW_ASSIGN(const std::unique_ptr<Measurer> measurer,
            Measurer::Create(std::move(device), pool, request.seconds_per_case));
  results.device.copy_gb_s = measurer->copy_bytes_per_s() * 1e-9;
  CellTable table(results.cells);
  Saver saver(hooks);
  const std::vector<Point> points = PointsOf(request.axes);
  int64_t done = 0;
  for (const Point& point : points) {
    if (hooks.stop()) break;
    hooks.progress(done, static_cast<int64_t>(points.size()));
    if (auto ran = RunPoint(point, request.axes, kind, *measurer, table); !ran) {
      RW_TRY(saver.Now());
      return tl::unexpected(ran.error());
    }
    ++done;
    RW_TRY(saver.Perhaps());
  }
  RW_TRY(saver.Now());
  return done == static_cast<int64_t>(points.size());
}

}  // namespace rw::bench
