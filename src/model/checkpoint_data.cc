// What touches all the data of a checkpoint: reading it ahead, and looking for NaN.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/populate.h"
#include "model/checkpoint.h"

namespace rw {
namespace {

constexpr size_t kPrefetchBytes = size_t{16} << 20;
constexpr size_t kScanBytes = size_t{1} << 20;  // a multiple of every element size

// Elements whose exponent is all ones, that is NaN and infinities.
template <class Word>
int64_t CountAllOnes(std::span<const std::byte> bytes, Word mask) {
  // Counting blocks in the element's own width lets the compiler compare and add whole vectors.
  constexpr size_t kBlock = 4096;
  const size_t size = bytes.size() / sizeof(Word);
  int64_t count = 0;
  for (size_t from = 0; from < size; from += kBlock) {
    const std::byte* block = bytes.data() + from * sizeof(Word);
    const size_t length = std::min(kBlock, size - from);
    Word hits = 0;
    for (size_t i = 0; i < length; ++i) {
      Word word;
      std::memcpy(&word, block + i * sizeof(Word), sizeof(Word));  // may be unaligned
      hits = static_cast<Word>(hits + ((word & mask) == mask));
    }
    count += hits;
  }
  return count;
}

int64_t CountNonFinite(DType dtype, std::span<const std::byte> bytes) {
  switch (dtype) {
    case DType::kF32:
      return CountAllOnes<uint32_t>(bytes, 0x7f800000u);
    case DType::kF16:
      return CountAllOnes<uint16_t>(bytes, 0x7c00u);
    case DType::kBF16:
      return CountAllOnes<uint16_t>(bytes, 0x7f80u);
    default:  // whole numbers, and f8e4m3, which no checkpoint holds so far
      return 0;
  }
}

struct Piece {
  const SafetensorsFile* file = nullptr;
  const SafetensorsEntry* entry = nullptr;  // in a scan
  std::span<const std::byte> bytes;
};

void AddPieces(Piece whole, size_t piece_bytes, std::vector<Piece>& pieces) {
  for (size_t at = 0; at < whole.bytes.size(); at += piece_bytes) {
    Piece piece = whole;
    piece.bytes = whole.bytes.subspan(at, std::min(piece_bytes, whole.bytes.size() - at));
    pieces.push_back(piece);
  }
}

// The tensor's record, given that a piece of it has such elements.
NonFinite Locate(const SafetensorsFile& file, const SafetensorsEntry& entry) {
  const DType dtype = *entry.type->dtype;
  const auto bytes = file.DataOf(entry);
  NonFinite found{entry.name, CountNonFinite(dtype, bytes), 0};
  const size_t size = SizeOf(dtype);
  while (CountNonFinite(dtype, bytes.subspan(static_cast<size_t>(found.first) * size, size)) == 0) {
    ++found.first;
  }
  return found;
}

}  // namespace

Status Checkpoint::Prefetch(ThreadPool& pool, const Progress& progress) const {
  std::vector<Piece> pieces;
  uint64_t total = 0, done = 0;
  for (const auto& file : files_) {
    AddPieces({&file, nullptr, file.bytes()}, kPrefetchBytes, pieces);
    total += file.bytes().size();
  }
  std::mutex mutex;  // for done, failure and the caller's function
  std::optional<Error> failure;
  pool.ParallelFor(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      const int cause = PopulatePages(piece.bytes);
      const std::lock_guard lock(mutex);
      if (cause != 0 && !failure) {
        failure =
            Error{fmt::format("{}: cannot read its data: the file became shorter since it "
                              "was opened, or its disk failed ({})",
                              piece.file->name(), std::strerror(cause))};
      }
      done += piece.bytes.size();
      if (progress && !failure) progress(done, total);
    }
  });
  if (failure) return tl::unexpected<Error>(*std::move(failure));
  return {};
}

std::vector<NonFinite> Checkpoint::FindNonFinite(ThreadPool& pool) const {
  std::vector<Piece> pieces;
  for (const auto& file : files_) {
    for (const auto& entry : file.entries()) {
      if (entry.type->dtype) AddPieces({&file, &entry, file.DataOf(entry)}, kScanBytes, pieces);
    }
  }
  std::vector<char> bad(pieces.size());  // by piece, so that threads write apart
  pool.ParallelFor(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (size_t i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      bad[i] = CountNonFinite(*pieces[i].entry->type->dtype, pieces[i].bytes) > 0;
    }
  });
  std::vector<NonFinite> found;
  const SafetensorsEntry* last = nullptr;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!bad[i] || pieces[i].entry == last) continue;
    last = pieces[i].entry;
    found.push_back(Locate(*pieces[i].file, *last));
  }
  return found;
}

}  // namespace rw
