// A template and, after a 0 byte, the JSON of its context: refused with one line, or rendered
// within small limits.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "model/chat_template/chat_template.h"

namespace {

constexpr std::string_view kContext =
    R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null}],
        "tools": [{"name": "f", "n": [1, 2.5, true]}], "s": "a \u00e9", "bos_token": "<s>"})";

void CheckOneLine(const rw::Error& error) {
  RW_CHECK(!error.message.empty() && error.message.size() < 2000);
  RW_CHECK(error.message.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\0');
  const auto chat_template = rw::ChatTemplate::Parse(input.substr(0, split), "chat_template.jinja");
  if (!chat_template) {
    CheckOneLine(chat_template.error());
    return 0;
  }
  const std::string_view json =
      split == std::string_view::npos ? kContext : input.substr(split + 1);
  const auto document = rw::JsonDocument::Parse(json, "context");
  if (!document) return 0;
  const auto context = rw::TemplateValue::FromJson(document->root());
  if (!context) return 0;
  rw::RenderOptions options;
  options.limits = {
      .steps = 200'000, .output_bytes = 1 << 20, .value_bytes = 4 << 20, .depth = 100};
  options.now.emplace();
  options.now->tm_mday = 1;
  const auto text = chat_template->Render(*context, options);
  if (!text) {
    CheckOneLine(text.error());
  } else {
    RW_CHECK(text->size() <= options.limits.output_bytes);
  }
  return 0;
}
