// A safetensors file made of the input: refused, or every byte that its tensors claim can be read.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "model/safetensors.h"

namespace {

void ReadAll(std::string_view bytes) {
  const auto file = rw::SafetensorsFile::Parse(std::as_bytes(std::span(bytes)), "in.safetensors");
  if (!file) {
    RW_CHECK(file.error().message.find('\n') == std::string::npos);
    return;
  }
  size_t total = 0;
  volatile std::byte sink{};
  for (const auto& entry : file->entries()) {
    const auto data = file->DataOf(entry);
    total += data.size();
    RW_CHECK(file->FindEntry(entry.name) == &entry);
    if (!data.empty()) {
      sink = data.front();
      sink = data.back();
    }
    const auto view = file->Find(entry.name);
    if (!view) continue;
    RW_CHECK(static_cast<size_t>(view->size()) * rw::SizeOf(view->dtype) == data.size());
    sink = view->data[0];
    sink = view->data[data.size() - 1];
  }
  static_cast<void>(sink);
  RW_CHECK(total <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ReadAll(input);
  // The same without a length to get right: the header ends at the first 0 byte.
  const std::string_view header = input.substr(0, input.find('\0'));
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i));
  file += header;
  if (header.size() < size) file += input.substr(header.size() + 1);
  ReadAll(file);
  return 0;
}
