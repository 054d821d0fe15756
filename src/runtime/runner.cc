#include "runtime/runner.h"

#include <utility>

#include "base/check.h"

namespace rw {

Result<Runner> Runner::Create(Executable executable, std::vector<TensorView> weights) {
  RW_CHECK(weights.size() == executable.weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    RW_CHECK(weights[i].dtype == executable.weights[i].dtype, "{}", executable.weights[i].name);
  }
  RW_ASSIGN(LazyMemory arena, LazyMemory::Reserve(executable.arena_bytes, "intermediate results"));
  return Runner(std::move(executable), std::move(weights), std::move(arena));
}

void Runner::BindSymbols(const RunInputs& inputs) {
  RW_CHECK(inputs.inputs.size() == executable_.inputs.size());
  RW_CHECK(inputs.kv.size() == executable_.kv.size());
  symbols_.assign(executable_.symbols.size(), -1);
  for (size_t i = 0; i < inputs.inputs.size(); ++i) {
    const TensorPort& port = executable_.inputs[i];
    const TensorView& view = inputs.inputs[i];
    RW_CHECK(view.dtype == port.dtype && view.rank == static_cast<int>(port.dims.size()),
             "input {}", port.name);
    for (size_t d = 0; d < port.dims.size(); ++d) {
      const Extent& extent = port.dims[d];
      int64_t expected = extent.value;
      if (extent.symbol >= 0) {
        int64_t& number = symbols_[static_cast<size_t>(extent.symbol)];
        if (number < 0) number = view.dims[d];
        expected = number;
        const int64_t limit = executable_.limits[static_cast<size_t>(extent.symbol)];
        RW_CHECK(limit == 0 || number <= limit, "input {}: {} > {}", port.name, number, limit);
      }
      RW_CHECK(view.dims[d] == expected, "input {}: dim {} is {}, expected {}", port.name, d,
               view.dims[d], expected);
    }
  }
}

TensorView Runner::View(const Slot& slot, const RunInputs& inputs) const {
  TensorView view;
  const auto index = static_cast<size_t>(slot.index);
  switch (slot.space) {
    case Slot::Space::kInput:
      view.data = inputs.inputs[index].data;
      break;
    case Slot::Space::kWeight:
      view.data = weights_[index].data;
      break;
    case Slot::Space::kArena:
      view.data = arena_.data();
      break;
  }
  view.data += slot.offset;
  view.dtype = slot.dtype;
  view.rank = static_cast<int>(slot.dims.size());
  for (size_t i = 0; i < slot.dims.size(); ++i) {
    const Extent& extent = slot.dims[i];
    view.dims[i] = extent.symbol < 0 ? extent.value : symbols_[static_cast<size_t>(extent.symbol)];
  }
  view.row_stride = slot.row_stride != 0 ? slot.row_stride : view.width();
  return view;
}

std::vector<TensorView> Runner::Run(const RunInputs& inputs, ThreadPool& pool) {
  BindSymbols(inputs);
  std::vector<TensorView> in;
  std::vector<TensorView> out;
  for (const Step& step : executable_.steps) {
    in.clear();
    out.clear();
    for (const Slot& slot : step.in) in.push_back(View(slot, inputs));
    for (const Slot& slot : step.out) out.push_back(View(slot, inputs));
    const KvLayerView* kv =
        step.kv_layer < 0 ? nullptr : &inputs.kv[static_cast<size_t>(step.kv_layer)];
    step.kernel->run({in, out, kv, step.attrs, pool});
  }
  std::vector<TensorView> outputs;
  for (const OutputPort& port : executable_.outputs) outputs.push_back(View(port.slot, inputs));
  return outputs;
}

}  // namespace rw
