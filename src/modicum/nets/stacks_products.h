/* Vectors of sixteen numbers, and products of packed matrices, in single precision. */
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
#define HALF 8
#define PANEL 64
#define SPARE 16
#define DEEP 512 /* Rows of a panel that are read before the next rows of the result are begun. */
#define EACH _Pragma("GCC unroll 8")
#define INLINE static inline __attribute__((always_inline))
#define LEAST -1e30f

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef float lanes_at __attribute__((vector_size(4 * LANES), aligned(4)));
typedef float half_at __attribute__((vector_size(4 * HALF), aligned(4)));

/* e^x to about one unit in the last place, for x up to 87; below -87 as at -87. */
INLINE lanes exponential(lanes x) {
    x = (lanes)_mm512_max_ps((__m512)x, _mm512_set1_ps(-87.0f));
    lanes n = (lanes)_mm512_roundscale_ps((__m512)(x * 1.442695041f), 0);
    lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
    lanes p = r * 0.00138145396f + 0.00836874516f;
    p = p * r + 0.0416683908f;
    p = p * r + 0.166665204f;
    p = p * r + 0.499999934f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (lanes)_mm512_scalef_ps((__m512)p, (__m512)n);
}

/* 1 / x for x up to 2^126: an estimate, made better once. */
INLINE lanes inverse(lanes x) {
    lanes about = (lanes)_mm512_rcp14_ps((__m512)x);
    return about * (2.0f - x * about);
}

INLINE lanes sigmoid(lanes x) {
    x = (lanes)_mm512_max_ps((__m512)x, _mm512_set1_ps(-87.0f));
    return inverse(1.0f + exponential(-x));
}

INLINE float total(lanes x) { return _mm512_reduce_add_ps((__m512)x); }

/* A factor as it is read: number (row, k) at `row * down + k * along`. */
typedef struct {
    const float *at;
    int64_t down, along;
} left;

/* The other: row k of its panel p at `p * panel + k * down`. */
typedef struct {
    const float *at;
    int64_t down, panel;
} right;

INLINE void tile(left a, const float *b, int64_t down, int64_t depth, float *to, int64_t stride,
                 int add, const int rows, const int wide) {
    lanes sum[6][4];
    EACH for (int r = 0; r < rows; r++)
        EACH for (int v = 0; v < wide; v++)
            sum[r][v] = add ? (lanes)*(lanes_at *)(to + r * stride + v * LANES) : (lanes){};
    for (int64_t k = 0; k < depth; k++) {
        lanes part[4];
        EACH for (int v = 0; v < wide; v++) part[v] = *(lanes_at *)(b + k * down + v * LANES);
        EACH for (int r = 0; r < rows; r++) {
            float one = a.at[r * a.down + k * a.along];
            EACH for (int v = 0; v < wide; v++) sum[r][v] += part[v] * one;
        }
    }
    EACH for (int r = 0; r < rows; r++)
        EACH for (int v = 0; v < wide; v++)
            *(lanes_at *)(to + r * stride + v * LANES) = sum[r][v];
}

#define TILE(n, v)                                                                             \
    case n * 8 + v: tile(a, b, down, depth, to, stride, add, n, v); break;
#define TILES(n) TILE(n, 1) TILE(n, 2) TILE(n, 3) TILE(n, 4)

INLINE void any_tile(left a, const float *b, int64_t down, int64_t depth, float *to,
                     int64_t stride, int add, int rows, int wide) {
    switch (rows * 8 + wide) { TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) }
}

static void along_rows(left a, const float *b, int64_t down, int64_t depth, float *to,
                       int64_t stride, int add, int rows, int wide) {
    a.along = 1;
    any_tile(a, b, down, depth, to, stride, add, rows, wide);
}

static void along_columns(left a, const float *b, int64_t down, int64_t depth, float *to,
                          int64_t stride, int add, int rows, int wide) {
    a.down = 1;
    any_tile(a, b, down, depth, to, stride, add, rows, wide);
}

/* `to` [rows, columns] = or += a [rows, depth] times b [depth, columns]; columns come in sixteens. */
static void multiply(left a, right b, int64_t rows, int64_t depth, int64_t columns, float *to,
                     int64_t stride, int add) {
    for (int64_t k = 0; k < depth; k += DEEP) {
        int64_t deep = depth - k < DEEP ? depth - k : DEEP;
        for (int64_t n = 0; n < columns; n += PANEL) {
            int wide = (int)((columns - n < PANEL ? columns - n : PANEL) / LANES);
            const float *panel = b.at + n / PANEL * b.panel + k * b.down;
            for (int64_t m = 0; m < rows; m += 6) {
                int some = (int)(rows - m < 6 ? rows - m : 6);
                left part = {a.at + m * a.down + k * a.along, a.down, a.along};
                (a.along == 1 ? along_rows : along_columns)(
                    part, panel, b.down, deep, to + m * stride + n, stride, add || k, some, wide);
            }
        }
    }
}

INLINE left by_rows(const float *at, int64_t stride) { return (left){at, stride, 1}; }
INLINE left by_columns(const float *at, int64_t stride) { return (left){at, 1, stride}; }
INLINE right packed(const float *at, int64_t depth) { return (right){at, PANEL, PANEL * depth}; }
INLINE right plain(const float *at, int64_t stride) { return (right){at, stride, PANEL}; }
