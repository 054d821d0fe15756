// A config.json made of the input, and after a 0 byte a generation_config.json: refused, or
// consistent and good for a rope table of finite numbers.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/config.h"
#include "model/rope.h"

namespace {

void CheckConsistent(const rw::ModelConfig& config) {
  RW_CHECK(config.num_q_heads % config.num_kv_heads == 0);
  RW_CHECK(config.window.size() == static_cast<size_t>(config.num_layers));
  RW_CHECK(config.rope.rotary_dim > 0 && config.rope.rotary_dim <= config.head_dim);
  for (const int64_t id : config.eos_token_ids) RW_CHECK(id >= 0 && id < config.vocab_size);
  for (const int64_t length : {int64_t{1}, int64_t{3}}) {
    auto table = rw::BuildRopeTable(config, length);
    if (!table) continue;  // more than the address space
    RW_CHECK(table->RowOffset(length) + length <= table->rows());
    if (table->rows() * table->rotary_dim() > (1 << 24)) continue;
    table->Fill(length);
    for (int64_t i = 0; i < table->rows(); ++i) {
      for (const float value : table->row(i)) RW_CHECK(std::isfinite(value));
    }
  }
  for (const float f : rw::ComputeRopeFrequencies(config, int64_t{1} << 30).inv_freq) {
    RW_CHECK(std::isfinite(f) && f >= 0, "{}", f);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t split = text.find('\0');
  const auto document = rw::JsonDocument::Parse(text.substr(0, split), "config.json");
  if (!document) return 0;
  rw::Result<rw::ModelConfig> config;
  if (split == std::string_view::npos) {
    config = rw::ParseModelConfig(document->root());
  } else {
    const auto other = rw::JsonDocument::Parse(text.substr(split + 1), "generation_config.json");
    if (!other) return 0;
    const rw::Json generation = other->root();
    config = rw::ParseModelConfig(document->root(), &generation);
  }
  if (config) {
    CheckConsistent(*config);
  } else {
    RW_CHECK(config.error().message.find('\n') == std::string::npos);
  }
  return 0;
}
