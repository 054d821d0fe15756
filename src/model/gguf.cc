#include "model/gguf.h"

#include <filesystem>
#include <system_error>

#include "model/safetensors_lexer.h"

namespace rw {
namespace {

constexpr int64_t kMaxFiles = 9999;

// How llama.cpp names the files of a split model (llama_split_path).
std::string SplitSuffix(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

Result<int64_t> WholeOr(const GgufModel& model, std::string_view key, int64_t absent) {
  const auto value = model.Find(key);
  if (!value) return absent;
  return value->AsInt();
}

}  // namespace

bool IsGgufFile(const std::string& model) {
  std::error_code error;
  const auto type = std::filesystem::status(model, error).type();
  return !error && type != std::filesystem::file_type::directory;
}

Result<GgufModel> GgufModel::Open(const std::string& path) {
  RW_ASSIGN(auto mapped, MappedFile::Open(path));
  GgufModel model;
  const std::span<const std::byte> bytes = mapped->bytes();
  RW_TRY(model.AddFile(std::move(mapped), bytes, path));
  RW_ASSIGN(const int64_t count, WholeOr(model, "split.count", 1));
  if (count > 1) RW_TRY(model.OpenRest(path, count));
  return model;
}

Result<GgufModel> GgufModel::Parse(std::span<const std::byte> bytes, std::string name) {
  GgufModel model;
  RW_TRY(model.AddFile(nullptr, bytes, std::move(name)));
  return model;
}

Status GgufModel::AddFile(std::shared_ptr<const MappedFile> mapped,
                          std::span<const std::byte> bytes, std::string name) {
  RW_ASSIGN(GgufHeader header, ParseGgufHeader(bytes, name));
  for (const GgufTensor& tensor : header.tensors) {
    if (const auto other = FindTensor(tensor.name)) {
      return Err("{}: tensor {}: expected in one file, also found in {}", name,
                 QuoteName(tensor.name), other->file->name);
    }
  }
  files_.push_back(std::make_shared<const File>(
      File{std::move(name), std::move(mapped), bytes, std::move(header)}));
  return {};
}

Status GgufModel::OpenRest(const std::string& path, int64_t count) {
  if (count > kMaxFiles) return Find("split.count")->Expected("at most 9999 files");
  RW_ASSIGN(const int64_t number, WholeOr(*this, "split.no", 0));
  const std::string first = SplitSuffix(1, count);
  if (number != 0 || !path.ends_with(first)) {
    return Err(
        "{}: expected the first of the model's {} files, whose name ends in {}, found file "
        "{}: give its path, with the others beside it",
        path, count, first, number + 1);
  }
  const std::string stem = path.substr(0, path.size() - first.size());
  for (int64_t i = 2; i <= count; ++i) {
    const std::string next = stem + SplitSuffix(i, count);
    RW_ASSIGN(auto mapped, MappedFile::Open(next));
    const std::span<const std::byte> bytes = mapped->bytes();
    RW_TRY(AddFile(std::move(mapped), bytes, next));
  }
  RW_ASSIGN(const int64_t promised,
            WholeOr(*this, "split.tensors.count", static_cast<int64_t>(tensors())));
  if (promised == static_cast<int64_t>(tensors())) return {};
  return Err("{}: split.tensors.count: expected {} tensors in {} files, found {}", path, promised,
             count, tensors());
}

std::optional<GgufValue> GgufModel::Find(std::string_view key) const {
  const GgufHeader& header = files_[0]->header;
  const auto place = header.key_places.find(key);
  if (place == header.key_places.end()) return std::nullopt;
  return header.values[place->second];
}

Result<GgufValue> GgufModel::Get(std::string_view key) const {
  if (auto value = Find(key)) return *std::move(value);
  return Err("{}: {}: expected among the file's {} keys, not found", name(), key,
             files_[0]->header.values.size());
}

std::optional<GgufModel::Tensor> GgufModel::FindTensor(const std::string& tensor) const {
  for (const auto& file : files_) {
    const auto place = file->header.tensor_places.find(tensor);
    if (place != file->header.tensor_places.end()) {
      return Tensor{&file->header.tensors[place->second], file.get()};
    }
  }
  return std::nullopt;
}

size_t GgufModel::tensors() const {
  size_t count = 0;
  for (const auto& file : files_) count += file->header.tensors.size();
  return count;
}

uint64_t GgufModel::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const auto& file : files_) {
    for (const GgufTensor& tensor : file->header.tensors) bytes += tensor.end - tensor.begin;
  }
  return bytes;
}

}  // namespace rw
