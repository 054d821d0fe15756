#include "runtime/runner.h"

#include <utility>

#include "base/check.h"

namespace rw {

Runner::Runner(std::shared_ptr<ComputeDevice> device, Executable executable,
               std::vector<TensorView> weights, DeviceMemory arena)
    : device_(std::move(device)),
      executable_(std::move(executable)),
      weights_(std::move(weights)),
      arena_(std::move(arena)) {
  RW_CHECK(weights_.size() == executable_.weights.size());
  for (size_t i = 0; i < weights_.size(); ++i) {
    RW_CHECK(weights_[i].dtype == executable_.weights[i].dtype, "{}", executable_.weights[i].name);
  }
  RW_CHECK(arena_.size >= executable_.arena_bytes);
}

Runner::Frame Runner::Bind(RunInputs inputs) const {
  RW_CHECK(inputs.inputs.size() == executable_.inputs.size());
  RW_CHECK(inputs.kv.size() == executable_.kv.size());
  std::vector<int64_t> symbols(executable_.symbols.size(), -1);
  for (size_t i = 0; i < inputs.inputs.size(); ++i) {
    const TensorPort& port = executable_.inputs[i];
    const TensorView& view = inputs.inputs[i];
    RW_CHECK(view.dtype == port.dtype && view.rank == static_cast<int>(port.dims.size()),
             "input {}", port.name);
    for (size_t d = 0; d < port.dims.size(); ++d) {
      const Extent& extent = port.dims[d];
      int64_t expected = extent.value;
      if (extent.symbol >= 0) {
        int64_t& number = symbols[static_cast<size_t>(extent.symbol)];
        if (number < 0) number = view.dims[d];
        expected = number;
        const int64_t limit = executable_.limits[static_cast<size_t>(extent.symbol)];
        RW_CHECK(limit == 0 || number <= limit, "input {}: {} > {}", port.name, number, limit);
      }
      RW_CHECK(view.dims[d] == expected, "input {}: dim {} is {}, expected {}", port.name, d,
               view.dims[d], expected);
    }
  }
  return {std::move(inputs), std::move(symbols)};
}

TensorView Runner::View(const Slot& slot, const Frame& frame) const {
  TensorView view;
  const auto index = static_cast<size_t>(slot.index);
  switch (slot.space) {
    case Slot::Space::kInput:
      view.data = frame.inputs.inputs[index].data;
      break;
    case Slot::Space::kWeight:
      view.data = weights_[index].data;
      break;
    case Slot::Space::kArena:
      view.data = arena_.data;
      break;
  }
  view.data += slot.offset;
  view.dtype = slot.dtype;
  view.rank = static_cast<int>(slot.dims.size());
  for (size_t i = 0; i < slot.dims.size(); ++i) {
    const Extent& extent = slot.dims[i];
    view.dims[i] =
        extent.symbol < 0 ? extent.value : frame.symbols[static_cast<size_t>(extent.symbol)];
  }
  view.row_stride = slot.row_stride != 0 ? slot.row_stride : view.width();
  return view;
}

void Runner::Queue(const Frame& frame, int first, int last, ThreadPool& pool) const {
  std::vector<TensorView> in;
  std::vector<TensorView> out;
  for (int i = first; i < last; ++i) {
    const Step& step = executable_.steps[static_cast<size_t>(i)];
    in.clear();
    out.clear();
    for (const Slot& slot : step.in) in.push_back(View(slot, frame));
    for (const Slot& slot : step.out) out.push_back(View(slot, frame));
    const KvLayerView* kv =
        step.kv_layer < 0 ? nullptr : &frame.inputs.kv[static_cast<size_t>(step.kv_layer)];
    step.kernel->run({in, out, kv, step.attrs, pool, device_->queue(), step.program.get()});
  }
}

std::vector<TensorView> Runner::Outputs(const Frame& frame) const {
  std::vector<TensorView> outputs;
  for (const OutputPort& port : executable_.outputs) outputs.push_back(View(port.slot, frame));
  return outputs;
}

}  // namespace rw
