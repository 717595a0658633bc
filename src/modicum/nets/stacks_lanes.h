/* Vectors of as many single numbers as a register holds: sixteen with AVX-512, eight with AVX2 and FMA. */
#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define LEAST -1e30f

/* Of a tile of a product: rows, and vectors a row. Its sums and what they take up fit the registers. */
#define TALL 6
#if defined(__AVX512F__)
#define LANES 16
#define WIDE 4
#elif defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#define WIDE 2
#else
#error "neither AVX-512 nor AVX2 with FMA: the caller goes by torch"
#endif
#define HALF 8

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef float lanes_at __attribute__((vector_size(4 * LANES), aligned(4)));
typedef float half_at __attribute__((vector_size(4 * HALF), aligned(4)));

#if LANES == 16
INLINE lanes larger(lanes x, lanes y) { return (lanes)_mm512_max_ps((__m512)x, (__m512)y); }
INLINE lanes rounded(lanes x) { return (lanes)_mm512_roundscale_ps((__m512)x, 0); }
INLINE lanes times_two_to(lanes x, lanes n) { return (lanes)_mm512_scalef_ps((__m512)x, (__m512)n); }
INLINE float total(lanes x) { return _mm512_reduce_add_ps((__m512)x); }
INLINE float largest(lanes x) { return _mm512_reduce_max_ps((__m512)x); }

/* 1 / x for x up to 2^126: an estimate, made better once. */
INLINE lanes inverse(lanes x) {
    lanes about = (lanes)_mm512_rcp14_ps((__m512)x);
    return about * (2.0f - x * about);
}
#else
INLINE lanes larger(lanes x, lanes y) { return (lanes)_mm256_max_ps((__m256)x, (__m256)y); }

INLINE lanes rounded(lanes x) {
    return (lanes)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x 2^n for whole n from -126 to 127. */
INLINE lanes times_two_to(lanes x, lanes n) {
    __m256i bits = _mm256_add_epi32(_mm256_cvtps_epi32((__m256)n), _mm256_set1_epi32(127));
    return x * (lanes)_mm256_slli_epi32(bits, 23);
}

INLINE float total(lanes x) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE float largest(lanes x) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* 1 / x. The estimate of eight numbers has twelve bits: dividing costs less than making it better twice. */
INLINE lanes inverse(lanes x) { return 1.0f / x; }
#endif

/* e^x to about one unit in the last place, for x up to 87; below -87 as at -87. */
INLINE lanes exponential(lanes x) {
    x = larger(x, (lanes){} - 87.0f);
    lanes n = rounded(x * 1.442695041f);
    lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
    lanes p = r * 0.00138145396f + 0.00836874516f;
    p = p * r + 0.0416683908f;
    p = p * r + 0.166665204f;
    p = p * r + 0.499999934f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return times_two_to(p, n);
}

INLINE lanes sigmoid(lanes x) {
    x = larger(x, (lanes){} - 87.0f);
    return inverse(1.0f + exponential(-x));
}
