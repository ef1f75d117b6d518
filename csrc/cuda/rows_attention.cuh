// Rows of given attention: every visible entry is read once, 16 bytes per lane. Memory is the
// limit, so a warp asks for its next vectors long before it works on them, and what it does with
// them takes fewer instructions than they take to come.
#ifndef HEADSCORE_CUDA_ROWS_ATTENTION_CUH_
#define HEADSCORE_CUDA_ROWS_ATTENTION_CUH_

#include <type_traits>

#include "cuda/row_labels.cuh"
#include "cuda/stored_row.cuh"

namespace headscore::cuda {

constexpr int kWarpRows = kLeastRows / kWarps;  // one after the other
constexpr int kAhead = 2;  // vectors of a lane under way while one is worked on
constexpr float kLeastNormal = 1.17549435e-38f;
// Of a vector of which a row has one at the most, also where it adds up to a bit more than 1; below
// it, an error of 2^-22 in a logarithm is none of the entropy.
constexpr float kLarge = 0.75f;

__device__ inline float times_log2(float a) { return a * log2_fast(a + kLeastNormal); }

// Sums over the entries that a lane has read. The entropy of a row with one large probability
// hangs on the sum of the small ones and on the digits of a logarithm near 0: a vector that adds up
// to more than kLarge is noted, and looked at again when the row has ended.
struct EntrySums {
  static constexpr int kNone = -1;
  float mass = 0.0f;                      // of all
  float small = 0.0f, small_log2 = 0.0f;  // of the vectors but the noted one
  int noted = kNone;                      // its key
  unsigned signs = 0;

  template <bool kWithEntropy, int kNumbers>
  __device__ float add(int key, const float (&values)[kNumbers]) {
    float added = values[0];
#pragma unroll
    for (int e = 1; e < kNumbers; ++e) added += values[e];
    mass += added;
    if (kWithEntropy) {
      float log2s = times_log2(values[0]);
#pragma unroll
      for (int e = 1; e < kNumbers; ++e) {
        log2s = fmaf(values[e], log2_fast(values[e] + kLeastNormal), log2s);
      }
      const bool large = added > kLarge;
      noted = large ? key : noted;
      small += large ? 0.0f : added;
      small_log2 += large ? 0.0f : log2s;
    }
    return added;
  }
};

// What is looked at again: the largest entry of a vector, and the others.
struct NotedSums {
  float large = 0.0f, small = 0.0f, log2s = 0.0f;

  template <int kNumbers>
  __device__ void add(const float (&values)[kNumbers]) {
#pragma unroll
    for (float each : values) large = fmaxf(large, each);
    bool found = false;
#pragma unroll
    for (float each : values) {
      const bool is_large = each == large && !found;
      found |= is_large;
      small += is_large ? 0.0f : each;
      log2s += is_large ? 0.0f : times_log2(each);
    }
    log2s = fmaf(large, log2f(fmaxf(large, kLeastNormal)), log2s);
  }
};

__device__ inline int faults_of(float mass, bool negative, float tolerance) {
  int faults = negative ? kNegative : 0;
  if (!isfinite(mass)) faults |= kNotFinite;
  if (fabsf(mass - 1.0f) > tolerance) faults |= kSumNotOne;
  return faults;
}

// What a row adds up to.
struct RowTotals {
  float mass;
  float entropy;  // nats
};

template <bool kWithEntropy, typename Number>
__device__ RowTotals totals_of(const StoredRow<Number>& stored, const EntrySums& sums) {
  constexpr int kNumbers = Vector<Number>::kNumbers;
  if (!kWithEntropy) return {warp_sum(sums.mass), 0.0f};
  const bool has_noted = sums.noted != EntrySums::kNone;
  NotedSums noted;
  if (__any_sync(kAllLanes, has_noted)) {
    Vector<Number> vector = stored.load(has_noted ? sums.noted : stored.keys.end);
    vector.keep(stored.keys.begin - sums.noted, stored.keys.end - sums.noted);
    float values[kNumbers];
    vector.unpack(values);
    noted.add(values);
  }
  const float small = warp_sum(sums.small + noted.small), large = warp_sum(noted.large);
  const float mass = small + large;
  const float lost = small - (mass - large);  // by rounding; to first order of the logarithm
  const float sum_log2 = warp_sum(sums.small_log2 + noted.log2s) - kLog2E * lost;
  return {mass, entropy_of(stored.keys, log2f(mass), sum_log2 / mass)};
}

// One row by one warp; returns lane n's part of the score of label role n.
template <bool kWithEntropy, typename Number>
__device__ float score_row(const Sieves& sieves, const StoredRow<Number>& stored, int row,
                           float tolerance, RowSieve* row_sieves, float* room, int& faults) {
  constexpr int kNumbers = Vector<Number>::kNumbers, kStep = kWarpLanes * kNumbers;
  const int lane = threadIdx.x % kWarpLanes;
  const Interval keys = stored.keys;
  int step = keys.begin / kStep * kStep;  // the first key of lane 0
  Vector<Number> ahead[kAhead];
#pragma unroll
  for (int n = 0; n < kAhead; ++n) ahead[n] = stored.load(step + n * kStep + lane * kNumbers);
  const Number* from = stored.numbers + step + kAhead * kStep + lane * kNumbers;
  if (lane < sieves.count) row_sieves[lane] = RowSieve(sieves, lane, row);
  __syncwarp();

  RoleSums roles(row_sieves, sieves.count, room);
  EntrySums sums;
  SpanRoles span;
  // A step; `inner` says that the vectors here and ahead are visible, whole and aligned.
  const auto take = [&](auto inner) {
    const int key = step + lane * kNumbers;
    Vector<Number> here = ahead[0];
#pragma unroll
    for (int n = 1; n < kAhead; ++n) ahead[n - 1] = ahead[n];
    if constexpr (inner.value) {
      ahead[kAhead - 1] = Vector<Number>::streamed(from);
    } else {
      ahead[kAhead - 1] = stored.load(key + kAhead * kStep);
      const bool edge = step < keys.begin || step + kStep > keys.end;
      if (edge) here.keep(keys.begin - key, keys.end - key);
    }
    from += kStep;
    float values[kNumbers];
    here.unpack(values);
    sums.signs |= here.words[0] | here.words[1] | here.words[2] | here.words[3];
    const float added = sums.add<kWithEntropy>(key, values);
    roles.add(span.of(key), key, values, added);
  };
  for (int span_end = 0; step < keys.end;) {
    if (step >= span_end) {
      span = SpanRoles(sieves, row_sieves, step / kSpanKeys);
      span_end = (step / kSpanKeys + 1) * kSpanKeys;
    }
    const bool starts = stored.is_aligned && step >= keys.begin;
    const int inner_end = starts ? min(span_end, keys.end - kAhead * kStep) : 0;
#pragma unroll kAhead
    for (; step + kStep <= inner_end; step += kStep) take(std::true_type());
    if (step < min(span_end, keys.end)) {
      take(std::false_type());
      step += kStep;
    }
  }
  roles.finish();

  const RowTotals row_totals = totals_of<kWithEntropy>(stored, sums);
  const bool signs = __any_sync(kAllLanes, (sums.signs & Vector<Number>::kSigns) != 0);
  faults |= faults_of(warp_sum(sums.mass), signs && stored.has_negative(), tolerance);
  if (lane == 0) sieves.put_row(row, 0.0f, row_totals.mass, row_totals.entropy);
  float own = 0.0f;
  for (int n = 0; n < sieves.count; ++n) {
    const float sum = roles.of(n);
    if (lane == n) own = sum;
  }
  if (lane >= sieves.count) return 0.0f;
  const float value = sieves.row_value(lane, row, own / row_totals.mass, row_totals.entropy);
  sieves.put_token_value(lane, row, value);
  return value;
}

// Shared memory: each warp's sieves of a row, the label roles' sums of each thread, then of each
// warp.
inline size_t rows_attention_bytes(int roles) {
  return roles * (kWarps * sizeof(RowSieve) + (kThreads + kWarps) * sizeof(float));
}

// Block (x, y, z): rows x kLeastRows and on, of head y of sequence z; label roles `first_role` on.
template <typename Number>
__global__ void __launch_bounds__(kThreads, 5)
    rows_attention(const __grid_constant__ AttentionProblem problem, int first_role) {
  const int block = blockIdx.x, head = blockIdx.y, sequence = blockIdx.z;
  const Sieves sieves(problem.common, sequence, head, first_role);
  if (block * kLeastRows >= sieves.length) return;
  const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  bool with_entropy = false;
  for (int r = 0; r < sieves.plan().roles; ++r) with_entropy |= sieves.plan().times_entropy[r] != 0;

  const Tensor4& tensor = problem.attention;
  const Number* attention = static_cast<const Number*>(tensor.data) +
                            sequence * tensor.batch_stride + head * tensor.head_stride;
  RowSieve* row_sieves = reinterpret_cast<RowSieve*>(shared_memory()) + warp * sieves.count;
  float* room = reinterpret_cast<float*>(reinterpret_cast<RowSieve*>(shared_memory()) +
                                         kWarps * sieves.count);
  float total = 0.0f;
  int faults = 0;
  const int first_row = block * kLeastRows + warp * kWarpRows;
  const int last_row = min(first_row + kWarpRows, sieves.length);
  for (int row = first_row; row < last_row; ++row) {
    const Interval keys = visible_keys(problem.common.visibility, row, sieves.keys);
    const StoredRow<Number> stored(attention + row * tensor.row_stride, keys,
                                   static_cast<int>(sieves.plan().key_tokens));
    const auto score = [&](auto entropy) {
      return score_row<entropy.value>(sieves, stored, row, problem.tolerance, row_sieves,
                                      room + threadIdx.x, faults);
    };
    total += with_entropy ? score(std::true_type()) : score(std::false_type());
  }
  float* warp_sums = room + sieves.count * kThreads;
  if (lane < sieves.count) warp_sums[lane * kWarps + warp] = total;
  const int any = (__syncthreads_or(faults & kNotFinite) ? kNotFinite : 0) |
                  (__syncthreads_or(faults & kNegative) ? kNegative : 0) |
                  (__syncthreads_or(faults & kSumNotOne) ? kSumNotOne : 0);
  if (threadIdx.x == 0) sieves.put_block_fault(block, any);
  if (static_cast<int>(threadIdx.x) < sieves.count) {
    const float* sums = warp_sums + threadIdx.x * kWarps;
    sieves.put_block_sum(block, threadIdx.x, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROWS_ATTENTION_CUH_
