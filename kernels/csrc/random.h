// Random keep-or-drop decisions that are a function of a seed and an element's number, so that a mask is never
// stored and never depends on threads: Philox-4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011) with 7 rounds, the fewest for which the paper reports that all of BigCrush passes.
//
// Elements come in groups of 128. Group g is the 4 words of the 16 counters 16g … 16g+15, two decisions to a word:
// element 128g + 32w + 2c + h is half h (0: low) of word w of counter 16g + c. It is kept if these 16 bits are at
// least round(65536 p). `gnnlab/ops/random.py` says the same in plain torch.
#pragma once
#include "vec.h"

namespace gnnlab {

constexpr int kGroup = 128;
constexpr int kRounds = 7;
constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57, kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

// Word `word` of the counter's block.
HD uint32_t philox(uint64_t seed, uint64_t counter, int word) {
  uint32_t c[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) {
    const uint64_t p0 = uint64_t{kMultiplier0} * c[0], p1 = uint64_t{kMultiplier1} * c[2];
    c[0] = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0;
    c[1] = static_cast<uint32_t>(p1);
    c[2] = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1;
    c[3] = static_cast<uint32_t>(p0);
  }
  return word == 0 ? c[0] : word == 1 ? c[1] : word == 2 ? c[2] : c[3];
}

#ifndef __CUDACC__
// Mask of a register's lanes, all ones where the bit of `bits` is set, from bit `first` on. Reads up to 3 bytes more.
template <class A, int K> HD Vec<IntOf<A>, K> unpack(const uint32_t* bits, int64_t first) {
  constexpr int lanes = RegOf<A>::lanes;
  Reg<IntOf<A>> bit;
  for (int l = 0; l < lanes; ++l) bit[l] = IntOf<A>{1} << l;
  Vec<IntOf<A>, K> mask;
  for (int k = 0; k < K; ++k) {
    const int64_t at = first + k * lanes;
    uint32_t word;
    std::memcpy(&word, reinterpret_cast<const char*>(bits) + at / 8, sizeof word);
    mask.r[k] = ((Reg<IntOf<A>>{} + static_cast<IntOf<A>>(word >> at % 8)) & bit) != 0;
  }
  return mask;
}
#endif

// Dropout with probability p, quantised to 1/65536.
struct Keep {
  uint64_t seed;
  uint32_t threshold;

  HD Keep(int64_t seed_, double p)
      : seed(static_cast<uint64_t>(seed_)), threshold(static_cast<uint32_t>(p * 65536 + 0.5)) {}

  // What the kept are multiplied by so that the mean stays: 1 / (1 - p), 0 where nothing is kept.
  HD double scale() const { return threshold < 65536 ? 65536.0 / (65536 - threshold) : 0.0; }

  HD bool operator()(uint64_t element) const {
    const int within = static_cast<int>(element % kGroup);
    const uint32_t word = philox(seed, element / kGroup * 16 + within / 2 % 16, within / 32);
    return (within % 2 ? word >> 16 : word & 0xFFFF) >= threshold;
  }

  // The decisions of a lane's features, for `select`: feature f is element first + f.
  template <class T> HD bool lane(One<T> lane, uint64_t first) const { return (*this)(first + lane.at); }

#ifndef __CUDACC__
  template <class T, int K> HD auto lane(Full<T, K> lane, uint64_t first) const {
    return span<Acc<T>, K>(first + lane.at, lane.width);
  }
  template <class T> HD auto lane(Tail<T> lane, uint64_t first) const {
    return span<Acc<T>, 1>(first + lane.at, lane.count);
  }

  template <class A, int K> HD Vec<IntOf<A>, K> span(uint64_t first, int count) const {
    uint32_t bits[K * RegOf<A>::lanes / 32 + 9];
    fill(first, count, bits);
    return unpack<A, K>(bits, first % kGroup);
  }

  // Packed bits of the groups that hold elements first … first + count - 1: element e is bit e - (first - first % 128).
  void fill(uint64_t first, int64_t count, uint32_t* bits) const {
    const uint64_t end = (first + count + kGroup - 1) / kGroup;
    for (uint64_t g = first / kGroup; g < end; ++g, bits += 4) group(g, bits);
  }

#if defined(__AVX512F__) && defined(__AVX512BW__)
  HD void group(uint64_t g, uint32_t bits[4]) const {
    if (threshold == 0) return std::memset(bits, 0xFF, 16), void();
    const __m512i m0 = _mm512_set1_epi64(kMultiplier0), m1 = _mm512_set1_epi64(kMultiplier1);
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    __m512i c[2][4];  // even and odd counters; the upper half of each number is left over and never read
    for (int odd = 0; odd < 2; ++odd) {
      c[odd][0] = _mm512_add_epi64(even, _mm512_set1_epi64(static_cast<int64_t>(g * 16 + odd)));
      c[odd][1] = _mm512_srli_epi64(c[odd][0], 32);
      c[odd][2] = c[odd][3] = _mm512_setzero_si512();
    }
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1)
      for (auto& x : c) {
        const __m512i p0 = _mm512_mul_epu32(x[0], m0), p1 = _mm512_mul_epu32(x[2], m1);
        x[0] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), x[1], _mm512_set1_epi64(k0), 0x96);
        x[2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), x[3], _mm512_set1_epi64(k1), 0x96);
        x[1] = p1;
        x[3] = p0;
      }
    const __m512i below = _mm512_set1_epi16(static_cast<int16_t>(threshold - 1));
    for (int word = 0; word < 4; ++word)
      bits[word] = _mm512_cmpgt_epu16_mask(
          _mm512_mask_shuffle_epi32(c[0][word], 0xAAAA, c[1][word], _MM_PERM_CCAA), below);
  }
#else
  void group(uint64_t g, uint32_t bits[4]) const {
    std::memset(bits, 0, 16);
    for (int counter = 0; counter < 16; ++counter)
      for (int word = 0; word < 4; ++word) {
        const uint32_t w = philox(seed, g * 16 + counter, word);
        bits[word] |= (uint32_t{(w & 0xFFFF) >= threshold} | uint32_t{(w >> 16) >= threshold} << 1) << 2 * counter;
      }
  }
#endif
#endif
};

}  // namespace gnnlab
