// A GGUF file made of the input: refused, or every byte that its entries claim can be read, and
// configuration, tokenizer and chat template are refused in one line or made.
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "model/gguf.h"
#include "model/gguf_blocks.h"
#include "model/gguf_config.h"
#include "model/gguf_tokenizer.h"

namespace {

template <class T>
void CheckError(const rw::Result<T>& result) {
  if (!result) RW_CHECK(result.error().message.find('\n') == std::string::npos);
}

void ReadValues(const rw::GgufModel& model) {
  for (const rw::GgufValue& value : model.files()[0]->header.values) {
    CheckError(value.AsInt());
    CheckError(value.AsBool());
    CheckError(value.AsString());
    CheckError(value.NumberText());
    size_t bytes = 0;
    CheckError(value.ForEachString([&](size_t, std::string_view text) -> rw::Status {
      for (const char c : text) bytes += c != '\0';
      return {};
    }));
    CheckError(value.ForEachNumber([&](size_t i, double) -> rw::Status {
      RW_CHECK(i < value.count());
      return {};
    }));
  }
}

void ReadTensors(const rw::GgufModel& model, size_t size) {
  size_t total = 0;
  volatile std::byte sink{};
  for (const rw::GgufTensor& info : model.files()[0]->header.tensors) {
    const auto tensor = model.FindTensor(info.name);
    RW_CHECK(tensor && tensor->info == &info);
    const auto data = tensor->data();
    total += data.size();
    sink = data.front();
    sink = data.back();
    if (!info.type->dtype || !rw::IsPacked(*info.type->dtype)) continue;
    rw::PackedRow row(rw::LayoutOf(*info.type->dtype), info.width());
    rw::ReadGgufRow(*info.type, data.first(data.size() / info.rows()), info.width(), row);
  }
  static_cast<void>(sink);
  RW_CHECK(total <= size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = rw::GgufModel::Parse(std::as_bytes(std::span(data, size)), "in.gguf");
  CheckError(model);
  if (!model) return 0;
  ReadValues(*model);
  ReadTensors(*model, size);
  CheckError(rw::GgufModelConfig(*model));
  CheckError(rw::GgufTokenizer(*model));
  CheckError(rw::GgufSpecialToken(*model, "bos_token_id"));
  return 0;
}
