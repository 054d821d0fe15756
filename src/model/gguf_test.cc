#include "model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/gguf_testing.h"
#include "model/model_files.h"
#include "model/test_files.h"

namespace rw {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<GgufModel> Parse(const std::string& bytes) {
  return GgufModel::Parse(std::as_bytes(std::span(bytes)), "f.gguf");
}

std::string ErrorOf(const std::string& bytes) {
  const auto model = Parse(bytes);
  return model ? "(no error)" : model.error().message;
}

std::string Floats(std::vector<float> values) {
  std::string bytes;
  for (const float value : values) bytes += GgufNumber(value);
  return bytes;
}

TEST(Gguf, ReadsKeysAndTensors) {
  const std::string bytes = GgufBytes()
                                .Text("general.architecture", "llama")
                                .Whole("n", 7)
                                .Float("eps", 1e-5f)
                                .Bool("yes", true)
                                .Raw("low", GgufKind::kI8, "\xfe")
                                .Texts("tokens", {"a", "bc"})
                                .Wholes("kinds", {1, -3})
                                .Tensor("w", {2, 1}, 0, Floats({1, 2}))
                                .Tensor("q", {3, 32}, 8, std::string(102, '\1'))
                                .Bytes();
  const auto model = Parse(bytes);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(*model->Find("general.architecture")->AsString(), "llama");
  EXPECT_EQ(*model->Find("n")->AsInt(), 7);
  EXPECT_EQ(*model->Find("eps")->NumberText(), "1e-05");
  EXPECT_EQ(*model->Find("yes")->AsBool(), true);
  EXPECT_EQ(*model->Find("low")->AsInt(), -2);
  std::vector<std::string> tokens;
  ASSERT_TRUE(model->Find("tokens")->ForEachString([&](size_t, std::string_view text) -> Status {
    tokens.emplace_back(text);
    return {};
  }));
  EXPECT_THAT(tokens, ElementsAre("a", "bc"));
  std::vector<double> kinds;
  ASSERT_TRUE(model->Find("kinds")->ForEachNumber([&](size_t, double kind) -> Status {
    kinds.push_back(kind);
    return {};
  }));
  EXPECT_THAT(kinds, ElementsAre(1, -3));
  const auto w = model->FindTensor("w");
  EXPECT_THAT(w->info->shape, ElementsAre(2, 1));
  EXPECT_EQ(w->data().size(), 8u);
  EXPECT_EQ(std::to_integer<int>(w->data()[7]), 0x40);  // of 2.0f
  const auto q = model->FindTensor("q");
  EXPECT_EQ(q->info->type->name, "Q8_0");
  EXPECT_EQ(q->info->rows(), 3);
  EXPECT_EQ(q->data().size(), 3 * 34u);
  EXPECT_FALSE(model->FindTensor("x"));
  EXPECT_EQ(model->tensor_bytes(), 8u + 102u);
  EXPECT_THAT(model->Get("x").error().message, HasSubstr("f.gguf: x: expected among the file's 7"));
}

TEST(Gguf, ReadsVersion2) {
  GgufBytes bytes;
  bytes.version = 2;
  EXPECT_EQ(ErrorOf(bytes.Whole("n", 1).Bytes()), "(no error)");
}

TEST(Gguf, ValuesSayWhatTheyAre) {
  const std::string bytes = GgufBytes()
                                .Text("text", "a\nb")
                                .Whole("n", 7)
                                .Floats("list", {1, 2})
                                .Raw("big", GgufKind::kU64, GgufNumber(~uint64_t{0}))
                                .Float("nan", std::bit_cast<float>(0x7fc00000u))
                                .Bytes();
  const auto model = Parse(bytes);
  ASSERT_TRUE(model);
  const auto error = [](const auto& result) { return result.error().message; };
  EXPECT_EQ(error(model->Find("text")->AsInt()),
            "f.gguf: text: expected a whole number, found \"a?b\"");
  EXPECT_EQ(error(model->Find("n")->AsString()), "f.gguf: n: expected a string, found 7 (u32)");
  EXPECT_EQ(error(model->Find("n")->AsBool()), "f.gguf: n: expected a bool, found 7 (u32)");
  EXPECT_EQ(error(model->Find("list")->AsDouble()),
            "f.gguf: list: expected a number, found an array of 2 f32");
  EXPECT_THAT(error(model->Find("list")->ForEachString([](size_t, auto) { return Status(); })),
              HasSubstr("expected an array of strings"));
  EXPECT_THAT(error(model->Find("big")->AsInt()), HasSubstr("a whole number below 2^63"));
  EXPECT_THAT(error(model->Find("nan")->NumberText()), HasSubstr("expected a finite number"));
}

TEST(Gguf, RefusesWhatIsNoGguf) {
  EXPECT_EQ(ErrorOf(""),
            "f.gguf: file offset 0: expected a GGUF file, which begins with GGUF, "
            "found an empty file");
  EXPECT_THAT(ErrorOf("PK\3\4...."), HasSubstr("found \"PK??\""));
  EXPECT_THAT(ErrorOf("GGUF"), HasSubstr("expected a version, found the file's end"));
  GgufBytes bytes;
  bytes.version = 1;
  EXPECT_THAT(ErrorOf(bytes.Bytes()), HasSubstr("expected version 2 or 3, found 1"));
  bytes.version = 3u << 24;
  EXPECT_THAT(ErrorOf(bytes.Bytes()), HasSubstr("found a big-endian file"));
}

// Wherever a file ends, it is an error and not more.
TEST(Gguf, RefusesEveryBeginningOfAFile) {
  const std::string bytes = GgufBytes()
                                .Text("general.architecture", "llama")
                                .Texts("tokens", {"a", "bc"})
                                .Wholes("kinds", {1, 2})
                                .Tensor("w", {2, 1}, 0, Floats({1, 2}))
                                .Bytes();
  ASSERT_EQ(ErrorOf(bytes), "(no error)");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(ErrorOf(bytes.substr(0, size)), HasSubstr("f.gguf: file offset ")) << size;
  }
}

TEST(Gguf, RefusesCountsThatTheFileCannotHold) {
  GgufBytes many_keys;
  many_keys.more_keys = uint64_t{1} << 60;
  EXPECT_THAT(ErrorOf(many_keys.Bytes()), HasSubstr("expected at most 65536 keys, found 11529"));
  GgufBytes many_tensors;
  many_tensors.more_tensors = 65'537;
  EXPECT_THAT(ErrorOf(many_tensors.Bytes()), HasSubstr("at most 65536 tensors, found 65537"));
  GgufBytes one_key;
  one_key.more_keys = 1;
  EXPECT_THAT(ErrorOf(one_key.Bytes()), HasSubstr("cut short"));
  const auto array = [](GgufKind element, uint64_t count) {
    return ErrorOf(
        GgufBytes().Raw("k", GgufKind::kArray, GgufBytes::ArrayOf(element, count)).Bytes());
  };
  EXPECT_THAT(array(GgufKind::kF64, uint64_t{1} << 61), HasSubstr("key \"k\": expected 2305"));
  EXPECT_THAT(array(GgufKind::kString, ~uint64_t{0}), HasSubstr("key \"k\": expected a string"));
  EXPECT_THAT(array(GgufKind::kArray, 1), HasSubstr("found one of arrays"));
  EXPECT_THAT(ErrorOf(GgufBytes().Raw("k", GgufKind{13}, "").Bytes()),
              HasSubstr("expected a type of value from 0 to 12, found 13"));
  EXPECT_THAT(ErrorOf(GgufBytes().Raw("k", GgufKind::kString, GgufNumber(~uint64_t{0})).Bytes()),
              HasSubstr("found"));
  EXPECT_THAT(ErrorOf(GgufBytes().Whole(std::string(1025, 'k'), 1).Bytes()),
              HasSubstr("expected a key of at most 1024 bytes, found 1025"));
}

TEST(Gguf, RefusesNamesThatComeTwice) {
  EXPECT_THAT(ErrorOf(GgufBytes().Whole("k", 1).Whole("k", 2).Bytes()),
              HasSubstr("key \"k\": expected this key once, found it twice"));
  EXPECT_THAT(ErrorOf(GgufBytes().Tensor("w", {1}, 0, "abcd").Tensor("w", {1}, 0, "abcd").Bytes()),
              HasSubstr("tensor \"w\": expected this tensor once, found it twice"));
}

TEST(Gguf, RefusesTensorsThatCannotBe) {
  const auto tensor = [](std::vector<int64_t> shape, uint32_t type, uint64_t offset = 0) {
    return ErrorOf(GgufBytes().TensorAt("w", shape, type, offset).Bytes() + std::string(64, '\0'));
  };
  EXPECT_EQ(tensor({16}, 0), "(no error)");
  EXPECT_THAT(tensor({}, 0), HasSubstr("tensor \"w\": expected 1 to 4 dims, found 0"));
  EXPECT_THAT(tensor({1, 1, 1, 1, 1}, 0), HasSubstr("expected 1 to 4 dims, found 5"));
  EXPECT_THAT(tensor({0}, 0), HasSubstr("expected dims of at least 1"));
  EXPECT_THAT(tensor({-1}, 0), HasSubstr("expected dims of at least 1"));
  EXPECT_THAT(tensor({int64_t{1} << 40, int64_t{1} << 40}, 0), HasSubstr("fits 63 bits"));
  EXPECT_THAT(tensor({int64_t{1} << 62}, 0), HasSubstr("a size that fits 63 bits"));
  EXPECT_THAT(tensor({1}, 4), HasSubstr("expected a known tensor type, found 4"));
  EXPECT_THAT(tensor({2, 33}, 8),
              HasSubstr("expected rows of a multiple of 32 elements for type Q8_0, found 33"));
  EXPECT_THAT(tensor({1}, 0, 4), HasSubstr("an offset that is a multiple of 32, found 4"));
  EXPECT_THAT(tensor({17}, 0), HasSubstr("expected 68 bytes at offset 0 of the data, found 64"));
  EXPECT_THAT(tensor({1}, 0, uint64_t{1} << 63), HasSubstr("the file is cut short"));
  EXPECT_THAT(ErrorOf(GgufBytes().TensorAt("a", {16}, 0, 0).TensorAt("b", {1}, 0, 32).Bytes() +
                      std::string(64, '\0')),
              HasSubstr("tensor \"b\": expected its data apart from that of \"a\""));
}

TEST(Gguf, HeedsAlignment) {
  const auto with = [](uint32_t alignment) {
    return ErrorOf(
        GgufBytes().Whole("general.alignment", alignment).TensorAt("a", {1}, 0, 8).Bytes() +
        std::string(64, '\0'));
  };
  EXPECT_EQ(with(8), "(no error)");
  EXPECT_THAT(with(16), HasSubstr("an offset that is a multiple of 16, found 8"));
  EXPECT_THAT(with(0), HasSubstr("general.alignment: expected a power of two up to 1048576"));
  EXPECT_THAT(with(24), HasSubstr("found 24 (u32)"));
}

GgufBytes Split(uint32_t number, uint32_t count, uint32_t tensors) {
  return GgufBytes()
      .Whole("split.no", number)
      .Whole("split.count", count)
      .Whole("split.tensors.count", tensors);
}

TEST(GgufSplit, OpensAllFilesByTheFirst) {
  TestDir dir;
  dir.Write("m-00001-of-00002.gguf", Split(0, 2, 2).Tensor("a", {1}, 0, "abcd").Bytes());
  dir.Write("m-00002-of-00002.gguf", Split(1, 2, 2).Tensor("b", {1}, 0, "efgh").Bytes());
  const auto model = GgufModel::Open(dir / "m-00001-of-00002.gguf");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(std::to_integer<char>(model->FindTensor("b")->data()[0]), 'e');
  EXPECT_EQ(model->tensors(), 2u);
  EXPECT_THAT(GgufModel::Open(dir / "m-00002-of-00002.gguf").error().message,
              HasSubstr("whose name ends in -00001-of-00002.gguf, found file 2: give its path"));
}

TEST(GgufSplit, RefusesWhatIsNotWhole) {
  TestDir dir;
  const auto error = [&] {
    const auto model = GgufModel::Open(dir / "m-00001-of-00002.gguf");
    return model ? "(no error)" : model.error().message;
  };
  dir.Write("m-00001-of-00002.gguf", Split(0, 2, 3).Tensor("a", {1}, 0, "abcd").Bytes());
  EXPECT_THAT(error(), HasSubstr("m-00002-of-00002.gguf: cannot open"));
  dir.Write("m-00002-of-00002.gguf", Split(1, 2, 3).Tensor("b", {1}, 0, "efgh").Bytes());
  EXPECT_THAT(error(), HasSubstr("expected 3 tensors in 2 files, found 2"));
  dir.Write("m-00002-of-00002.gguf", Split(1, 2, 3).Tensor("a", {1}, 0, "efgh").Bytes());
  EXPECT_THAT(error(), HasSubstr("tensor \"a\": expected in one file, also found in"));
  dir.Write("m.gguf", Split(0, 2, 3).Bytes());
  EXPECT_THAT(GgufModel::Open(dir / "m.gguf").error().message, HasSubstr("whose name ends in"));
}

TEST(ModelFiles, AFolderOfGgufFilesIsNoModel) {
  TestDir dir;
  EXPECT_THAT(CheckModel(dir / "none").error().message, HasSubstr("found nothing of that name"));
  EXPECT_TRUE(CheckModel(dir.path()));  // its reader says what is missing
  dir.Write("a.gguf", GgufBytes().Bytes());
  EXPECT_TRUE(CheckModel(dir / "a.gguf"));
  EXPECT_THAT(CheckModel(dir.path()).error().message,
              HasSubstr("found the GGUF file a.gguf: give its path, " + dir.path() + "/a.gguf"));
  dir.Write("b.gguf", GgufBytes().Bytes());
  EXPECT_THAT(CheckModel(dir.path()).error().message, HasSubstr("found 2 GGUF files"));
  dir.Write("config.json", "{}");
  EXPECT_TRUE(CheckModel(dir.path()));
}

}  // namespace
}  // namespace rw
