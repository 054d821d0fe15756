#include "engine/step_inputs.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace rw {
namespace {

constexpr int64_t kWord = sizeof(int32_t);

// Where each list but the table begins, in words from the end of the table, and where the last
// ends. 16-byte aligned.
struct Layout {
  int64_t tokens, positions, slots, query_start, lengths, logit_rows, how, pick, end;
};
Layout LayoutOf(const StepShape& shape) {
  Layout layout{};
  int64_t at = 0;
  const auto place = [&](int64_t& begin, int64_t words) {
    begin = at;
    at += (words + 3) / 4 * 4;
  };
  place(layout.tokens, shape.tokens);
  place(layout.positions, shape.tokens);
  place(layout.slots, shape.tokens);
  place(layout.query_start, shape.sequences + 1);
  place(layout.lengths, shape.sequences);
  place(layout.logit_rows, shape.rows);
  place(layout.how, shape.rows * kHowWidth);
  place(layout.pick, shape.rows * kPickWidth);
  layout.end = at;
  return layout;
}

}  // namespace

StepShape ShapeOf(const Batch& batch) {
  return {batch.num_tokens(), batch.num_sequences(), static_cast<int64_t>(batch.logit_rows.size())};
}

Result<StepInputs> StepInputs::Create(std::shared_ptr<ComputeDevice> device,
                                      const StepShape& limits, int64_t max_model_len) {
  StepInputs inputs;
  inputs.limits_ = limits;
  inputs.pages_per_row_ = ((max_model_len + kPageSize - 1) / kPageSize + 3) / 4 * 4;
  const int64_t bytes = (limits.sequences * inputs.pages_per_row_ + LayoutOf(limits).end) * kWord;
  RW_ASSIGN(inputs.host_, device->ReserveHost(bytes));
  RW_ASSIGN(inputs.memory_, device->Reserve(bytes, "the inputs of a step"));
  inputs.device_ = std::move(device);
  return inputs;
}

void StepInputs::Put(const Batch& batch, const StepShape& shape) {
  RW_CHECK(shape.tokens <= limits_.tokens && shape.sequences <= limits_.sequences &&
           shape.rows <= limits_.rows);
  PutTable(batch);
  const int64_t table = limits_.sequences * pages_per_row_ * kWord;
  const Layout layout = LayoutOf(shape);
  auto* words = reinterpret_cast<int32_t*>(host_.data + table);
  const auto put = [&](int64_t begin, const std::vector<int32_t>& values, int64_t count,
                       int32_t padding) {
    RW_CHECK(static_cast<int64_t>(values.size()) <= count);
    std::ranges::copy(values, words + begin);
    std::fill(words + begin + values.size(), words + begin + count, padding);
  };
  put(layout.tokens, batch.tokens, shape.tokens, 0);
  put(layout.positions, batch.positions, shape.tokens, 0);
  put(layout.slots, batch.slots, shape.tokens, -1);
  put(layout.query_start, batch.query_start, shape.sequences + 1, batch.query_start.back());
  put(layout.lengths, batch.lengths, shape.sequences, 0);
  put(layout.logit_rows, batch.logit_rows, shape.rows, 0);
  RW_CHECK(static_cast<int64_t>(batch.rules.size()) <= shape.rows);
  auto* how = reinterpret_cast<float*>(words + layout.how);
  for (int64_t row = 0; row < shape.rows; ++row) {
    const auto at = static_cast<size_t>(row);
    WriteRule(at < batch.rules.size() ? batch.rules[at] : SampleRule{}, how + row * kHowWidth,
              words + layout.pick + row * kPickWidth);
  }
  const int64_t bytes = layout.end * kWord;
  device_->QueueUpload(memory_.data + table, host_.data + table, {1, bytes, bytes, bytes});
}

// Pages change rarely while sequences grow: only rows that differ go to the device.
void StepInputs::PutTable(const Batch& batch) {
  auto* table = reinterpret_cast<int32_t*>(host_.data);
  const int64_t width = batch.pages_per_row;
  RW_CHECK(width <= pages_per_row_);
  int64_t first = batch.num_sequences();
  int64_t last = 0;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const int32_t* from = batch.block_table.data() + s * width;
    int32_t* to = table + s * pages_per_row_;
    if (std::equal(from, from + width, to)) continue;
    std::copy(from, from + width, to);
    first = std::min(first, s);
    last = s + 1;
  }
  if (first >= last) return;
  const int64_t stride = pages_per_row_ * kWord;
  device_->QueueUpload(memory_.data + first * stride, host_.data + first * stride,
                       {last - first, width * kWord, stride, stride});
}

std::vector<TensorView> StepInputs::Views(const StepShape& shape) const {
  const Layout layout = LayoutOf(shape);
  const int64_t table = limits_.sequences * pages_per_row_ * kWord;
  const auto rows = [&](int64_t begin, DType dtype, int64_t count, int64_t width) {
    return TensorView::Contiguous(memory_.data + table + begin * kWord, dtype,
                                  std::array{count, width});
  };
  const auto view = [&](int64_t begin, int64_t count) {
    return TensorView::Contiguous(memory_.data + table + begin * kWord, DType::kI32,
                                  std::array{count});
  };
  return {view(layout.tokens, shape.tokens),
          view(layout.positions, shape.tokens),
          view(layout.slots, shape.tokens),
          view(layout.query_start, shape.sequences + 1),
          view(layout.lengths, shape.sequences),
          TensorView::Contiguous(memory_.data, DType::kI32,
                                 std::array{shape.sequences, pages_per_row_}),
          view(layout.logit_rows, shape.rows),
          rows(layout.how, DType::kF32, shape.rows, kHowWidth),
          rows(layout.pick, DType::kI32, shape.rows, kPickWidth)};
}

}  // namespace rw
