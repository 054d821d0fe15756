// The integers of a step: padded as the kernels expect, at places that do not move.
#include "engine/step_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Ints(const TensorView& view) {
  std::vector<int32_t> values;
  for (int64_t row = 0; row < view.rows(); ++row) {
    for (int64_t i = 0; i < view.width(); ++i) values.push_back(view.row<int32_t>(row)[i]);
  }
  return values;
}

// Two sequences: 3 tokens of a new one, the 18th of another.
Batch TwoSequences() {
  Batch batch;
  batch.Add(std::vector<int32_t>{5, 6, 7}, 0, 0, std::vector<int32_t>{4}, false);
  batch.Add(std::vector<int32_t>{9}, 17, 0, std::vector<int32_t>{2, 8}, true);
  batch.Finish();
  return batch;
}

class StepInputsTest : public ::testing::Test {
 protected:
  StepInputs inputs_ = *StepInputs::Create(CpuDevice(), {16, 4, 4}, 64);
};

TEST_F(StepInputsTest, PaddingHasNoSlotsAndNoTokens) {
  const StepShape shape{8, 4, 2};
  inputs_.Put(TwoSequences(), shape);
  const std::vector<TensorView> views = inputs_.Views(shape);
  ASSERT_EQ(views.size(), 9u);
  EXPECT_THAT(Ints(views[0]), ElementsAre(5, 6, 7, 9, 0, 0, 0, 0));
  EXPECT_THAT(Ints(views[1]), ElementsAre(0, 1, 2, 17, 0, 0, 0, 0));
  EXPECT_THAT(Ints(views[2]), ElementsAre(64, 65, 66, 129, -1, -1, -1, -1));
  EXPECT_THAT(Ints(views[3]), ElementsAre(0, 3, 4, 4, 4));
  EXPECT_THAT(Ints(views[4]), ElementsAre(3, 18, 0, 0));
  EXPECT_EQ(views[5].dims[0], 4);
  EXPECT_EQ(views[5].row<int32_t>(0)[0], 4);
  EXPECT_EQ(views[5].row<int32_t>(1)[0], 2);
  EXPECT_EQ(views[5].row<int32_t>(1)[1], 8);
  EXPECT_THAT(Ints(views[6]), ElementsAre(3, 0));
}

TEST_F(StepInputsTest, RowsWithoutARuleAreGreedy) {
  Batch batch = TwoSequences();
  batch.rules = {
      {.temperature = 0.5f, .top_p = 0.25f, .min_p = 0.125f, .top_k = 7, .draw = 0xfffffffeu}};
  const StepShape shape{8, 4, 3};
  for (const float temperature : {0.5f, 2.0f}) {  // nothing stays of the batch before
    batch.rules[0].temperature = temperature;
    inputs_.Put(batch, shape);
    const TensorView how = inputs_.Views(shape)[7], pick = inputs_.Views(shape)[8];
    ASSERT_EQ(how.dtype, DType::kF32);
    EXPECT_THAT(std::span(how.row<const float>(0), 3), ElementsAre(temperature, 0.25f, 0.125f));
    EXPECT_THAT(Ints(pick), ElementsAre(7, -2, 0, 0, 0, 0));
    for (const int64_t row : {1, 2}) {
      EXPECT_TRUE(ReadRule(how.row<const float>(row), pick.row<const int32_t>(row)).greedy());
    }
    batch.rules.push_back({.temperature = 9});
    inputs_.Put(batch, shape);
    batch.rules.pop_back();
  }
}

TEST_F(StepInputsTest, PlacesDependOnTheShapeAlone) {
  const StepShape shape{8, 4, 2};
  inputs_.Put(TwoSequences(), shape);
  const std::vector<TensorView> before = inputs_.Views(shape);
  Batch other;
  other.Add(std::vector<int32_t>{1}, 40, 0, std::vector<int32_t>{7, 6, 5}, true);
  other.Finish();
  inputs_.Put(other, shape);
  const std::vector<TensorView> after = inputs_.Views(shape);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].data, after[i].data) << i;
  EXPECT_THAT(Ints(after[0]), ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(after[5].row<int32_t>(0)[2], 5);
}

// Only rows of the table that differ move; what another batch left must not stay.
TEST_F(StepInputsTest, TheTableFollowsEveryBatch) {
  const StepShape shape{4, 2, 2};
  for (const int32_t first : {3, 9, 3}) {
    Batch batch;
    batch.Add(std::vector<int32_t>{1}, 16, 0, std::vector<int32_t>{first, first + 1}, true);
    batch.Add(std::vector<int32_t>{2}, 0, 0, std::vector<int32_t>{20}, true);
    batch.Finish();
    inputs_.Put(batch, shape);
    const TensorView table = inputs_.Views(shape)[5];
    EXPECT_EQ(table.row<int32_t>(0)[0], first);
    EXPECT_EQ(table.row<int32_t>(0)[1], first + 1);
    EXPECT_EQ(table.row<int32_t>(1)[0], 20);
  }
}

}  // namespace
}  // namespace rw
