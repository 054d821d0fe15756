#include "engine/gguf_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>

#include "base/lazy_memory.h"
#include "base/packed.h"
#include "base/populate.h"
#include "model/gguf_blocks.h"
#include "model/gguf_config.h"
#include "model/gguf_names.h"

namespace rw {
namespace {

constexpr int64_t kPieceBytes = int64_t{1} << 20;  // of a file, for one thread at a time

// Where row `row` of ours stands in the file, if heads of `head_dim` rows were reordered for rope:
// of a head, row 2 j + t there is row t head_dim / 2 + j here.
int64_t RowInFile(int64_t row, int64_t head_dim) {
  const int64_t in_head = row % head_dim;
  const int64_t half = head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

class FromGguf final : public Weights {
 public:
  FromGguf(GgufModel model, const ModelConfig& config)
      : model_(std::move(model)),
        architecture_(config.architecture),
        head_dim_(config.head_dim),
        swaps_(GgufSwapsRopeRows(config.architecture)) {}

  Result<DType> TypeOf(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const GgufModel::Tensor tensor, Find(name, dims));
    return *tensor.info->type->dtype;
  }

  Result<TensorView> Get(const std::string& name, std::span<const int64_t> dims) const override {
    RW_ASSIGN(const GgufModel::Tensor tensor, Find(name, dims));
    std::byte* data = const_cast<std::byte*>(tensor.data().data());
    if (NeedsCopy(tensor)) {
      const std::lock_guard lock(mutex_);
      auto copy = copies_.find(tensor.info);
      if (copy == copies_.end()) {
        RW_ASSIGN(LazyMemory memory, Reserve(tensor));
        CopyRows(tensor, 0, RowsOf(*tensor.info), memory.data());
        copy = copies_.emplace(tensor.info, std::move(memory)).first;
      }
      data = copy->second.data();
    }
    return TensorView::Contiguous(data, *tensor.info->type->dtype, dims);
  }

  Status Load(ThreadPool& pool, const std::function<void(uint64_t, uint64_t)>& progress) {
    std::vector<Piece> pieces;
    uint64_t total = 0;
    for (const auto& file : model_.files()) {
      for (const GgufTensor& info : file->header.tensors) {
        if (IsUsable(info)) RW_TRY(AddPieces({&info, file.get()}, pieces));
      }
    }
    for (const Piece& piece : pieces) total += piece.bytes.size();
    return RunPieces(pieces, total, pool, progress);
  }

 private:
  // Rows of a tensor, and where they are copied to if they are.
  struct Piece {
    GgufModel::Tensor tensor;
    int64_t begin = 0;
    int64_t end = 0;
    std::byte* to = nullptr;           // of the whole tensor
    std::span<const std::byte> bytes;  // in the file; roughly, where rows change places
  };

  Result<GgufModel::Tensor> Find(const std::string& name, std::span<const int64_t> dims) const {
    const auto gguf_name = GgufTensorName(architecture_, name);
    if (!gguf_name) return Err("{}: {}: GGUF has no such tensor", model_.name(), name);
    const auto tensor = model_.FindTensor(*gguf_name);
    if (!tensor) {
      return Err("{}: tensor {}: expected among the model's {} tensors, not found", model_.name(),
                 *gguf_name, model_.tensors());
    }
    const GgufTensor& info = *tensor->info;
    const std::string& file = tensor->file->name;
    if (!std::ranges::equal(info.shape, dims)) {
      return Err("{}: tensor {}: expected the shape [{}] that the file's keys ask for, found [{}]",
                 file, info.name, fmt::join(dims, ","), fmt::join(info.shape, ","));
    }
    if (IsUsable(info)) return *tensor;
    return Err(
        "{}: tensor {}: expected {}, found {}: take another of the model's files, or make one with "
        "llama-quantize",
        file, info.name,
        dims.size() == 2 ? "one of the types " + ReadGgufTypes() : "F32, F16 or BF16",
        info.type->name);
  }

  static bool IsUsable(const GgufTensor& info) {
    return info.type->dtype && (info.shape.size() == 2 || !IsPacked(*info.type->dtype));
  }

  // Weights and biases of q and k.
  bool Swapped(const GgufTensor& info) const {
    const bool q_or_k = info.name.find(".attn_q.") != std::string::npos ||
                        info.name.find(".attn_k.") != std::string::npos;
    return swaps_ && q_or_k && head_dim_ % 2 == 0 && RowsOf(info) % head_dim_ == 0;
  }

  bool NeedsCopy(const GgufModel::Tensor& tensor) const {
    const DType dtype = *tensor.info->type->dtype;
    return IsPacked(dtype) || Swapped(*tensor.info) ||
           reinterpret_cast<uintptr_t>(tensor.data().data()) % SizeOf(dtype) != 0;
  }

  // A bias counts as a column.
  static int64_t RowsOf(const GgufTensor& info) {
    return info.shape.size() == 1 ? info.width() : info.rows();
  }
  static int64_t WidthOf(const GgufTensor& info) {
    return info.shape.size() == 1 ? 1 : info.width();
  }

  Result<LazyMemory> Reserve(const GgufModel::Tensor& tensor) const {
    const GgufTensor& info = *tensor.info;
    return LazyMemory::Reserve(BytesOf(*info.type->dtype, RowsOf(info), WidthOf(info)),
                               "the weights");
  }

  // What of `tensor` goes to one thread at a time; whole strips where it is packed.
  Status AddPieces(const GgufModel::Tensor& tensor, std::vector<Piece>& pieces) {
    const int64_t rows = RowsOf(*tensor.info);
    std::byte* to = nullptr;
    if (NeedsCopy(tensor)) {
      RW_ASSIGN(LazyMemory memory, Reserve(tensor));
      to = memory.data();
      copies_.emplace(tensor.info, std::move(memory));
    }
    const auto row_bytes = static_cast<int64_t>(tensor.data().size()) / rows;
    int64_t step = std::max<int64_t>(kPieceBytes / row_bytes, 1);
    step = (step + kStripRows - 1) / kStripRows * kStripRows;
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t end = std::min(begin + step, rows);
      pieces.push_back({tensor, begin, end, to,
                        tensor.data().subspan(begin * row_bytes, (end - begin) * row_bytes)});
    }
    return {};
  }

  Status RunPieces(const std::vector<Piece>& pieces, uint64_t total, ThreadPool& pool,
                   const std::function<void(uint64_t, uint64_t)>& progress) const {
    uint64_t done = 0;
    std::mutex mutex;  // for done, failure and the caller's function
    std::optional<Error> failure;
    pool.ParallelFor(std::ssize(pieces), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Piece& piece = pieces[i];
        const int cause = PopulatePages(piece.bytes);
        if (cause == 0 && piece.to != nullptr) {
          CopyRows(piece.tensor, piece.begin, piece.end, piece.to);
        }
        const std::lock_guard lock(mutex);
        if (cause != 0 && !failure) {
          failure =
              Error{fmt::format("{}: cannot read its data: the file became shorter since it "
                                "was opened, or its disk failed ({})",
                                piece.tensor.file->name, std::strerror(cause))};
        }
        done += piece.bytes.size();
        if (progress && !failure) progress(done, total);
      }
    });
    if (failure) return tl::unexpected<Error>(*std::move(failure));
    return {};
  }

  std::span<const std::byte> RowInFileOf(const GgufModel::Tensor& tensor, int64_t row) const {
    const size_t row_bytes = tensor.data().size() / RowsOf(*tensor.info);
    const int64_t place = Swapped(*tensor.info) ? RowInFile(row, head_dim_) : row;
    return tensor.data().subspan(place * row_bytes, row_bytes);
  }

  // Rows [begin, end) of ours to the tensor's copy at `to`; begin is at a strip's.
  void CopyRows(const GgufModel::Tensor& tensor, int64_t begin, int64_t end, std::byte* to) const {
    const DType dtype = *tensor.info->type->dtype;
    if (IsPacked(dtype)) return PackRows(tensor, begin, end, to);
    for (int64_t row = begin; row < end; ++row) {
      const auto from = RowInFileOf(tensor, row);
      std::memcpy(to + row * from.size(), from.data(), from.size());
    }
  }

  void PackRows(const GgufModel::Tensor& tensor, int64_t begin, int64_t end, std::byte* to) const {
    const GgufTensorType& type = *tensor.info->type;
    const int64_t k = tensor.info->width();
    const PackedLayout& layout = LayoutOf(*type.dtype);
    std::vector<PackedRow> rows(kStripRows, PackedRow(layout, k));
    for (int64_t first = begin; first < end; first += kStripRows) {
      const int64_t count = std::min(kStripRows, end - first);
      for (int64_t r = 0; r < count; ++r) {
        ReadGgufRow(type, RowInFileOf(tensor, first + r), k, rows[r]);
      }
      WritePackedStrip(*type.dtype, std::span(rows).first(count), k,
                       to + first / kStripRows * layout.StripBytes(k));
    }
  }

  GgufModel model_;
  Architecture architecture_;
  int64_t head_dim_;
  bool swaps_;
  mutable std::mutex mutex_;  // for copies_
  mutable std::map<const GgufTensor*, LazyMemory> copies_;
};

}  // namespace

std::shared_ptr<const Weights> GgufWeights(GgufModel model, const ModelConfig& config) {
  return std::make_shared<const FromGguf>(std::move(model), config);
}

Result<std::shared_ptr<const Weights>> OpenWeights(const std::string& model,
                                                   const ModelConfig& config) {
  if (IsGgufFile(model)) {
    RW_ASSIGN(GgufModel gguf, GgufModel::Open(model));
    return GgufWeights(std::move(gguf), config);
  }
  RW_ASSIGN(Checkpoint checkpoint, Checkpoint::Open(model));
  return CheckpointWeights(std::move(checkpoint));
}

Result<std::shared_ptr<const Weights>> LoadGgufWeights(
    GgufModel model, const ModelConfig& config, ThreadPool& pool,
    const std::function<void(uint64_t done, uint64_t total)>& progress) {
  auto weights = std::make_shared<FromGguf>(std::move(model), config);
  RW_TRY(weights->Load(pool, progress));
  return weights;
}

}  // namespace rw
