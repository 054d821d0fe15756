#include "native/gpu_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "native/gpu_mapping.h"
#include "native/testing.h"

namespace rw::native {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr DType kBf = DType::kBF16, kF32 = DType::kF32, kF8 = DType::kF8E4M3;

// The text of a part, without what every source begins with.
std::string PartOf(const Program& program, int index) {
  const std::string text = WriteGpuSource(program).text;
  const size_t begin = text.find(fmt::format("DEVICE void Part{}", index));
  return text.substr(begin, text.find("\n}\n", begin) - begin);
}
void ExpectInOrder(const std::string& text, const std::vector<std::string>& pieces) {
  size_t at = 0;
  for (const std::string& piece : pieces) {
    const size_t found = text.find(piece, at);
    EXPECT_NE(found, std::string::npos) << piece << "\nin\n" << text.substr(at);
    if (found == std::string::npos) return;
    at = found + piece.size();
  }
}

TEST(GpuSource, SiluMul) {
  const Program program = testing::Activation(kBf, 14336, Code::kSilu, true);
  ExpectInOrder(PartOf(program, 0),
                {"Unit<1, kHeads, 1792>", "const int n14336[] = {8};", "WaitForPrevious();",
                 "Packed<BF16> x0[kHeads][1];",
                 "x0[k][r] = Load<kWhole, 1>(Row<BF16>(p.port[0], u.row) + u.head[k] * 14336 + 0",
                 "Row<BF16>(p.port[1]", "SiluAll(x0[k][r], v1[k][r]);",
                 "x2[k][r] = Narrow<BF16>(v1[k][r]);", "= Wide(x2[k][r], j) * Wide(x3[k][r], j);",
                 "if (u.live[k]) Store<kWhole, 1>(Row<BF16>(p.port[2]"});
  const GpuSource source = WriteGpuSource(program);
  EXPECT_EQ(source.has, (std::array{true, true, false}));  // a row has one head
  EXPECT_EQ(source.parts[0].threads[0], 1792);
  EXPECT_THAT(source.text, AllOf(HasSubstr("GpuPort port[3];"), Not(HasSubstr("#include \""))));
}

TEST(GpuSource, AddRmsNorm) {
  const Program program = testing::AddRmsNorm({kBf, kF32, 1, 4096, "llama"});
  ExpectInOrder(PartOf(program, 0),
                {"Unit<1, kHeads, 256>",
                 // Weights come before the wait, all others after it.
                 "Load<kWhole, 1>(Weights<float>(p.port[2]) + 0", "LetNextStartAndWait();",
                 "Row<BF16>(p.port[", "Row<BF16>(p.port[", "[0] += Squares(", "[0] += Squares(",
                 "Fold<256>(", "NormFactor(", "0x1p+12f", "Narrow<BF16>(",
                 "Store<kWhole, 1>(Row<BF16>(p.port[3]", "Store<kWhole, 1>(Row<BF16>(p.port[4]"});
  EXPECT_EQ(WriteGpuSource(program).threads, 256);
}

TEST(GpuSource, WideRowsAreReadAgain) {
  const std::string part = PartOf(testing::AddRmsNorm({kBf, kBf, 1, 17408, "llama"}), 0);
  ExpectInOrder(part, {"for (unsigned at = u.t; at < 2176; at += 256) {", "Squares(", "}",
                       "Fold<256>", "for (unsigned at", "Store<"});
  EXPECT_EQ(part.find("Store<"), part.rfind("for (unsigned at") +
                                     part.substr(part.rfind("for (unsigned at")).find("Store<"));
}

TEST(GpuSource, RopeOfHalvesLoadsEachElementOnce) {
  const std::string part = PartOf(testing::Rope({kBf, 32, 8, 128, 128, "half"}), 0);
  ExpectInOrder(part, {"Unit<32, kHeads, 8>", "const int g2 = Peek(p.port[2], u.row);",
                       // The angles are the same for all heads of a row. They are weights, but
                       // their row is a guess before the wait.
                       "OCTETS(1, 1) x2[0][r] = LoadPicked<kWhole, float>(p.port[3], g2, 0",
                       "LoadPicked<kWhole, float>(p.port[3], g2, 64", "WaitForPrevious();",
                       "const int i2 = Index(p.port[2], u.row);", "u.head[k] * 128 + 0",
                       "u.head[k] * 128 + 64", "if (i2 != g2) {",
                       "LoadPicked<kWhole, float>(p.port[3], i2, 0",
                       "LoadPicked<kWhole, float>(p.port[3], i2, 64", "Store<"});
  size_t loads = 0;
  for (size_t at = part.find("Load"); at != std::string::npos; at = part.find("Load", at + 1)) {
    ++loads;
  }
  EXPECT_EQ(loads, 2u + 2 * 2u);
}

TEST(GpuSource, RopeOfAStepKnowsItsAnglesBeforeTheWait) {
  const std::string part =
      PartOf(testing::Rope({kBf, 32, 8, 128, 128, "half", "", kF32, kF32, true, kBf, true}), 1);
  ExpectInOrder(
      part,
      {"const int i3 = Index(p.port[3], u.row);", "const int i5 = Index(p.port[5], u.row);",
       "LoadPicked<kWhole, float>(p.port[4], i3, 0", "LoadPicked<kWhole, float>(p.port[4], i3, 64",
       "WaitForPrevious();", "u.head[k] * 128 + 0"});
  EXPECT_THAT(part, Not(HasSubstr("Peek")));
}

TEST(GpuSource, RopeInterleavedMovesNeighboursTogether) {
  const std::string part = PartOf(testing::Rope({kBf, 4, 1, 64, 64, "interleaved"}), 0);
  ExpectInOrder(part, {"LoadPair<kWhole>(Row<BF16>(p.port[0], u.row) + u.head[k] * 64 + 0, ",
                       "x0[k][r], x1[k][r]);", "StorePair<kWhole>("});
  EXPECT_THAT(part, Not(HasSubstr("Load<kWhole, 2>")));
}

TEST(GpuSource, RopePartial) {
  const std::string part = PartOf(testing::Rope({kBf, 4, 1, 128, 64, "half"}), 0);
  // The rest of a head is as long as what turns: two octets of it to a thread.
  ExpectInOrder(part, {"Unit<4, kHeads, 4>", "const int n32[] = {8};", "const int n64[] = {8, 8};",
                       "OCTETS(kHeads, 2)", "Narrow<BF16>(x"});
}

TEST(GpuSource, RopeKvWrite) {
  const Program program = testing::Rope({kBf, 32, 8, 128, 128, "half", "", kF32, kF32, true, kF8});
  ExpectInOrder(PartOf(program, 1),
                {"const int i3", "const int i5", "const long long c5 = Slot(p.launch.cache, i5);",
                 "if (u.live[k] && c5 >= 0) Store<kWhole, 1>((F8*)p.launch.cache.plane[0] + c5",
                 "NarrowScaled(", "p.launch.cache.scale[0], u.head[k])"});
  EXPECT_THAT(PartOf(program, 2), HasSubstr("(F8*)p.launch.cache.plane[1]"));
  const GpuSource source = WriteGpuSource(program);
  EXPECT_TRUE(source.caches);
  EXPECT_EQ(source.cache_alignment, 8);
  EXPECT_EQ(source.has, (std::array{true, true, true}));
  EXPECT_EQ(source.parts[0].threads, (std::array<int64_t, 3>{256, 256, 128}));
  EXPECT_EQ(source.parts[2].threads, (std::array<int64_t, 3>{128, 128, 64}));
  EXPECT_THAT(source.text, HasSubstr("if (blockIdx.x < p.launch.first[1])"));
}

TEST(GpuSource, NormRopeKvWriteFoldsInTheRowsOrder) {
  const std::string part =
      PartOf(testing::Rope({kBf, 32, 8, 128, 64, "half", "llama", kBf, kBf, true, kBf}), 0);
  // Lanes t, t + 4, t + 8, t + 12 of sixteen are one thread's.
  ExpectInOrder(part, {"Unit<32, kHeads, 4>", "WaitForPrevious", "a", "[4] = {};",
                       "[k][0] += Squares(x0[k][0]", "[k][1] += Squares(x1[k][0]",
                       "[k][2] += Squares(x2[k][0]", "[k][3] += Squares(x2[k][1]", "Fold<4>("});
}

TEST(GpuSource, RowsThatAreNoOctetsGoThroughSharedMemory) {
  const GpuSource source = WriteGpuSource(testing::Rope({kBf, 4, 2, 80, 80, "half", "olmo"}));
  EXPECT_THAT(source.text, AllOf(HasSubstr("Stage<1>(row + 40"), HasSubstr("StagedLane<16, 80>"),
                                 HasSubstr("__shared__ float shared[640];")));
}

TEST(GpuSource, OddLengthsHaveNoOctets) {
  EXPECT_EQ(WriteGpuSource(testing::Rope({kF32, 3, 3, 7, 6, "half"})).has,
            (std::array{true, false, false}));
  EXPECT_EQ(WriteGpuSource(testing::Activation(kBf, 37, Code::kGelu, false)).has,
            (std::array{true, false, false}));
}

// Every element of a row is some thread's, and of one thread only.
TEST(GpuMapping, CoversEachRowOnce) {
  for (const testing::Named& named : testing::AllPrograms()) {
    SCOPED_TRACE(named.name);
    for (const Part& part : named.program.parts) {
      const GpuMapping map = MapPart(part);
      std::vector<int> times(static_cast<size_t>(part.width));
      for (const Segment& at : part.segments) {
        const int64_t octets = (at.length + kOctet - 1) / kOctet;
        const int64_t reps = map.sums == GpuMapping::Sums::kLooped
                                 ? (octets + map.group - 1) / map.group
                                 : map.RepsOf(at.length);
        for (int64_t t = 0; t < map.group; ++t) {
          for (int64_t r = 0; r < reps; ++r) {
            for (int64_t i = 8 * (t + r * map.group); i < 8 * (t + r * map.group) + 8; ++i) {
              if (i < at.length) ++times[static_cast<size_t>(at.begin + i * at.stride)];
            }
          }
        }
      }
      EXPECT_EQ(std::ranges::count(times, 1), part.width);
    }
  }
}

TEST(GpuSource, EqualProgramsHaveEqualText) {
  const Program a = testing::RmsNorm({kBf, kBf, 1, 64, "gemma"}), b = a;
  EXPECT_EQ(WriteGpuSource(a).text, WriteGpuSource(b).text);
}

}  // namespace
}  // namespace rw::native
