/* Products of packed matrices in single precision. */
#include <stdint.h>

#include "stacks_lanes.h"

#define PANEL (WIDE * LANES)
#define SPARE 16
#define DEEP 512 /* Rows of a panel that are read before the next rows of the result are begun. */
#define EACH _Pragma("GCC unroll 8")

INLINE int64_t fewer(int64_t a, int64_t b) { return a < b ? a : b; }

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
    lanes sum[TALL][WIDE];
    EACH for (int r = 0; r < rows; r++)
        EACH for (int v = 0; v < wide; v++)
            sum[r][v] = add ? (lanes)*(lanes_at *)(to + r * stride + v * LANES) : (lanes){};
    for (int64_t k = 0; k < depth; k++) {
        lanes part[WIDE];
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
#if WIDE == 4
#define TILES(n) TILE(n, 1) TILE(n, 2) TILE(n, 3) TILE(n, 4)
#else
#define TILES(n) TILE(n, 1) TILE(n, 2)
#endif

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

#if LANES == 8
#define APART 256         /* Columns, and rows of the result, from which `multiply` copies. */
#define TOGETHER 256      /* Rows of the right factor that are copied together, */
#define BESIDE 4          /* panels of it, */
#define BLOCK (24 * TALL) /* and rows of the result whose part of the left one is. */

/* Copies rows of a left factor read by columns: of so many at a time the numbers of one column. */
static void copy_left(float *to, left a, int64_t rows, int64_t depth) {
    for (int64_t m = 0; m < rows; m += TALL, to += TALL * depth)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t r = 0; r < fewer(rows - m, TALL); r++)
                to[k * TALL + r] = a.at[k * a.along + m + r];
}

/* Copies columns of a plain right factor into panels. */
static void copy_right(float *to, const float *from, int64_t down, int64_t depth, int64_t columns) {
    for (int64_t k = 0; k < depth; k++, to += PANEL, from += down)
        for (int64_t n = 0; n < columns; n += LANES)
            *(lanes_at *)(to + n / PANEL * PANEL * depth + n % PANEL) = *(lanes_at *)(from + n);
}

/* As `multiply`, a read by columns and b plain. Where rows lie pages apart the nearest cache holds few
 * of them: parts of both factors are copied side by side, and the result is sent for a tile ahead. */
static void multiply_copied(left a, right b, int64_t some, int64_t deep, int64_t columns, float *to,
                            int64_t stride, int add) {
    float tall[BLOCK * TOGETHER] __attribute__((aligned(64)));
    float panels[BESIDE * PANEL * TOGETHER] __attribute__((aligned(64)));
    copy_left(tall, a, some, deep);
    for (int64_t n = 0; n < columns; n += PANEL) {
        int64_t left_over = columns - n, ready = n % (BESIDE * PANEL);
        if (!ready) copy_right(panels, b.at + n, b.down, deep, fewer(left_over, BESIDE * PANEL));
        for (int64_t m = 0; m < some; m += TALL) {
            for (int64_t r = m + TALL; r < fewer(some, m + 2 * TALL); r++)
                __builtin_prefetch(to + r * stride + n, 1);
            along_columns((left){tall + m * deep, 1, TALL}, panels + ready * deep, PANEL, deep,
                          to + m * stride + n, stride, add, (int)fewer(some - m, TALL),
                          (int)(fewer(left_over, PANEL) / LANES));
        }
    }
}
#endif

/* `to` [rows, columns] = or += a [rows, depth] times b [depth, columns]; columns come in `LANES`. */
static void multiply(left a, right b, int64_t rows, int64_t depth, int64_t columns, float *to,
                     int64_t stride, int add) {
#if LANES == 8
    if (a.along != 1 && rows >= APART && columns >= APART) {
        for (int64_t k = 0; k < depth; k += TOGETHER)
            for (int64_t m = 0; m < rows; m += BLOCK)
                multiply_copied((left){a.at + m + k * a.along, 1, a.along},
                                (right){b.at + k * b.down, b.down, PANEL}, fewer(rows - m, BLOCK),
                                fewer(depth - k, TOGETHER), columns, to + m * stride, stride,
                                add || k);
        return;
    }
#endif
    for (int64_t k = 0; k < depth; k += DEEP) {
        int64_t deep = depth - k < DEEP ? depth - k : DEEP;
        for (int64_t n = 0; n < columns; n += PANEL) {
            int wide = (int)((columns - n < PANEL ? columns - n : PANEL) / LANES);
            const float *panel = b.at + n / PANEL * b.panel + k * b.down;
            for (int64_t m = 0; m < rows; m += TALL) {
                int some = (int)(rows - m < TALL ? rows - m : TALL);
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
