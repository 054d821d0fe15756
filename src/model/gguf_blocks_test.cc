// Blocks of every quantized type against what llama.cpp's own package says they stand for
// (tools/golden/make_gguf.py).
#include "model/gguf_blocks.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/gguf.h"

namespace rw {
namespace {

class GgufBlocks : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufBlocks, HoldTheNumbersOfTheFile) {
  const auto model = GgufModel::Open(RW_SOURCE_DIR "/tests/golden/gguf/types.gguf");
  ASSERT_TRUE(model) << model.error().message;
  const auto tensor = model->FindTensor(GetParam());
  const auto expected = model->FindTensor(GetParam() + std::string(".f32"));
  ASSERT_TRUE(tensor && expected);
  const GgufTensorType& type = *tensor->info->type;
  ASSERT_EQ(type.name, GetParam());
  const int64_t rows = tensor->info->rows();
  const int64_t k = tensor->info->width();
  const PackedLayout& layout = LayoutOf(*type.dtype);
  std::vector<PackedRow> numbers(rows, PackedRow(layout, k));
  const size_t row_bytes = tensor->data().size() / rows;
  for (int64_t r = 0; r < rows; ++r) {
    ReadGgufRow(type, tensor->data().subspan(r * row_bytes, row_bytes), k, numbers[r]);
  }
  std::vector<std::byte> strip(layout.StripBytes(k));
  WritePackedStrip(*type.dtype, numbers, k, strip.data());
  std::vector<float> found(k);
  std::vector<float> wanted(k);
  for (int64_t r = 0; r < rows; ++r) {
    UnpackRow(*type.dtype, strip.data(), k, r, found.data());
    std::memcpy(wanted.data(), expected->data().data() + r * k * sizeof(float), k * sizeof(float));
    EXPECT_EQ(found, wanted) << r;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufBlocks,
                         ::testing::Values("Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q6_K"));

}  // namespace
}  // namespace rw
