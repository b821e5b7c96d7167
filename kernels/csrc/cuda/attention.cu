// Softmax attention within each graph on a GPU: a block for 32 queries (or keys) of one head, which goes over the
// graph's keys (queries) 32 at a time; a warp has a row and a lane one of the 32. Each sum is made by one warp in one
// order. The score of query i and key j is q_i·k_j / √C + bias_ij: see gnnlab/ops/attention.py.
#include "../op.h"
#include "../random.h"

namespace gnnlab {

constexpr int kTile = 32, kWarps = 8, kKeys = 4;

template <class T> struct Attention {
  using A = Acc<T>;
  const T *qkv, *bias;
  const void* ptr;
  bool wide;  // whether ptr is int64
  const int64_t *pair_ptr, *seed;
  int64_t graphs, heads, width;
  double dropout;

  Attention(const Tensor& qkv_, const std::optional<Tensor>& bias_, const Tensor& ptr_,
            const std::optional<Tensor>& pair_ptr_, const std::optional<Tensor>& seed_, int64_t heads_, double dropout_)
      : qkv(read<T>(qkv_)), bias(read<T>(bias_)), ptr(ptr_.const_data_ptr()),
        wide(ptr_.scalar_type() == ScalarType::Long), pair_ptr(read<int64_t>(pair_ptr_)), seed(read<int64_t>(seed_)),
        graphs(ptr_.size(0) - 1), heads(heads_), width(qkv_.size(1) / heads_ / 3), dropout(dropout_) {}

  HD int64_t start(int64_t graph) const {
    return wide ? static_cast<const int64_t*>(ptr)[graph] : static_cast<const int32_t*>(ptr)[graph];
  }
  HD A scale() const { return A(1) / sqrt_(static_cast<A>(width)); }
  HD Keep keep() const { return Keep(seed ? *seed : 0, dropout); }
  // Where head `head` of row `row` begins in part `part` of an array [N, parts·H·C].
  HD int64_t at(int64_t row, int64_t head, int part, int parts) const {
    return ((row * parts + part) * heads + head) * width;
  }
};

// The tile of nodes that a block works on: `count` of the n nodes of `graph`, whose first row is `first`, from node
// `node` on. Tiles are numbered so that graph g has those from first(g) / 32 + g on; some of them are empty.
struct Tile {
  int64_t graph, head, first, n, node;
  int count;
  template <class T> __device__ Tile(const Attention<T>& a, int64_t number, int64_t head_) : head(head_) {
    int64_t low = 0, high = a.graphs - 1;
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (a.start(middle) / kTile + middle <= number) low = middle;
      else high = middle - 1;
    }
    graph = low;
    first = a.start(graph);
    n = a.start(graph + 1) - first;
    node = (number - first / kTile - graph) * kTile;
    count = static_cast<int>(n - node < kTile ? n - node : kTile);
  }
};

template <class A> __device__ A warp_sum(A v) {
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
  return v;
}
template <class A> __device__ A warp_max(A v) {
  for (int offset = 16; offset > 0; offset /= 2) v = max_(v, __shfl_xor_sync(0xffffffffu, v, offset));
  return v;
}

// Rows of shared memory, one number more apart than they are long: lanes read a column from 32 banks.
template <class A> struct Shared {
  A* data;
  int64_t width;
  __device__ A* operator[](int i) const { return data + i * (width + 1); }
  // Up to 32 rows of an array in global memory, and zeros; all threads of the block take part.
  template <class T> __device__ void fill(const T* from, int64_t step, int count) const {
    for (int i = threadIdx.y; i < kTile; i += kWarps)
      for (int64_t c = threadIdx.x; c < width; c += kTile) (*this)[i][c] = i < count ? widen(from[i * step + c]) : A(0);
  }
  __device__ A dot(int i, const Shared& other, int j) const {
    A sum = 0;
    for (int64_t c = 0; c < width; ++c) sum += (*this)[i][c] * other[j][c];
    return sum;
  }
  // row[c] = factor row[c] + Σ_j weights[j] other[j][c], by one warp.
  __device__ void add(int i, A factor, const A* weights, const Shared& other) const {
    for (int64_t c = threadIdx.x; c < width; c += kTile) {
      A sum = factor * (*this)[i][c];
      for (int j = 0; j < kTile; ++j) sum += weights[j] * other[j][c];
      (*this)[i][c] = sum;
    }
    __syncwarp();
  }
};
template <class A> __device__ Shared<A> shared(int number, int64_t width) {
  extern __shared__ __align__(16) unsigned char memory[];
  return {reinterpret_cast<A*>(memory) + number * kTile * (width + 1), width};
}
inline size_t shared_bytes(int arrays, int squares, int64_t width, size_t size) {
  return kTile * (arrays * (width + 1) + squares * (kTile + 1)) * size;
}
// 32 x 32 numbers behind `arrays` arrays of the head's width.
template <class A> __device__ Shared<A> square(int arrays, int number, int64_t width) {
  return {shared<A>(arrays, width).data + number * kTile * (kTile + 1), kTile};
}

template <class T> __device__ Acc<T> bias_of(const Attention<T>& a, const Tile& t, int64_t query, int64_t key) {
  return a.bias ? widen(a.bias[(a.pair_ptr[t.graph] + query * t.n + key) * a.heads + t.head]) : Acc<T>(0);
}
// Decided in tiles of kTile queries and kKeys keys: key by key, query by query.
template <class T>
__device__ bool kept(const Attention<T>& a, const Keep& keep, const Tile& t, int64_t query, int64_t key) {
  const uint64_t row = t.first + query - query % kTile;
  const uint64_t group = (row * a.heads + t.head) << 24 | static_cast<uint64_t>(key / kKeys);
  return keep.threshold == 0 || keep(group * kGroup + key % kKeys * kTile + query % kTile);
}

template <class T> __global__ void forward_kernel(Attention<T> a, T* out, Acc<T>* logsum) {
  using A = Acc<T>;
  const Tile t(a, blockIdx.x, blockIdx.y);
  if (t.count <= 0) return;
  const int64_t step = 3 * a.heads * a.width;
  const Shared<A> q = shared<A>(0, a.width), k = shared<A>(1, a.width), v = shared<A>(2, a.width);
  const Shared<A> mixed = shared<A>(3, a.width), weights = square<A>(4, 0, a.width);
  const Keep keep = a.keep();
  const int lane = threadIdx.x;
  A top[kTile / kWarps], total[kTile / kWarps];
  for (int r = 0; r < kTile / kWarps; ++r) {
    top[r] = -INFINITY;
    total[r] = 0;
  }
  q.fill(a.qkv + a.at(t.first + t.node, t.head, 0, 3), step, t.count);
  mixed.fill(a.qkv, 0, 0);
  for (int64_t key = 0; key < t.n; key += kTile) {
    const int keys = static_cast<int>(t.n - key < kTile ? t.n - key : kTile);
    __syncthreads();
    k.fill(a.qkv + a.at(t.first + key, t.head, 1, 3), step, keys);
    v.fill(a.qkv + a.at(t.first + key, t.head, 2, 3), step, keys);
    __syncthreads();
    for (int r = 0; r < kTile / kWarps; ++r) {
      const int i = threadIdx.y + r * kWarps;
      if (i >= t.count) break;
      A score = -INFINITY;
      if (lane < keys) score = q.dot(i, k, lane) * a.scale() + bias_of(a, t, t.node + i, key + lane);
      const A before = top[r];
      top[r] = max_(before, warp_max(score));
      const A shift = top[r] > -INFINITY ? top[r] : A(0);  // no key seen yet: weights of 0, not NaN
      const A e = exp_(score - shift), factor = exp_(before - shift);
      total[r] = total[r] * factor + warp_sum(e);
      weights[i][lane] = kept(a, keep, t, t.node + i, key + lane) ? e : A(0);
      __syncwarp();
      mixed.add(i, factor, weights[i], v);
    }
  }
  for (int r = 0; r < kTile / kWarps; ++r) {
    const int i = threadIdx.y + r * kWarps;
    if (i >= t.count) break;
    const int64_t row = t.first + t.node + i;
    const A factor = total[r] == 0 ? A(0) : static_cast<A>(keep.scale()) / total[r];
    for (int64_t c = lane; c < a.width; c += kTile)
      out[a.at(row, t.head, 0, 1) + c] = static_cast<T>(mixed[i][c] * factor);
    if (lane == 0) logsum[row * a.heads + t.head] = top[r] + log(total[r]);
  }
}

// For a query and a key: P_ij after dropout, and ∂L/∂score_ij.
template <class A> struct Gradients {
  A weight, slope;
};
template <class T>
__device__ Gradients<Acc<T>> gradients(const Attention<T>& a, const Keep& keep, const Tile& t, int64_t query,
                                       int64_t key, Acc<T> product, Acc<T> g_product, Acc<T> logsum, Acc<T> mean) {
  using A = Acc<T>;
  const A weight = logsum == -INFINITY ? A(0) : exp_(product * a.scale() + bias_of(a, t, query, key) - logsum);
  const A factor = kept(a, keep, t, query, key) ? static_cast<A>(keep.scale()) : A(0);
  return {weight * factor, weight * (g_product * factor - mean)};
}

// The gradients of q and of the bias; means [N, H] receives Σ_j P_ij ∂L/∂P_ij = g_i·out_i.
template <class T>
__global__ void backward_query_kernel(Attention<T> a, const T* g_, const T* out_, const Acc<T>* logsum, Acc<T>* means,
                                      T* grad_qkv, T* grad_bias) {
  using A = Acc<T>;
  const Tile t(a, blockIdx.x, blockIdx.y);
  if (t.count <= 0) return;
  const int64_t step = 3 * a.heads * a.width, row = t.first + t.node;
  const Shared<A> q = shared<A>(0, a.width), k = shared<A>(1, a.width), v = shared<A>(2, a.width);
  const Shared<A> g = shared<A>(3, a.width), mixed = shared<A>(4, a.width), slopes = square<A>(5, 0, a.width);
  const Keep keep = a.keep();
  const int lane = threadIdx.x;
  q.fill(a.qkv + a.at(row, t.head, 0, 3), step, t.count);
  g.fill(g_ + a.at(row, t.head, 0, 1), step / 3, t.count);
  mixed.fill(a.qkv, 0, 0);
  __syncthreads();
  A mean[kTile / kWarps];
  for (int r = 0; r < kTile / kWarps; ++r) {
    const int i = threadIdx.y + r * kWarps;
    if (i >= t.count) break;
    A sum = 0;
    for (int64_t c = lane; c < a.width; c += kTile) sum += g[i][c] * widen(out_[a.at(row + i, t.head, 0, 1) + c]);
    mean[r] = warp_sum(sum);
    if (lane == 0) means[(row + i) * a.heads + t.head] = mean[r];
  }
  for (int64_t key = 0; key < t.n; key += kTile) {
    const int keys = static_cast<int>(t.n - key < kTile ? t.n - key : kTile);
    __syncthreads();
    k.fill(a.qkv + a.at(t.first + key, t.head, 1, 3), step, keys);
    v.fill(a.qkv + a.at(t.first + key, t.head, 2, 3), step, keys);
    __syncthreads();
    for (int r = 0; r < kTile / kWarps; ++r) {
      const int i = threadIdx.y + r * kWarps;
      if (i >= t.count) break;
      A slope = 0;
      if (lane < keys) {
        slope = gradients(a, keep, t, t.node + i, key + lane, q.dot(i, k, lane), g.dot(i, v, lane),
                          logsum[(row + i) * a.heads + t.head], mean[r]).slope;
        if (grad_bias)
          grad_bias[(a.pair_ptr[t.graph] + (t.node + i) * t.n + key + lane) * a.heads + t.head] = static_cast<T>(slope);
      }
      slopes[i][lane] = slope;
      __syncwarp();
      mixed.add(i, A(1), slopes[i], k);
    }
  }
  for (int i = threadIdx.y; i < t.count; i += kWarps)
    for (int64_t c = lane; c < a.width; c += kTile)
      grad_qkv[a.at(row + i, t.head, 0, 3) + c] = static_cast<T>(mixed[i][c] * a.scale());
}

// The gradients of k and v.
template <class T>
__global__ void backward_key_kernel(Attention<T> a, const T* g_, const Acc<T>* logsum, const Acc<T>* means,
                                    T* grad_qkv) {
  using A = Acc<T>;
  const Tile t(a, blockIdx.x, blockIdx.y);
  if (t.count <= 0) return;
  const int64_t step = 3 * a.heads * a.width, row = t.first + t.node;
  const Shared<A> k = shared<A>(0, a.width), v = shared<A>(1, a.width), q = shared<A>(2, a.width);
  const Shared<A> g = shared<A>(3, a.width), grad_k = shared<A>(4, a.width), grad_v = shared<A>(5, a.width);
  const Shared<A> slopes = square<A>(6, 0, a.width), weights = square<A>(6, 1, a.width);
  const Keep keep = a.keep();
  const int lane = threadIdx.x;
  k.fill(a.qkv + a.at(row, t.head, 1, 3), step, t.count);
  v.fill(a.qkv + a.at(row, t.head, 2, 3), step, t.count);
  grad_k.fill(a.qkv, 0, 0);
  grad_v.fill(a.qkv, 0, 0);
  for (int64_t query = 0; query < t.n; query += kTile) {
    const int queries = static_cast<int>(t.n - query < kTile ? t.n - query : kTile);
    __syncthreads();
    q.fill(a.qkv + a.at(t.first + query, t.head, 0, 3), step, queries);
    g.fill(g_ + a.at(t.first + query, t.head, 0, 1), step / 3, queries);
    __syncthreads();
    for (int j = threadIdx.y; j < t.count; j += kWarps) {
      Gradients<A> d{0, 0};
      if (lane < queries) {
        const int64_t at = (t.first + query + lane) * a.heads + t.head;
        d = gradients(a, keep, t, query + lane, t.node + j, k.dot(j, q, lane), v.dot(j, g, lane), logsum[at],
                      means[at]);
      }
      slopes[j][lane] = d.slope;
      weights[j][lane] = d.weight;
      __syncwarp();
      grad_k.add(j, A(1), slopes[j], q);
      grad_v.add(j, A(1), weights[j], g);
    }
  }
  for (int j = threadIdx.y; j < t.count; j += kWarps)
    for (int64_t c = lane; c < a.width; c += kTile) {
      grad_qkv[a.at(row + j, t.head, 1, 3) + c] = static_cast<T>(grad_k[j][c] * a.scale());
      grad_qkv[a.at(row + j, t.head, 2, 3) + c] = static_cast<T>(grad_v[j][c]);
    }
}

template <class T, class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Attention<T>& a, int64_t rows, size_t bytes, cudaStream_t stream,
            Arguments... arguments) {
  STD_TORCH_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)) ==
                      cudaSuccess, "attention: heads of width ", a.width, " do not fit into this GPU's shared memory");
  const dim3 grid(static_cast<unsigned>(rows / kTile + a.graphs), static_cast<unsigned>(a.heads));
  kernel<<<grid, dim3(kTile, kWarps), bytes, stream>>>(a, arguments...);
  check_launch("attention");
}

std::tuple<Tensor, Tensor> attention(const Tensor& qkv_, const std::optional<Tensor>& bias_, const Tensor& ptr_,
                                     const std::optional<Tensor>& pair_ptr_, const std::optional<Tensor>& seed_,
                                     int64_t heads, double dropout) {
  const Tensor qkv = dense(qkv_), ptr = dense(ptr_);
  const auto bias = dense(bias_), pair_ptr = dense(pair_ptr_), seed = dense(seed_);
  const int64_t rows = qkv.size(0);
  STD_TORCH_CHECK(heads > 0 && qkv.dim() == 2 && qkv.size(1) % (3 * heads) == 0,
                  "attention: expected qkv [N, 3·H·C], for H = ", heads);
  STD_TORCH_CHECK(fits(bias, qkv.scalar_type(), {kAny, heads}), "attention: expected bias [P, H] of the type of qkv");
  Tensor out = new_empty(qkv, {rows, qkv.size(1) / 3}), logsum;
  by_float(qkv, "attention", [&](auto t) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    logsum = new_empty(qkv, {rows, heads}, sizeof(A) == 8 ? ScalarType::Double : ScalarType::Float);
    if (rows == 0) return;
    Stream current(qkv);
    const Attention<T> a(qkv, bias, ptr, pair_ptr, seed, heads, dropout);
    launch(forward_kernel<T>, a, rows, shared_bytes(4, 1, a.width, sizeof(A)), current.stream, write<T>(out),
           write<A>(logsum));
  });
  return {out, logsum};
}

std::tuple<Tensor, Tensor> attention_backward(const Tensor& g_, const Tensor& qkv_, const std::optional<Tensor>& bias_,
                                              const Tensor& ptr_, const std::optional<Tensor>& pair_ptr_,
                                              const std::optional<Tensor>& seed_, const Tensor& out_,
                                              const Tensor& logsum_, int64_t heads, double dropout) {
  const Tensor g = dense(g_), qkv = dense(qkv_), ptr = dense(ptr_), out = dense(out_), logsum = dense(logsum_);
  const auto bias = dense(bias_), pair_ptr = dense(pair_ptr_), seed = dense(seed_);
  const int64_t rows = qkv.size(0);
  Tensor grad_qkv = new_empty(qkv, {rows, qkv.size(1)}), means = new_empty(logsum, {rows, heads});
  Tensor grad_bias = new_empty(qkv, {bias ? bias->size(0) : 0, heads});
  if (rows == 0) return {grad_qkv, grad_bias};
  by_float(qkv, "attention_backward", [&](auto t) {
    using T = typename decltype(t)::type;
    using A = Acc<T>;
    Stream current(qkv);
    const Attention<T> a(qkv, bias, ptr, pair_ptr, seed, heads, dropout);
    launch(backward_query_kernel<T>, a, rows, shared_bytes(5, 1, a.width, sizeof(A)), current.stream, read<T>(g),
           read<T>(out), read<A>(logsum), write<A>(means), write<T>(grad_qkv), bias ? write<T>(grad_bias) : nullptr);
    launch(backward_key_kernel<T>, a, rows, shared_bytes(6, 2, a.width, sizeof(A)), current.stream, read<T>(g),
           read<A>(logsum), read<A>(means), write<T>(grad_qkv));
  });
  return {grad_qkv, grad_bias};
}

}  // namespace gnnlab

GNNLAB_OP(attention, "(Tensor qkv, Tensor? bias, Tensor ptr, Tensor? pair_ptr, Tensor? seed, int heads, float dropout) "
                     "-> (Tensor, Tensor)")
GNNLAB_OP(attention_backward, "(Tensor g, Tensor qkv, Tensor? bias, Tensor ptr, Tensor? pair_ptr, Tensor? seed, "
                              "Tensor out, Tensor logsum, int heads, float dropout) -> (Tensor, Tensor)")
