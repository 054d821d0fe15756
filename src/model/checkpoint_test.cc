#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "model/test_files.h"

namespace rw {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A file with one F32 tensor of two elements.
std::string OneTensor(std::string_view name) {
  return SafetensorsBytes(
      fmt::format(R"({{"{}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}})", name),
      std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

std::string Index(std::string_view weight_map) {
  return fmt::format(R"({{"metadata": {{"total_size": 16}}, "weight_map": {{{}}}}})", weight_map);
}

std::string ErrorOf(const std::string& dir) {
  const auto checkpoint = Checkpoint::Open(dir);
  return checkpoint ? "(no error)" : checkpoint.error().message;
}

TEST(Checkpoint, OpensASingleFile) {
  const TestDir dir;
  dir.Write("model.safetensors", OneTensor("x"));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->names(), ElementsAre("x"));
  EXPECT_EQ(checkpoint->total_bytes(), 8u);
  EXPECT_TRUE(checkpoint->Has("x"));
  EXPECT_FALSE(checkpoint->Has("y"));
  EXPECT_THAT(checkpoint->Get("x")->flat<float>(), ElementsAre(1.0f, 2.0f));
  EXPECT_THAT(checkpoint->Get("y").error().message, HasSubstr("tensor \"y\""));
}

TEST(Checkpoint, OpensShards) {
  const TestDir dir;
  dir.Write("a.safetensors", OneTensor("x"));
  dir.Write("b.safetensors", OneTensor("w"));
  dir.Write("model.safetensors.index.json", Index(R"("x": "a.safetensors", "w": "b.safetensors")"));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->names(), ElementsAre("w", "x"));
  EXPECT_EQ(checkpoint->total_bytes(), 16u);
  EXPECT_EQ(checkpoint->files().size(), 2u);
  EXPECT_THAT(checkpoint->Get("w")->flat<float>(), ElementsAre(1.0f, 2.0f));
}

TEST(Checkpoint, RefusesShardNamesThatLeadElsewhere) {
  const TestDir outside;
  outside.Write("secret.safetensors", OneTensor("x"));
  const TestDir dir;
  fs::create_symlink(outside / "secret.safetensors", dir / "link.safetensors");
  fs::create_symlink(dir / "nowhere", dir / "dangling.safetensors");
  fs::create_directory(dir / "folder.safetensors");
  dir.Write("sub/s.safetensors", OneTensor("x"));
  struct Case {
    std::string shard;
    std::string_view message;
  };
  for (const auto& [shard, message] : {
           Case{"../../etc/passwd", "plain name of a file in the model folder, found \"../../etc"},
           Case{outside / "secret.safetensors", "plain name of a file in the model folder"},
           Case{"sub/s.safetensors", "plain name of a file in the model folder, found \"sub/s."},
           Case{"", "plain name of a file in the model folder, found \"\""},
           Case{"..", "plain name of a file in the model folder, found \"..\""},
           Case{"a\\u0000b", "plain name of a file in the model folder"},
           Case{"link.safetensors",
                "link.safetensors: expected a file within the model folder, "
                "found a link that leads outside"},
           Case{"dangling.safetensors", "dangling.safetensors: cannot open"},
           Case{"folder.safetensors", "folder.safetensors: expected a regular file"},
           Case{"missing.safetensors", "missing.safetensors: cannot open: No such file"},
       }) {
    dir.Write("model.safetensors.index.json", Index(fmt::format(R"("x": "{}")", shard)));
    EXPECT_THAT(ErrorOf(dir.path()),
                AllOf(HasSubstr("model.safetensors.index.json: weight_map: "), HasSubstr(message)));
  }
}

TEST(Checkpoint, RefusesIndexesThatDisagreeWithTheShards) {
  const TestDir dir;
  dir.Write("a.safetensors", OneTensor("x"));
  dir.Write("b.safetensors", OneTensor("x"));
  dir.Write("c.safetensors", OneTensor("z"));
  struct Case {
    std::string text;
    std::string_view message;
  };
  for (const auto& [text, message] : {
           Case{Index(R"("y": "a.safetensors")"), "expected tensor \"y\" in \"a.safetensors\""},
           Case{Index(R"("x": "a.safetensors", "z": "b.safetensors", "q": "c.safetensors")"),
                "b.safetensors: tensor \"x\": expected in one shard, also found in"},
           Case{Index(R"("x": "a.safetensors", "x": "c.safetensors")"),
                "weight_map.x: expected once, found twice"},
           Case{Index(R"("x": 3)"), "weight_map.x: expected a string, found 3"},
           Case{Index(""), "weight_map: expected at least one tensor"},
           Case{"{}", "weight_map: missing"},
           Case{"[]", "index.json: expected an object, found an array"},
           Case{"{", "index.json: expected valid JSON"},
       }) {
    dir.Write("model.safetensors.index.json", text);
    EXPECT_THAT(ErrorOf(dir.path()), HasSubstr(message));
  }
}

// models--org--name/{blobs/<hash>, snapshots/<revision>/<file> -> ../../blobs/<hash>}
TEST(Checkpoint, FollowsTheLinksOfTheHuggingFaceCacheOnly) {
  const TestDir cache;
  cache.Write("models--o--a/blobs/1234", OneTensor("x"));
  cache.Write("models--o--b/blobs/5678", OneTensor("x"));
  const std::string snapshot = cache / "models--o--a/snapshots/rev1";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/1234", snapshot + "/model.safetensors");
  EXPECT_EQ(ErrorOf(snapshot), "(no error)");
  EXPECT_EQ(ErrorOf(snapshot + "/"), "(no error)");

  const std::string alias = cache / "alias";  // a link to the folder itself is the user's choice
  fs::create_directory_symlink(snapshot, alias);
  EXPECT_EQ(ErrorOf(alias), "(no error)");

  fs::remove(snapshot + "/model.safetensors");
  fs::create_symlink("../../../models--o--b/blobs/5678", snapshot + "/model.safetensors");
  EXPECT_THAT(ErrorOf(snapshot), HasSubstr("found a link that leads outside"));

  // Elsewhere a folder called blobs has no such standing.
  cache.Write("x/blobs/1234", OneTensor("x"));
  fs::create_directories(cache / "x/models/m");
  fs::create_symlink("../../blobs/1234", cache / "x/models/m/model.safetensors");
  EXPECT_THAT(ErrorOf(cache / "x/models/m"), HasSubstr("found a link that leads outside"));
}

TEST(Checkpoint, SaysWhatItFoundInsteadOfSafetensors) {
  const TestDir dir;
  EXPECT_THAT(ErrorOf(dir / "none"), HasSubstr("expected a model folder, found nothing"));
  EXPECT_THAT(ErrorOf(dir.path()), HasSubstr("found neither among 0 files"));
  dir.Write("adapter_model.safetensors", OneTensor("x"));
  EXPECT_THAT(ErrorOf(dir.path()), HasSubstr("found \"adapter_model.safetensors\": only model."));
  dir.Write("pytorch_model.bin", "PK");
  EXPECT_THAT(ErrorOf(dir.path()),
              AllOf(HasSubstr("expected model.safetensors or model.safetensors.index.json"),
                    HasSubstr("found \"pytorch_model.bin\": PyTorch files are not read")));
  dir.Write("q4.gguf", "GGUF");
  EXPECT_THAT(ErrorOf(dir.path()),
              HasSubstr("found \"q4.gguf\": a GGUF file is a model by itself"));
  EXPECT_THAT(ErrorOf(dir / "q4.gguf"), HasSubstr("expected a model folder, found a file"));
}

TEST(Checkpoint, PrefetchReportsAllBytes) {
  const TestDir dir;
  const size_t size = size_t{40} << 20;  // three pieces
  dir.Write(
      "model.safetensors",
      SafetensorsBytes(
          fmt::format(R"({{"x":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}})", size),
          std::string(size, 'x')));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::vector<uint64_t> reports;
    uint64_t all = 0;
    ASSERT_TRUE(checkpoint->Prefetch(pool, [&](uint64_t done, uint64_t total) {
      reports.push_back(done);
      all = total;
    }));
    EXPECT_EQ(reports.size(), 3u);
    EXPECT_TRUE(std::is_sorted(reports.begin(), reports.end()));
    EXPECT_EQ(reports.back(), all);
    EXPECT_EQ(all, fs::file_size(dir / "model.safetensors"));
  }
}

TEST(Checkpoint, PrefetchReportsAFileThatBecameShorter) {
  const TestDir dir;
  dir.Write("model.safetensors",
            SafetensorsBytes(R"({"x":{"dtype":"U8","shape":[100000],"data_offsets":[0,100000]}})",
                             std::string(100000, 'x')));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  ASSERT_EQ(::truncate((dir / "model.safetensors").c_str(), 5000), 0);
  ThreadPool pool(2);
  const Status status = checkpoint->Prefetch(pool);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message,
              AllOf(HasSubstr("model.safetensors"), HasSubstr("the file became shorter")));
}

TEST(Checkpoint, FindsElementsThatAreNoFiniteNumber) {
  const TestDir dir;
  const auto bits = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  const std::string f32 = bits(1.0f) + bits(std::numeric_limits<float>::quiet_NaN()) +
                          bits(-std::numeric_limits<float>::infinity());
  const std::string bf16 = bits(uint16_t{0x7f7f}) + bits(uint16_t{0xff80});  // largest, -inf
  const std::string f16 = bits(uint16_t{0x7c01}) + bits(uint16_t{0x7bff});   // NaN, largest
  const std::string ints = bits(int32_t{0x7fc00000});
  dir.Write("model.safetensors",
            SafetensorsBytes(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
                             R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},)"
                             R"("c":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},)"
                             R"("d":{"dtype":"I32","shape":[1],"data_offsets":[20,24]},)"
                             R"("e":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]}})",
                             f32 + bf16 + f16 + ints + bits(uint16_t{0})));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  ThreadPool pool(2);
  const auto found = checkpoint->FindNonFinite(pool);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].tensor, "a");
  EXPECT_EQ(found[0].count, 2);
  EXPECT_EQ(found[0].first, 1);
  EXPECT_EQ(found[1].tensor, "b");
  EXPECT_EQ(found[1].first, 1);
  EXPECT_EQ(found[2].tensor, "c");
  EXPECT_EQ(found[2].first, 0);
}

TEST(Checkpoint, OpensTheGoldenModels) {
  const fs::path models = fs::path(RW_SOURCE_DIR) / "tests/golden/models";
  int opened = 0;
  for (const auto& entry : fs::directory_iterator(models)) {
    const auto checkpoint = Checkpoint::Open(entry.path().string());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    ThreadPool pool(2);
    EXPECT_TRUE(checkpoint->FindNonFinite(pool).empty());
    EXPECT_TRUE(checkpoint->Has("model.embed_tokens.weight"));
    for (const auto& name : checkpoint->names()) EXPECT_TRUE(checkpoint->Get(name)) << name;
    ++opened;
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace rw
