// Matrix products by cuBLASLt. For few tokens, where it only matters how fast weights are read, our
// own kernels do them.
#include "kernels/gpu/linear.h"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <compare>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/args.h"
#include "kernels/cuda/cuda.h"
#include "kernels/gpu/launch.cuh"

namespace rw::cuda {
namespace {

// Alignments are told up to so many bytes, which is what the fast algorithms need: beyond that the
// choice would depend on where tensors happen to lie.
constexpr uint32_t kAlignment = 16;

// All that the choice of an algorithm depends on.
struct Shape {
  int64_t n, k, m;
  int64_t x_stride, w_stride, y_stride;
  DType dtype, y_dtype;
  bool bias;
  uint32_t x_alignment, w_alignment, y_alignment;  // y's: the bias's too
  auto operator<=>(const Shape&) const = default;
};

// A product made ready. Matrices are column by column in cuBLASLt: y transposed is
// [m, n] = w [m, k] times x transposed [k, n], and w as it lies is [k, m].
struct Product {
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t x, w, y;
  cublasLtMatmulAlgo_t algorithm;
  bool found = false;  // cuBLASLt has an algorithm
};

// What Queue::blas points to. Calls of one queue come from one thread at a time.
struct Blas {
  cublasLtHandle_t handle = nullptr;
  std::map<Shape, Product> products;
};

void Check(cublasStatus_t status) {
  RW_CHECK(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: {}", cublasLtGetStatusString(status));
}

cudaDataType_t TypeOf(DType dtype) {
  if (dtype == DType::kF32) return CUDA_R_32F;
  return dtype == DType::kBF16 ? CUDA_R_16BF : CUDA_R_16F;
}

uint32_t AlignmentOf(const TensorView& x) {
  const auto address = reinterpret_cast<uintptr_t>(x.data) | kAlignment;
  return static_cast<uint32_t>(address & -address);
}

// Elements from row to row; of a single row the stride may be anything.
int64_t StrideOf(const TensorView& x) { return x.rows() > 1 ? x.row_stride : x.width(); }

Shape ShapeOf(const LinearArgs& args) {
  const uint32_t bias_alignment = args.bias != nullptr ? AlignmentOf(*args.bias) : kAlignment;
  return {.n = args.n,
          .k = args.k,
          .m = args.m,
          .x_stride = StrideOf(args.x),
          .w_stride = StrideOf(args.w),
          .y_stride = StrideOf(args.y),
          .dtype = args.x.dtype,
          .y_dtype = args.y.dtype,
          .bias = args.bias != nullptr,
          .x_alignment = AlignmentOf(args.x),
          .w_alignment = AlignmentOf(args.w),
          .y_alignment = std::min(AlignmentOf(args.y), bias_alignment)};
}

template <class T>
void Set(cublasLtMatmulDescOpaque_t& operation, cublasLtMatmulDescAttributes_t name,
         const T& value) {
  Check(cublasLtMatmulDescSetAttribute(&operation, name, &value, sizeof(value)));
}
template <class T>
void Set(cublasLtMatmulPreferenceOpaque_t& wishes, cublasLtMatmulPreferenceAttributes_t name,
         const T& value) {
  Check(cublasLtMatmulPreferenceSetAttribute(&wishes, name, &value, sizeof(value)));
}

void Describe(const Shape& shape, Product& product) {
  Check(cublasLtMatmulDescInit(&product.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  Set(product.operation, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  if (shape.bias) {
    Set(product.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    Set(product.operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, TypeOf(shape.y_dtype));
  }
  const cudaDataType_t type = TypeOf(shape.dtype);
  Check(cublasLtMatrixLayoutInit(&product.w, type, shape.k, shape.m, shape.w_stride));
  Check(cublasLtMatrixLayoutInit(&product.x, type, shape.k, shape.n, shape.x_stride));
  Check(cublasLtMatrixLayoutInit(&product.y, TypeOf(shape.y_dtype), shape.m, shape.n,
                                 shape.y_stride));
}

// cuBLASLt's first choice. Parts of a sum may only be added in float32, for one rounding at the
// end.
void Choose(cublasLtHandle_t handle, const Shape& shape, int64_t scratch_bytes, Product& product) {
  cublasLtMatmulPreferenceOpaque_t wishes;
  Check(cublasLtMatmulPreferenceInit(&wishes));
  Set(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(scratch_bytes));
  Set(wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  Set(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.w_alignment);
  Set(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.x_alignment);
  Set(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.y_alignment);
  Set(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.y_alignment);
  cublasLtMatmulHeuristicResult_t result{};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, &product.operation, &product.w, &product.x, &product.y,
                                     &product.y, &wishes, 1, &result, &count);
  product.found =
      status == CUBLAS_STATUS_SUCCESS && count > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  product.algorithm = result.algo;
}

// The product of this shape, made ready the first time.
Product& ProductFor(Blas& blas, const Shape& shape, int64_t scratch_bytes) {
  const auto [place, is_new] = blas.products.try_emplace(shape);
  if (is_new) {
    Describe(shape, place->second);
    Choose(blas.handle, shape, scratch_bytes, place->second);
  }
  return place->second;
}

void Multiply(const gpu::Queue& queue, const LinearArgs& args) {
  auto& blas = *static_cast<Blas*>(queue.blas);
  Product& product = ProductFor(blas, ShapeOf(args), queue.scratch_bytes);
  if (!product.found) return gpu::RunLinear(queue, std::span(&args, 1));
  if (args.bias != nullptr) {
    const void* bias = args.bias->data;
    Set(product.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  constexpr float kOne = 1, kZero = 0;
  Check(cublasLtMatmul(blas.handle, &product.operation, &kOne, args.w.data, &product.w, args.x.data,
                       &product.x, &kZero, args.y.data, &product.y, args.y.data, &product.y,
                       &product.algorithm, queue.scratch, static_cast<size_t>(queue.scratch_bytes),
                       queue.stream));
}

void Run(const KernelCall& call) {
  const gpu::Queue& queue = gpu::QueueOf(call);
  const std::vector<LinearArgs> products = ReadLinear(call);
  if (products.front().n <= gpu::kSkinnyTokens) return gpu::RunLinear(queue, products);
  RW_CHECK(queue.blas != nullptr, "a queue without cuBLASLt");
  for (const LinearArgs& args : products) Multiply(queue, args);
}

// x and every W of one type; biases of the results' type.
bool OneType(const KernelTypes& types) {
  const size_t count = types.out.size();
  const auto all = [](std::span<const DType> some, DType dtype) {
    return std::ranges::all_of(some, [&](DType each) { return each == dtype; });
  };
  return all(types.in.first(1 + count), types.in[0]) &&
         all(types.in.subspan(1 + count), types.out[0]);
}

template <bool (*kAccepts)(const KernelTypes&, const Attrs&)>
bool Accepts(const KernelTypes& types, const Attrs& attrs) {
  return kAccepts(types, attrs) && OneType(types);
}

constexpr std::array kRows = {
    KernelRow{"linear", Device::kCuda, kProvider, Accepts<AcceptsLinear>, Run},
    KernelRow{"linear2", Device::kCuda, kProvider, Accepts<AcceptsLinear2>, Run},
    KernelRow{"linear3", Device::kCuda, kProvider, Accepts<AcceptsLinear3>, Run},
};

}  // namespace

Result<void*> CreateBlas() {
  auto blas = std::make_unique<Blas>();
  if (const cublasStatus_t status = cublasLtCreate(&blas->handle);
      status != CUBLAS_STATUS_SUCCESS) {
    return Err("cuBLASLt does not start: {}", cublasLtGetStatusString(status));
  }
  return blas.release();
}

void DestroyBlas(void* blas) {
  if (blas == nullptr) return;
  auto* const ours = static_cast<Blas*>(blas);
  cublasLtDestroy(ours->handle);
  delete ours;
}

std::span<const KernelRow> LinearRows() { return kRows; }

}  // namespace rw::cuda
