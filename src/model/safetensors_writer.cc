#include "model/safetensors_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "model/safetensors_header.h"

namespace rw {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string_view FormatName(DType dtype) {
  static constexpr std::string_view kNames[] = {"F32", "F16", "BF16", "I32"};  // order of DType
  return kNames[static_cast<int>(dtype)];
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string MakeHeader(std::span<const NamedTensor* const> order) {
  // transformers wants to know which library's layout the tensors have.
  std::string json = R"({"__metadata__":{"format":"pt"})";
  size_t at = 0;
  for (const NamedTensor* tensor : order) {
    const TensorView& view = tensor->view;
    const size_t end = at + static_cast<size_t>(view.size()) * SizeOf(view.dtype);
    fmt::format_to(std::back_inserter(json),
                   R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                   JsonString(tensor->name), FormatName(view.dtype),
                   fmt::join(view.dims.begin(), view.dims.begin() + view.rank, ","), at, end);
    at = end;
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
  return json;
}

bool WriteView(const TensorView& view, std::FILE* file) {
  const size_t row_bytes = static_cast<size_t>(view.width()) * SizeOf(view.dtype);
  if (row_bytes == 0) return true;
  for (int64_t i = 0; i < view.rows(); ++i) {
    const std::byte* row =
        view.data + static_cast<size_t>(i * view.row_stride) * SizeOf(view.dtype);
    if (std::fwrite(row, 1, row_bytes, file) != row_bytes) return false;
  }
  return true;
}

}  // namespace

Status WriteSafetensors(const std::string& path, std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return SizeOf(a->view.dtype) > SizeOf(b->view.dtype);
  });
  const std::string header = MakeHeader(order);

  const std::string temporary = path + ".tmp";
  File file(std::fopen(temporary.c_str(), "wb"));
  if (file == nullptr) return Err("{}: cannot create: {}", temporary, std::strerror(errno));
  unsigned char prefix[8];
  for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  bool written = std::fwrite(prefix, 1, 8, file.get()) == 8 &&
                 std::fwrite(header.data(), 1, header.size(), file.get()) == header.size();
  for (const NamedTensor* tensor : order) {
    written = written && WriteView(tensor->view, file.get());
  }
  written = std::fflush(file.get()) == 0 && written;
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    std::remove(temporary.c_str());
    return Err("{}: cannot write: {}", path, std::strerror(cause));
  }
  return {};
}

}  // namespace rw
