// The formulas are those of transformers 5.17, src/transformers/modeling_rope_utils.py, and round
// where torch does: what is a Python number there is double here, what is a tensor is float. A
// Python number that meets a tensor is rounded to float first, and 2.0 / tensor is the reciprocal
// times 2.0.
#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/check.h"

namespace rw {
namespace {

// base^(2i / dim) in float. torch's vectorised pow is good to one unit in the last place; rounding
// the double result is the nearest to it that does not depend on a library.
std::vector<float> Powers(float base, int64_t dim) {
  std::vector<float> powers(static_cast<size_t>(dim / 2));
  for (size_t i = 0; i < powers.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    powers[i] = static_cast<float>(std::pow(static_cast<double>(base), exponent));
  }
  return powers;
}

std::vector<float> InverseFrequencies(float base, int64_t dim) {
  std::vector<float> inv_freq = Powers(base, dim);
  for (float& f : inv_freq) f = 1.0f / f;
  return inv_freq;
}

RopeFrequencies Default(const ModelConfig& config, int64_t) {
  const RopeConfig& rope = config.rope;
  return {InverseFrequencies(static_cast<float>(rope.theta), rope.rotary_dim)};
}

// _compute_linear_scaling_rope_parameters
RopeFrequencies Linear(const ModelConfig& config, int64_t length) {
  RopeFrequencies result = Default(config, length);
  for (float& f : result.inv_freq) f /= static_cast<float>(config.rope.factor);
  return result;
}

// _compute_dynamic_ntk_parameters: the base grows with the length. The length is a tensor there
// once it exceeds the limit, and with it all of the base's formula.
RopeFrequencies Dynamic(const ModelConfig& config, int64_t length) {
  const RopeConfig& rope = config.rope;
  const int64_t limit = config.max_position_embeddings;
  if (length <= limit) return Default(config, length);
  const auto factor = static_cast<float>(rope.factor);
  const float stretched = factor * static_cast<float>(length) / static_cast<float>(limit) -
                          static_cast<float>(rope.factor - 1.0);
  const double exponent =
      static_cast<double>(rope.rotary_dim) / static_cast<double>(rope.rotary_dim - 2);
  const auto growth = static_cast<float>(
      std::pow(static_cast<double>(stretched), static_cast<double>(static_cast<float>(exponent))));
  const float base =
      std::min(static_cast<float>(rope.theta) * growth, std::numeric_limits<float>::max());
  return {InverseFrequencies(base, rope.rotary_dim)};
}

// _compute_llama3_parameters: long waves are slowed down by `factor`, short ones left alone, those
// between mixed.
RopeFrequencies Llama3(const ModelConfig& config, int64_t length) {
  const RopeConfig& rope = config.rope;
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  const auto factor = static_cast<float>(rope.factor);
  const auto low_wavelen = static_cast<float>(original / rope.low_freq_factor);
  const auto high_wavelen = static_cast<float>(original / rope.high_freq_factor);
  const auto low = static_cast<float>(rope.low_freq_factor);
  const auto range = static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);

  RopeFrequencies result = Default(config, length);
  for (float& f : result.inv_freq) {
    const float wavelen = (1.0f / f) * static_cast<float>(2.0 * std::numbers::pi);
    if (wavelen > low_wavelen) {
      f /= factor;
    } else if (!(wavelen < high_wavelen)) {
      const float smooth = ((1.0f / wavelen) * static_cast<float>(original) - low) / range;
      f = (1.0f - smooth) * f / factor + smooth * f;
    }
  }
  return result;
}

double YarnAttentionFactor(const RopeConfig& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  const auto mscale = [&](double weight) {
    return rope.factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(rope.factor) + 1.0;
  };
  const bool both = rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0;
  return both ? mscale(*rope.mscale) / mscale(*rope.mscale_all_dim) : mscale(1.0);
}

// _compute_yarn_parameters (https://arxiv.org/abs/2309.00071): interpolated below `low`, left alone
// above `high`, a ramp between; both are places in the list of frequencies.
RopeFrequencies Yarn(const ModelConfig& config, int64_t) {
  const RopeConfig& rope = config.rope;
  const auto dim = static_cast<double>(rope.rotary_dim);
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  const auto correction_dim = [&](double rotations) {
    return dim * std::log(original / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(rope.theta));
  };
  double low = correction_dim(rope.beta_fast);
  double high = correction_dim(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;  // as there, against dividing by 0

  const auto factor = static_cast<float>(rope.factor);
  RopeFrequencies result = {Powers(static_cast<float>(rope.theta), rope.rotary_dim),
                            YarnAttentionFactor(rope)};
  for (size_t i = 0; i < result.inv_freq.size(); ++i) {
    const float power = result.inv_freq[i];
    const float extrapolation = 1.0f / power;
    const float interpolation = 1.0f / (factor * power);
    const float ramp =
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float keep = 1.0f - std::clamp(ramp, 0.0f, 1.0f);
    result.inv_freq[i] = interpolation * (1.0f - keep) + extrapolation * keep;
  }
  return result;
}

// _compute_longrope_parameters: a divisor for each frequency, one list for short sequences and one
// for long.
RopeFrequencies Longrope(const ModelConfig& config, int64_t length) {
  const RopeConfig& rope = config.rope;
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  const std::vector<double>& divisors =
      length > rope.original_max_position_embeddings ? rope.long_factor : rope.short_factor;
  double scaling = 1.0;
  if (rope.attention_factor) {
    scaling = *rope.attention_factor;
  } else if (rope.factor > 1.0) {
    scaling = std::sqrt(1.0 + std::log(rope.factor) / std::log(original));
  }
  RopeFrequencies result = {Powers(static_cast<float>(rope.theta), rope.rotary_dim), scaling};
  for (size_t i = 0; i < result.inv_freq.size(); ++i) {
    result.inv_freq[i] = 1.0f / (static_cast<float>(divisors[i]) * result.inv_freq[i]);
  }
  return result;
}

struct TypeRow {
  RopeFrequencies (*compute)(const ModelConfig&, int64_t sequence_length);
  // The length up to which the short frequencies hold; nullptr: there are no others.
  int64_t (*short_limit)(const ModelConfig&);
};
constexpr TypeRow kTypes[] = {
    // by RopeType
    {Default, nullptr},
    {Linear, nullptr},
    {Dynamic, [](const ModelConfig& config) { return config.max_position_embeddings; }},
    {Llama3, nullptr},
    {Yarn, nullptr},
    {Longrope,
     [](const ModelConfig& config) { return config.rope.original_max_position_embeddings; }},
};

const TypeRow& RowOf(const ModelConfig& config) {
  return kTypes[static_cast<size_t>(config.rope.type)];
}

RopeFrequencies Rounded(RopeFrequencies frequencies, DType dtype) {
  for (float& f : frequencies.inv_freq) {
    if (dtype == DType::kBF16) f = ToFloat(RoundTo<BF16>(f));
    if (dtype == DType::kF16) f = ToFloat(RoundTo<F16>(f));
  }
  return frequencies;
}

// cos and sin of one position.
void FillRow(const RopeFrequencies& frequencies, int64_t position, float* row) {
  const auto scaling = static_cast<float>(frequencies.attention_scaling);
  const size_t half = frequencies.inv_freq.size();
  for (size_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * frequencies.inv_freq[i];
    row[i] = std::cos(angle) * scaling;
    row[half + i] = std::sin(angle) * scaling;
  }
}

}  // namespace

RopeFrequencies ComputeRopeFrequencies(const ModelConfig& config, int64_t sequence_length) {
  return RowOf(config).compute(config, sequence_length);
}

Result<RopeTable> BuildRopeTable(const ModelConfig& config, int64_t max_model_len,
                                 DType frequencies) {
  RW_CHECK(max_model_len > 0 && config.rope.rotary_dim > 0);
  RopeTable table;
  table.rotary_dim_ = config.rope.rotary_dim;
  table.block_rows_ = max_model_len;
  table.short_limit_ = max_model_len;
  const auto limit = RowOf(config).short_limit;
  if (limit != nullptr) table.short_limit_ = std::min(max_model_len, limit(config));
  table.blocks_.push_back(Rounded(ComputeRopeFrequencies(config, table.short_limit_), frequencies));
  if (table.short_limit_ < max_model_len) {
    table.blocks_.push_back(Rounded(ComputeRopeFrequencies(config, max_model_len), frequencies));
  }
  int64_t bytes = table.rotary_dim_ * static_cast<int64_t>(sizeof(float) * table.blocks_.size());
  if (__builtin_mul_overflow(bytes, max_model_len, &bytes)) {
    return Err("a rope table for {} positions is too large; lower max-model-len", max_model_len);
  }
  RW_ASSIGN(table.memory_, LazyMemory::Reserve(bytes, "the rope table; lower max-model-len"));
  return table;
}

void RopeTable::Fill(int64_t positions) {
  RW_CHECK(positions <= block_rows_);
  auto* rows = reinterpret_cast<float*>(memory_.data());
  for (size_t block = 0; block < blocks_.size(); ++block) {
    const int64_t first = static_cast<int64_t>(block) * block_rows_;
    for (int64_t position = filled_; position < positions; ++position) {
      FillRow(blocks_[block], position, rows + (first + position) * rotary_dim_);
    }
  }
  filled_ = std::max(filled_, positions);
}

std::span<const float> RopeTable::row(int64_t i) const {
  RW_CHECK(i >= 0 && i < rows() && i % block_rows_ < filled_, "rope row {}", i);
  return {reinterpret_cast<const float*>(memory_.data()) + i * rotary_dim_,
          static_cast<size_t>(rotary_dim_)};
}

TensorView RopeTable::View() const {
  const int64_t dims[] = {rows(), rotary_dim_};
  return TensorView::Contiguous(memory_.data(), DType::kF32, dims);
}

}  // namespace rw
