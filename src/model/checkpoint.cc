#include "model/checkpoint.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/file.h"
#include "base/json.h"
#include "model/model_dir.h"

namespace rw {
namespace {

constexpr char kSingle[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr size_t kMaxIndexBytes = size_t{64} << 20;  // some 500,000 tensors

// What else a folder may hold instead, for a message that helps.
struct OtherFormat {
  std::string_view suffix;
  std::string_view advice;
};
constexpr OtherFormat kOtherFormats[] = {
    {".gguf", "a GGUF file is a model by itself: give its path instead of the folder's"},
    {".bin", "PyTorch files are not read: convert them to safetensors"},
    {".pt", "PyTorch files are not read: convert them to safetensors"},
    {".pth", "PyTorch files are not read: convert them to safetensors"},
    {".h5", "TensorFlow files are not read: convert them to safetensors"},
    {".msgpack", "Flax files are not read: convert them to safetensors"},
    {".safetensors", "only model.safetensors or shards named by an index are read"},
};

tl::unexpected<Error> NoWeights(const std::string& model_dir,
                                const std::vector<std::string>& files) {
  for (const auto& [suffix, advice] : kOtherFormats) {
    for (const auto& file : files) {
      if (file.ends_with(suffix)) {
        return Err("{}: expected {} or {}, found {}: {}", model_dir, kSingle, kIndex,
                   QuoteName(file), advice);
      }
    }
  }
  return Err("{}: expected {} or {}, found neither among {} files", model_dir, kSingle, kIndex,
             files.size());
}

struct WeightMap {
  std::map<std::string, std::string> shard_of;  // by tensor
  std::vector<std::string> shards;              // each once, in the order of the file
};

Result<WeightMap> ReadWeightMap(const Json& root) {
  WeightMap map;
  RW_ASSIGN(const Json weight_map, root.Get("weight_map"));
  std::map<std::string, bool> seen;
  RW_TRY(weight_map.ForEachMember([&](std::string_view tensor, const Json& value) -> Status {
    RW_ASSIGN(const std::string_view shard, value.AsString());
    if (!map.shard_of.emplace(tensor, shard).second) {
      return Err("{}: expected once, found twice", value.where());
    }
    if (seen.emplace(shard, true).second) map.shards.emplace_back(shard);
    return {};
  }));
  if (map.shards.empty()) return weight_map.Expected("at least one tensor with its shard");
  return map;
}

Result<SafetensorsFile> OpenIn(const std::string& model_dir, const std::string& file) {
  RW_ASSIGN(const std::string path, ResolveModelFile(model_dir, file));
  return SafetensorsFile::Open(path, model_dir + "/" + file);
}

}  // namespace

Result<Checkpoint> Checkpoint::Open(const std::string& model_dir) {
  RW_ASSIGN(const std::vector<std::string> files, ListModelDir(model_dir));
  const auto has = [&](const char* name) {
    return std::binary_search(files.begin(), files.end(), name);
  };
  // With both, transformers takes the single file too.
  if (has(kSingle)) return OpenSingle(model_dir);
  if (has(kIndex)) return OpenSharded(model_dir);
  return NoWeights(model_dir, files);
}

Result<Checkpoint> Checkpoint::OpenSingle(const std::string& model_dir) {
  Checkpoint checkpoint;
  RW_ASSIGN(SafetensorsFile file, OpenIn(model_dir, kSingle));
  checkpoint.files_.push_back(std::move(file));
  RW_TRY(checkpoint.IndexTensors());
  return checkpoint;
}

Result<Checkpoint> Checkpoint::OpenSharded(const std::string& model_dir) {
  const std::string shown = model_dir + "/" + kIndex;
  RW_ASSIGN(const std::string path, ResolveModelFile(model_dir, kIndex));
  RW_ASSIGN(const std::string text, ReadFile(path, kMaxIndexBytes));
  RW_ASSIGN(const JsonDocument document, JsonDocument::Parse(text, shown));
  RW_ASSIGN(const WeightMap map, ReadWeightMap(document.root()));

  Checkpoint checkpoint;
  std::map<std::string_view, size_t> file_of;  // by shard
  for (const std::string& shard : map.shards) {
    auto file = OpenIn(model_dir, shard);
    if (!file) return Err("{}: weight_map: {}", shown, file.error().message);
    file_of[shard] = checkpoint.files_.size();
    checkpoint.files_.push_back(*std::move(file));
  }
  RW_TRY(checkpoint.IndexTensors());
  for (const auto& [tensor, shard] : map.shard_of) {
    if (checkpoint.files_[file_of[shard]].FindEntry(tensor) == nullptr) {
      return Err("{}: weight_map: expected tensor {} in {}, not found there", shown,
                 QuoteName(tensor), QuoteName(shard));
    }
  }
  return checkpoint;
}

Status Checkpoint::IndexTensors() {
  std::vector<Place> places;
  const auto name_of = [&](const Place& place) -> const std::string& {
    return files_[place.file].entries()[place.entry].name;
  };
  for (size_t file = 0; file < files_.size(); ++file) {
    const auto& entries = files_[file].entries();
    for (size_t i = 0; i < entries.size(); ++i) {
      places.push_back({file, i});
      total_bytes_ += entries[i].end - entries[i].begin;
    }
  }
  std::sort(places.begin(), places.end(),
            [&](const Place& a, const Place& b) { return name_of(a) < name_of(b); });
  for (const Place& place : places) {
    const std::string& name = name_of(place);
    if (!names_.empty() && names_.back() == name) {
      return Err("{}: tensor {}: expected in one shard, also found in {}",
                 files_[place.file].name(), QuoteName(name), files_[places_.back().file].name());
    }
    names_.push_back(name);
    places_.push_back(place);
  }
  return {};
}

const Checkpoint::Place* Checkpoint::Find(std::string_view tensor) const {
  const auto at = std::lower_bound(names_.begin(), names_.end(), tensor);
  if (at == names_.end() || *at != tensor) return nullptr;
  return &places_[static_cast<size_t>(at - names_.begin())];
}

Result<TensorView> Checkpoint::Get(std::string_view tensor) const {
  const Place* place = Find(tensor);
  if (place == nullptr) {
    return Err("{}: tensor {}: expected among the checkpoint's {} tensors, not found",
               files_[0].name(), QuoteName(tensor), names_.size());
  }
  const SafetensorsFile& file = files_[place->file];
  return file.View(file.entries()[place->entry]);
}

}  // namespace rw
