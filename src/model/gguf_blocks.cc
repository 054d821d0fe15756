// Blocks are those of llama.cpp's ggml-common.h, the order of their elements that of
// dequantize_row_* in ggml-quants.c.
#include "model/gguf_blocks.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace rw {
namespace {

using Bytes = const uint8_t*;

F16 LoadF16(Bytes at) { return {static_cast<uint16_t>(at[0] | at[1] << 8)}; }

// d, 32 codes
void Q8_0(Bytes block, int64_t i, PackedRow& to) {
  to.scales[i] = LoadF16(block);
  std::memcpy(to.codes.data() + i * 32, block + 2, 32);
}

// d, 16 bytes: low nibbles are the first half
void Q4_0(Bytes block, int64_t i, PackedRow& to) {
  to.scales[i] = LoadF16(block);
  int8_t* codes = to.codes.data() + i * 32;
  for (int j = 0; j < 16; ++j) {
    const uint8_t both = block[2 + j];
    codes[j] = static_cast<int8_t>((both & 15) - 8);
    codes[16 + j] = static_cast<int8_t>((both >> 4) - 8);
  }
}

// d, fifth bits of 32 elements, 16 bytes as in q4_0
void Q5_0(Bytes block, int64_t i, PackedRow& to) {
  to.scales[i] = LoadF16(block);
  int8_t* codes = to.codes.data() + i * 32;
  for (int j = 0; j < 16; ++j) {
    const int low = block[2 + j / 8] >> j % 8 & 1;
    const int high = block[4 + j / 8] >> j % 8 & 1;
    const uint8_t both = block[6 + j];
    codes[j] = static_cast<int8_t>(((both & 15) | low << 4) - 16);
    codes[16 + j] = static_cast<int8_t>(((both >> 4) | high << 4) - 16);
  }
}

// d, dmin, 12 bytes of 6-bit scales and minimums, 128 bytes: each 32 hold two groups
void Q4K(Bytes block, int64_t i, PackedRow& to) {
  to.scales[i] = LoadF16(block);
  to.mins[i] = LoadF16(block + 2);
  const Bytes six = block + 4;
  int8_t* scales = to.sub_scales.data() + i * 8;
  int8_t* mins = to.sub_mins.data() + i * 8;
  for (int g = 0; g < 4; ++g) {
    scales[g] = static_cast<int8_t>(six[g] & 63);
    mins[g] = static_cast<int8_t>(six[g + 4] & 63);
    scales[g + 4] = static_cast<int8_t>((six[g + 8] & 15) | six[g] >> 6 << 4);
    mins[g + 4] = static_cast<int8_t>(six[g + 8] >> 4 | six[g + 4] >> 6 << 4);
  }
  Bytes nibbles = block + 16;
  int8_t* codes = to.codes.data() + i * 256;
  for (int pair = 0; pair < 4; ++pair, nibbles += 32, codes += 64) {
    for (int j = 0; j < 32; ++j) {
      codes[j] = static_cast<int8_t>(nibbles[j] & 15);
      codes[32 + j] = static_cast<int8_t>(nibbles[j] >> 4);
    }
  }
}

// 128 bytes of low bits, 64 of high ones, 16 scales, d
void Q6K(Bytes block, int64_t i, PackedRow& to) {
  std::memcpy(to.sub_scales.data() + i * 16, block + 192, 16);
  to.scales[i] = LoadF16(block + 208);
  Bytes low = block;
  Bytes high = block + 128;
  int8_t* codes = to.codes.data() + i * 256;
  for (int half = 0; half < 2; ++half, low += 64, high += 32, codes += 128) {
    for (int j = 0; j < 32; ++j) {
      const int bits = high[j];
      codes[j] = static_cast<int8_t>(((low[j] & 15) | (bits & 3) << 4) - 32);
      codes[32 + j] = static_cast<int8_t>(((low[32 + j] & 15) | (bits & 12) << 2) - 32);
      codes[64 + j] = static_cast<int8_t>((low[j] >> 4 | (bits & 48)) - 32);
      codes[96 + j] = static_cast<int8_t>((low[32 + j] >> 4 | (bits & 192) >> 2) - 32);
    }
  }
}

struct Reader {
  std::string_view type;
  void (*read)(Bytes block, int64_t index, PackedRow& to);
};
constexpr std::array kReaders = {Reader{"Q8_0", Q8_0}, Reader{"Q4_0", Q4_0}, Reader{"Q5_0", Q5_0},
                                 Reader{"Q4_K", Q4K}, Reader{"Q6_K", Q6K}};

}  // namespace

void ReadGgufRow(const GgufTensorType& type, std::span<const std::byte> row, int64_t k,
                 PackedRow& to) {
  const int64_t blocks = k / type.block;
  RW_CHECK(std::ssize(row) == blocks * type.block_bytes);
  for (const Reader& reader : kReaders) {
    if (reader.type != type.name) continue;
    const auto* block = reinterpret_cast<Bytes>(row.data());
    for (int64_t i = 0; i < blocks; ++i, block += type.block_bytes) reader.read(block, i, to);
    return;
  }
  RW_CHECK(false, "{} is not packed", type.name);
}

}  // namespace rw
