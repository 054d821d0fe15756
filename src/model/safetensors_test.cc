#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

#include "model/safetensors_writer.h"
#include "model/test_files.h"

namespace rw {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Keeps the bytes it parses, at an address that is a multiple of 16 plus `shift`.
class Parsed {
 public:
  explicit Parsed(std::string_view bytes, size_t shift = 0)
      : storage_(bytes.size() / sizeof(Block) + 2) {
    auto* begin = reinterpret_cast<std::byte*>(storage_.data()) + shift;
    if (!bytes.empty()) std::memcpy(begin, bytes.data(), bytes.size());
    file_.emplace(SafetensorsFile::Parse({begin, bytes.size()}, "f.safetensors"));
  }

  const SafetensorsFile& operator*() const { return **file_; }
  const SafetensorsFile* operator->() const { return &**file_; }
  std::string error() const { return file_->has_value() ? "(no error)" : file_->error().message; }

 private:
  struct alignas(16) Block {
    char bytes[16];
  };
  std::vector<Block> storage_;
  std::optional<Result<SafetensorsFile>> file_;
};

std::string ErrorOf(std::string_view header, std::string_view data = {}) {
  return Parsed(SafetensorsBytes(header, data)).error();
}

std::string LengthPrefix(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i));
  return bytes;
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheHeader) {
  const Parsed file(SafetensorsBytes(
      R"({"__metadata__":{"format":"pt"}, "b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},)"
      "\n\t"
      R"("a\u00e9\"":{"data_offsets":[0,4],"shape":[],"dtype":"I32"} }   )",
      std::string("\x07\0\0\0\0\0\x80\x3f\0\0\0\x40", 12)));
  ASSERT_EQ(file.error(), "(no error)");
  ASSERT_EQ(file->entries().size(), 2u);
  EXPECT_EQ(file->entries()[0].name, "b");
  EXPECT_EQ(file->entries()[1].name, "a\xc3\xa9\"");
  const TensorView b = *file->Find("b");
  EXPECT_EQ(b.dtype, DType::kF32);
  EXPECT_EQ(b.rank, 2);
  EXPECT_EQ(b.dims[0], 2);
  EXPECT_THAT(b.flat<float>(), ElementsAre(1.0f, 2.0f));
  const TensorView a = *file->Find("a\xc3\xa9\"");
  EXPECT_EQ(a.rank, 0);
  EXPECT_THAT(a.flat<int32_t>(), ElementsAre(7));
  EXPECT_THAT(file->Find("c").error().message, HasSubstr("tensor \"c\""));
}

TEST(Safetensors, QuotesNamesInOneShortLine) {
  EXPECT_EQ(QuoteName("a\nb"), "\"a?b\"");
  EXPECT_EQ(QuoteName(std::string(79, 'x') + "\xc3\xa9"), "\"" + std::string(79, 'x') + "...\"");
  EXPECT_EQ(QuoteName(std::string(78, 'x') + "\xc3\xa9"),
            "\"" + std::string(78, 'x') + "\xc3\xa9\"");
}

TEST(Safetensors, AcceptsAFileWithoutTensors) {
  EXPECT_EQ(ErrorOf("{}"), "(no error)");
  EXPECT_EQ(ErrorOf(R"( {"__metadata__":{}})"), "(no error)");
}

TEST(Safetensors, RefusesLengthsThatCannotBe) {
  for (const size_t size : {0, 1, 7}) {
    EXPECT_THAT(Parsed(std::string(size, '\0')).error(),
                HasSubstr(fmt::format("f.safetensors: file offset 0: expected a safetensors file, "
                                      "found only {} bytes",
                                      size)));
  }
  struct Case {
    uint64_t length;
    std::string_view message;
  };
  for (const auto& [length, message] : {
           Case{0, "at least 2 bytes, found length 0"},
           Case{1, "at least 2 bytes, found length 1"},
           Case{3, "length 3 with 2 bytes left"},
           Case{100'000'000, "length 100000000 with 2 bytes left"},
           Case{100'000'001, "at most 100000000 bytes, found length 100000001"},
           Case{uint64_t{1} << 63, "found length 9223372036854775808"},
           Case{~uint64_t{0}, "found length 18446744073709551615"},
       }) {
    EXPECT_THAT(Parsed(LengthPrefix(length) + "{}").error(),
                AllOf(HasSubstr("f.safetensors: file offset 0"), HasSubstr(message)));
  }
  const std::string wide(kMaxHeaderBytes + 1, ' ');
  EXPECT_THAT(ErrorOf(wide), HasSubstr("more than this build reads"));
}

TEST(Safetensors, RefusesHeadersThatAreNotSuchAnObject) {
  struct Case {
    std::string header;
    std::string_view message;
  };
  const std::vector<Case> cases = {
      {"[]", "file offset 8: expected '{', found '['"},
      {"  ", "expected '{', found the header's end"},
      {"{} x", "file offset 11: expected nothing after the object but padding, found 'x'"},
      {"{\"a", "file offset 11: expected a closing '\"', found the header's end"},
      {"{\"a\xff\":1}", "file offset 11: expected UTF-8, found byte 0xff"},
      {"{\"a\xc0\x80\":1}", "expected UTF-8, found byte 0xc0"},         // overlong
      {"{\"\xed\xa0\x80\":1}", "expected UTF-8, found byte 0xed"},      // a surrogate
      {"{\"\xf4\x90\x80\x80\":1}", "expected UTF-8, found byte 0xf4"},  // above U+10FFFF
      {"{\"\xe2\x82", "expected UTF-8, found byte 0xe2"},               // cut short
      {"{\"a\nb\":1}", "no control character in a string, found byte 0x0a"},
      {"{\"\\x\":1}", "expected an escape, found 'x'"},
      {"{\"\\u12g4\":1}", "four hexadecimal digits, found 'g'"},
      {"{\"\\ud800x\":1}", "a pair of surrogates"},
      {"{\"a\":1}", "tensor \"a\": expected '{', found '1'"},
      {"{\"a\":" + std::string(100'000, '['), "tensor \"a\": expected '{', found '['"},
      {std::string(100'000, '{'), "file offset 9: expected a string, found '{'"},
      {R"({"__metadata__":{"a":1}})", "expected a string, found '1'"},
      {R"({"__metadata__":{},"__metadata__":{}})", "\"__metadata__\" once, found it twice"},
      {R"({"a":{"shape":[1],"data_offsets":[0,1]}})", "tensor \"a\": expected dtype, shape"},
      {R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "found no shape"},
      {R"({"a":{"dtype":"U8","shape":[1]}})", "found no data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "found 1 data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "at most 2 numbers"},
      {R"({"a":{"dtype":"U8","dtype":"U8"}})", "tensor \"a\": expected dtype, shape and"},
      {R"({"a":{"dtype":"U8","x":[]}})", "once each, found \"x\""},
      {R"({"a":{"dtype":"Q7","shape":[1]}})", "tensor \"a\": expected a dtype out of"},
      {R"({"a":{"dtype":"U8","shape":[-1]}})", "tensor \"a\": expected a whole number, found '-'"},
      {R"({"a":{"dtype":"U8","shape":[1.5]}})", "expected a whole number, found '.'"},
      {R"({"a":{"dtype":"U8","shape":[1e3]}})", "expected a whole number, found 'e'"},
      {R"({"a":{"dtype":"U8","shape":[01]}})", "found one with a leading zero"},
      {R"({"a":{"dtype":"U8","shape":[1 2]}})", "expected ',' or ']', found '2'"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616]}})", "below 2^64"},
      {R"({"a":{"dtype":"U8","shape":[1,]}})", "expected a whole number, found ']'"},
  };
  for (const auto& [header, message] : cases) {
    EXPECT_THAT(ErrorOf(header), AllOf(HasSubstr("f.safetensors: header"), HasSubstr(message)))
        << header.substr(0, 100);
  }
}

TEST(Safetensors, RefusesExtentsThatDoNotFit) {
  struct Case {
    std::string_view header;
    std::string_view message;
  };
  for (const auto& [header, message] : {
           Case{R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
                "tensor \"x\": expected data_offsets in order within the 8 bytes of data, found "
                "[8, 0]"},
           Case{R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "found [0, 16]"},
           Case{R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,6]}})",
                "tensor \"x\": expected 8 bytes for F32 [2], found 6"},
           Case{R"({"x":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,8]}})",
                "tensor \"x\": expected 12 bytes for BF16 [2, 3], found 8"},
           Case{R"({"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})",
                "tensor \"x\": expected 2 bytes for F4 [3]"},
           Case{R"({"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                "tensor \"x\": expected a shape of less than 2^64 bits"},
           Case{R"({"x":{"dtype":"U8","shape":[0,9223372036854775808],"data_offsets":[0,0]}})",
                "tensor \"x\": expected a shape of less than 2^64 bits"},
           Case{R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                R"("y":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}})",
                "tensor \"y\": expected its data to begin at offset 4, where the tensor before it "
                "ends, found 2 (they overlap)"},
           Case{R"({"y":{"dtype":"U8","shape":[3],"data_offsets":[5,8]},)"
                R"("x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                "tensor \"y\": expected its data to begin at offset 4, where the tensor before it "
                "ends, found 5 (a gap)"},
           Case{R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", "at offset 0"},
           Case{R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                "f.safetensors: expected 4 bytes of data as the header says, found 8"},
           Case{R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                R"("x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                "tensor \"x\": expected once, found twice"},
       }) {
    EXPECT_THAT(ErrorOf(header, "12345678"), HasSubstr(message)) << header;
  }
}

TEST(Safetensors, RefusesAMillionTensors) {
  std::string header = "{";
  for (int i = 0; i < 1'000'000; ++i) {
    header += fmt::format("{}\"{}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                          i == 0 ? "" : ",", i);
    if (header.size() > kMaxHeaderBytes - 200) break;
  }
  EXPECT_THAT(ErrorOf(header + "}"), HasSubstr("at most 65536 tensors, found more"));
}

TEST(Safetensors, ListsWhatItCannotUseAndSaysSoOnUse) {
  const Parsed file(
      SafetensorsBytes(R"({"f8":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},)"
                       R"("deep":{"dtype":"F16","shape":[1,1,1,1,1],"data_offsets":[2,4]},)"
                       R"("none":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]}})",
                       "1234"));
  ASSERT_EQ(file.error(), "(no error)");
  EXPECT_EQ(file->entries().size(), 3u);
  EXPECT_EQ(file->DataOf(*file->FindEntry("f8")).size(), 2u);
  EXPECT_THAT(file->Find("f8").error().message,
              HasSubstr("tensor \"f8\": expected dtype F32, F16, BF16 or I32, found F8_E4M3"));
  EXPECT_THAT(file->Find("deep").error().message,
              HasSubstr("tensor \"deep\": expected at most 4 dims, found [1, 1, 1, 1, 1]"));
  EXPECT_THAT(file->Find("none").error().message,
              HasSubstr("tensor \"none\": expected at least one element, found shape [0, 5]"));
}

TEST(Safetensors, CopiesDataThatIsNotAligned) {
  const std::string bytes =
      SafetensorsBytes(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                       std::string("\0\0\x80\x3f\0\0\0\x40", 8));
  for (size_t shift = 0; shift < 4; ++shift) {
    const Parsed file(bytes, shift);
    const TensorView view = *file->Find("x");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % 4, 0u);
    EXPECT_THAT(view.flat<float>(), ElementsAre(1.0f, 2.0f));
    EXPECT_EQ(file->Find("x")->data, view.data);
  }
}

TEST(Safetensors, WritesWhatItReads) {
  const TestDir dir;
  std::array<uint16_t, 3> halves = {1, 2, 3};
  std::array<float, 6> floats = {1, 2, 3, 4, 5, 6};
  std::array<int32_t, 1> ints = {-7};
  TensorView columns =
      TensorView::Contiguous(floats.data(), DType::kF32, std::array<int64_t, 2>{2, 2});
  columns.row_stride = 3;  // the first two of three columns
  const std::vector<NamedTensor> tensors = {
      {"h", TensorView::Contiguous(halves.data(), DType::kBF16, std::array<int64_t, 1>{3})},
      {"quote\" \\ \n", columns},
      {"i", TensorView::Contiguous(ints.data(), DType::kI32, {})},
  };
  const std::string path = dir / "w.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->Find("h")->flat<uint16_t>(), ElementsAre(1, 2, 3));
  EXPECT_THAT(file->Find("quote\" \\ \n")->flat<float>(), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(file->Find("i")->flat<int32_t>(), ElementsAre(-7));
  for (const auto& entry : file->entries()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->DataOf(entry).data()) % SizeOf(*entry.type->dtype),
              0u);
  }
  EXPECT_THAT(WriteSafetensors(dir / "no/such/dir", tensors).error().message,
              HasSubstr("cannot create"));
}

TEST(Safetensors, OpensOnlyRegularFiles) {
  const TestDir dir;
  EXPECT_THAT(SafetensorsFile::Open(dir / "none").error().message, HasSubstr("cannot open"));
  EXPECT_THAT(SafetensorsFile::Open(dir.path()).error().message, HasSubstr("regular file"));
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(SafetensorsFile::Open(dir / "fifo").error().message, HasSubstr("regular file"));
  dir.Write("empty", "");
  EXPECT_THAT(SafetensorsFile::Open(dir / "empty").error().message, HasSubstr("only 0 bytes"));
}

}  // namespace
}  // namespace rw
