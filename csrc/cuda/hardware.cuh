// The instructions that the kernels use beyond plain CUDA, and the launch. The tests put a file of
// the same name in this one's place, which acts the same instructions out on a CPU.
#ifndef HEADSCORE_CUDA_HARDWARE_CUH_
#define HEADSCORE_CUDA_HARDWARE_CUH_

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace headscore::cuda {

struct Bfloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(Bfloat16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}
__device__ inline float to_float(Float16 x) { return __half2float(__ushort_as_half(x.bits)); }

// 2^x with a relative error of 2^-22, and log2 x with an absolute one; subnormals are 0.
__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ inline float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ inline int64_t round_to_whole(double x) { return __double2ll_rn(x); }  // halves to even

// Adds to a number that other threads add to.
__device__ inline void add_whole(int64_t* sum, int64_t x) {
  atomicAdd(reinterpret_cast<unsigned long long*>(sum), static_cast<unsigned long long>(x));
}

// The shared memory that the launch asked for.
__device__ inline unsigned char* shared_memory() {
  extern __shared__ __align__(16) unsigned char room[];
  return room;
}

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Starts to copy 16 bytes into shared memory; `real` false: writes zeros and reads nothing.
__device__ inline void start_copy(void* to, const void* from, bool real) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(real ? 16 : 0)
               : "memory");
}

// Waits for all copies that this thread started; a barrier then shows them to the others.
__device__ inline void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Four 8 x 8 matrices of 16-bit numbers. Lane l hands in the address of row l % 8 of matrix l / 8
// and gets of each matrix row l / 4, columns 2 (l % 4) and the next.
__device__ inline void load_matrices(uint32_t (&matrix)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrix[0]), "=r"(matrix[1]), "=r"(matrix[2]), "=r"(matrix[3])
               : "r"(shared_address(row))
               : "memory");
}

// c += a b for a of 16 x 16 (rows l / 4 and l / 4 + 8 in a[0], a[1]; columns from 8 on in a[2],
// a[3]), b of 16 x 8 (column l / 4; rows from 8 on in b[1]), c of 16 x 8 (row l / 4, columns
// 2 (l % 4) and the next in c[0], c[1]; row l / 4 + 8 in c[2], c[3]).
template <typename Half>
__device__ void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

template <>
__device__ inline void multiply_add<Bfloat16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                              uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
__device__ inline void multiply_add<Float16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// The same number, of which the compiler knows nothing: what is computed from it stays in its
// place.
__device__ inline int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

// "" or what the runtime says went wrong with `what`.
inline std::string problem_with(const char* what, cudaError_t status) {
  if (status == cudaSuccess) return "";
  return std::string(what) + " failed: " + cudaGetErrorString(status);
}

constexpr int64_t kMostBlocks = 65535;  // of a grid along its second and third axis

template <typename... Parameters>
std::string launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared_bytes,
                   uintptr_t stream, Parameters... arguments) {
  const void* function = reinterpret_cast<const void*>(kernel);
  std::string problem =
      problem_with("cudaFuncSetAttribute",
                   cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        static_cast<int>(shared_bytes)));
  if (!problem.empty()) return problem;
  void* pointers[] = {&arguments...};
  return problem_with("cudaLaunchKernel",
                      cudaLaunchKernel(function, grid, dim3(threads), pointers, shared_bytes,
                                       reinterpret_cast<cudaStream_t>(stream)));
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_HARDWARE_CUH_
