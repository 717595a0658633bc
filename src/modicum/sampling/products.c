/* Products of bfloat16 weights with the rows in flight, and what stands between them.
 *
 * Weights are read as they lie, `[out, in]`, two neighbouring numbers at a time; activations are
 * single precision `[in, columns]`, one column a row in flight, and are rounded in pairs to
 * `[in / 2, columns]` words just before a product. Sums are single precision throughout. Where the
 * processor has no such units the same sums are made of single-precision products.
 */
#include <math.h>
#include <stdint.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define LANES 16
/* Outputs of a thread come in multiples of what any loop takes at a time. */
#define SHARE 24
#define EACH _Pragma("GCC unroll 32")
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));
typedef float lanes_at __attribute__((vector_size(4 * LANES), aligned(4)));

/* sum + the two products of a pair, in every lane. */
INLINE lanes pair(lanes sum, words x, uint32_t weights) {
#ifdef __AVX512BF16__
    return (lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x,
                                   (__m512bh)_mm512_set1_epi32((int)weights));
#else
    union { uint32_t bits; float number; } even = {weights << 16}, odd = {weights & 0xffff0000u};
    sum += (lanes)(x << 16) * even.number;
    return sum + (lanes)(x & 0xffff0000u) * odd.number;
#endif
}

/* The bits of numbers, ready to be cut to the upper half: round to nearest, ties to even. */
INLINE words rounded(lanes x) {
    words bits = (words)x;
    return bits + 0x7fffu + ((bits >> 16) & 1u);
}

INLINE words paired(lanes even, lanes odd) {
    return (rounded(even) >> 16) | (rounded(odd) & 0xffff0000u);
}

/* e^x for x <= 0, to about one unit in the last place; below -87 as at -87. */
INLINE lanes exponential(lanes x) {
    lanes least = (lanes){} - 87.0f;
    whole first = x > least;
    x = (lanes)((first & (whole)x) | (~first & (whole)least));
    whole n = __builtin_convertvector(x * 1.442695041f - 0.5f, whole);
    lanes f = __builtin_convertvector(n, lanes);
    lanes r = x - f * 0.693359375f + f * 2.12194440e-4f;
    lanes p = r * (1.0f / 5040) + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    whole power = (n + 127) << 23;
    return p * (lanes)power;
}

INLINE lanes sigmoid(lanes x) {
    whole below = x < 0.0f;
    lanes size = (lanes)((whole)x & 0x7fffffff), e = exponential(-size);
    lanes top = (lanes)((below & (whole)e) | (~below & (whole)((lanes){} + 1.0f)));
    return top / (1.0f + e);
}

/* Sums of `outs` weight rows with `wide` vectors of columns, all held in registers. */
INLINE void sums(lanes (*sum)[4], const uint16_t *weight, const words *x, int64_t in,
                 int64_t stride, const int outs, const int wide) {
    EACH for (int o = 0; o < outs; o++)
        EACH for (int v = 0; v < wide; v++) sum[o][v] = (lanes){};
    const uint32_t *rows = (const uint32_t *)weight;
    int64_t pairs = in / 2;
    for (int64_t begun = 0; begun < pairs; begun += LANES) {
        int64_t end = begun + LANES < pairs ? begun + LANES : pairs;
        /* The rows that come next are asked for while these are read. */
        EACH for (int o = 0; o < outs; o++) __builtin_prefetch(rows + (outs + o) * pairs + begun);
        for (int64_t k = begun; k < end; k++) {
            words part[4];
            EACH for (int v = 0; v < wide; v++) part[v] = x[k * stride + v];
            EACH for (int o = 0; o < outs; o++)
                EACH for (int v = 0; v < wide; v++)
                    sum[o][v] = pair(sum[o][v], part[v], rows[o * pairs + k]);
        }
    }
}

INLINE void some(float *out, const uint16_t *weight, const float *bias, const words *x,
                 int64_t first, int64_t in, int64_t columns, int add, const int outs,
                 const int wide) {
    lanes sum[24][4];
    sums(sum, weight + first * in, x, in, columns / LANES, outs, wide);
    EACH for (int o = 0; o < outs; o++) {
        float own = bias ? bias[first + o] : 0.0f;
        EACH for (int v = 0; v < wide; v++) {
            lanes_at *to = (lanes_at *)(out + (first + o) * columns + v * LANES);
            *to = sum[o][v] + own + (add ? *to : (lanes_at){});
        }
    }
}

#define THROUGH(wide, most)                                                                    \
    for (; first + most <= last; first += most)                                                \
        some(out, weight, bias, x, first, in, columns, add, most, wide);                       \
    for (; first < last; first++) some(out, weight, bias, x, first, in, columns, add, 1, wide);

/* Outputs from `first` to before `last`. A sum does not depend on what is summed beside it. */
static void multiply_part(float *out, const uint16_t *weight, const float *bias, const words *x,
                          int64_t first, int64_t last, int64_t in, int64_t columns, int add) {
    int64_t begin = first;
    for (int64_t left = columns / LANES, wide; left > 0; left -= wide) {
        first = begin;
        wide = left > 4 ? 4 : left;
        if (wide == 4) { THROUGH(4, 6) }
        if (wide == 3) { THROUGH(3, 8) }
        if (wide == 2) { THROUGH(2, 12) }
        if (wide == 1) { THROUGH(1, 24) }
        out += wide * LANES, x += wide;
    }
}

/* Outputs whose weights stay near while all columns pass: some hundred kilobytes. */
INLINE int64_t near_outs(int64_t in) {
    int64_t outs = (200 << 10) / (2 * in) / SHARE * SHARE;
    return outs > SHARE ? outs : SHARE;
}

/* The same, a few outputs with all columns after the other. */
static void multiply_share(float *out, const uint16_t *weight, const float *bias, const words *x,
                           int64_t first, int64_t last, int64_t in, int64_t columns, int add) {
    int64_t outs = columns > 4 * LANES ? near_outs(in) : last - first;
    for (; first < last; first += outs)
        multiply_part(out, weight, bias, x, first, first + outs < last ? first + outs : last, in,
                      columns, add);
}

/* out[o, c] = bias[o] + sum of weight[o, i] x[i, c], or that added to `out`. */
void multiply(float *out, const uint16_t *weight, const float *bias, const words *x, int64_t outs,
              int64_t in, int64_t columns, int64_t add, int64_t threads) {
    int64_t share = ((outs + threads - 1) / threads + SHARE - 1) / SHARE * SHARE;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        int64_t first = part * share, last = first + share < outs ? first + share : outs;
        multiply_share(out, weight, bias, x, first, last, in, columns, (int)add);
    }
}

INLINE void some_gated(words *out, const uint16_t *gate, const uint16_t *up, const words *x,
                       int64_t first, int64_t in, int64_t columns, int64_t gelu, const int outs,
                       const int wide) {
    /* An even number of outputs, one matrix after the other: all sums of one fit into registers. */
    lanes open[24][4], sum[24][4];
    int64_t stride = columns / LANES;
    sums(open, gate + first * in, x, in, stride, outs, wide);
    EACH for (int o = 0; o < outs; o++)
        EACH for (int v = 0; v < wide; v++) {
            lanes x = open[o][v];
            /* (1 + tanh(y)) / 2 is the sigmoid of 2 y; here 2 y = sqrt(8 / pi) (x + .044715 x^3). */
            if (gelu) x *= 1.595769122f + 0.071354816f * (x * x);
            open[o][v] *= sigmoid(x);
        }
    sums(sum, up + first * in, x, in, stride, outs, wide);
    EACH for (int o = 0; o < outs; o += 2)
        EACH for (int v = 0; v < wide; v++)
            out[(first + o) / 2 * stride + v] =
                paired(sum[o][v] * open[o][v], sum[o + 1][v] * open[o + 1][v]);
}

#define THROUGH_GATED(wide, most)                                                  \
    for (; first + most <= last; first += most)                                    \
        some_gated(out, gate, up, x, first, in, columns, gelu, most, wide);        \
    for (; first < last; first += 2)                                               \
        some_gated(out, gate, up, x, first, in, columns, gelu, 2, wide);

static void gated_part(words *out, const uint16_t *gate, const uint16_t *up, const words *x,
                       int64_t first, int64_t last, int64_t in, int64_t columns, int64_t gelu) {
    int64_t begin = first;
    for (int64_t left = columns / LANES, wide; left > 0; left -= wide) {
        first = begin;
        wide = left > 4 ? 4 : left;
        if (wide == 4) { THROUGH_GATED(4, 6) }
        if (wide == 3) { THROUGH_GATED(3, 8) }
        if (wide == 2) { THROUGH_GATED(2, 12) }
        if (wide == 1) { THROUGH_GATED(1, 24) }
        out += wide, x += wide;
    }
}

/* silu(gate x) * (up x), rounded and in pairs; `outs` is even. With `gelu` that function, by its
 * approximation with tanh, stands in the place of silu. */
void multiply_gated(words *out, const uint16_t *gate, const uint16_t *up, const words *x,
                    int64_t outs, int64_t in, int64_t columns, int64_t gelu, int64_t threads) {
    int64_t share = ((outs + threads - 1) / threads + SHARE - 1) / SHARE * SHARE;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        int64_t first = part * share, last = first + share < outs ? first + share : outs;
        int64_t near = columns > 4 * LANES ? near_outs(2 * in) : outs;
        for (; first < last; first += near)
            gated_part(out, gate, up, x, first, first + near < last ? first + near : last, in,
                       columns, gelu);
    }
}

/* Columns of single precision, rounded in pairs; where there is a weight [in], each column is first
 * divided by the root of its mean square and multiplied by the weight. */
void pack(words *out, const float *from, const float *weight, int64_t in, int64_t columns,
          float epsilon) {
    int64_t stride = columns / LANES;
    for (int64_t v = 0; v < stride; v++) {
        lanes scale = (lanes){} + 1.0f, sum = (lanes){};
        if (weight) {
            for (int64_t i = 0; i < in; i++) {
                lanes x = *(const lanes_at *)(from + i * columns + v * LANES);
                sum += x * x;
            }
            for (int j = 0; j < LANES; j++) scale[j] = 1.0f / sqrtf(sum[j] / (float)in + epsilon);
        }
        for (int64_t i = 0; i < in; i += 2) {
            lanes even = *(const lanes_at *)(from + i * columns + v * LANES) * scale;
            lanes odd = *(const lanes_at *)(from + (i + 1) * columns + v * LANES) * scale;
            if (weight) even *= weight[i], odd *= weight[i + 1];
            out[i / 2 * stride + v] = paired(even, odd);
        }
    }
}

/* Sixteen vectors of sixteen numbers become their transpose: halves change places, then quarters. */
INLINE void turned(words *r) {
    EACH for (int s = 1; s < LANES; s *= 2) {
        words low, high;
        EACH for (int j = 0; j < LANES; j++) {
            low[j] = j & s ? LANES + j - s : j;
            high[j] = j & s ? LANES + j : j + s;
        }
        EACH for (int i = 0; i < LANES; i++)
            if (!(i & s)) {
                words a = r[i], b = r[i + s];
                r[i] = __builtin_shuffle(a, b, low);
                r[i + s] = __builtin_shuffle(a, b, high);
            }
    }
}

/* Sixteen rows `[rows, in]`, those from `rows` on being zeros, as columns rounded in pairs. */
static void pack_sixteen(uint32_t *out, const float *from, int64_t rows, int64_t in,
                         int64_t columns) {
    const words even = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    int64_t i = 0;
    for (; i + 2 * LANES <= in; i += 2 * LANES) {
        words r[LANES];
        for (int j = 0; j < LANES; j++) {
            lanes a = {}, b = {};
            if (j < rows) {
                a = *(const lanes_at *)(from + j * in + i);
                b = *(const lanes_at *)(from + j * in + i + LANES);
            }
            r[j] = paired(__builtin_shuffle(a, b, (whole)even), __builtin_shuffle(a, b, (whole)even + 1));
        }
        turned(r);
        for (int k = 0; k < LANES; k++) *(words *)(out + (i / 2 + k) * columns) = r[k];
    }
    for (; i < in; i += 2) {
        lanes a = {}, b = {};
        for (int j = 0; j < LANES && j < rows; j++) a[j] = from[j * in + i], b[j] = from[j * in + i + 1];
        *(words *)(out + i / 2 * columns) = paired(a, b);
    }
}

/* Rows `[columns, in]` as columns, without a norm. */
void pack_rows(uint32_t *out, const float *from, int64_t in, int64_t columns) {
    for (int64_t first = 0; first < columns; first += LANES)
        pack_sixteen(out + first, from + first * in, LANES, in, columns);
}

/* Outputs `[outs, columns]` from `first` on as parts of rows that are `wide` numbers apart. */
static void unpack(float *to, const float *from, int64_t outs, int64_t columns, int64_t rows,
                   int64_t wide) {
    for (int64_t c = 0; c < rows; c += LANES) {
        int64_t left = rows - c < LANES ? rows - c : LANES, o = 0;
        for (; o + LANES <= outs; o += LANES) {
            words r[LANES];
            for (int i = 0; i < LANES; i++) r[i] = *(const words *)(from + (o + i) * columns + c);
            turned(r);
            for (int j = 0; j < left; j++) *(lanes_at *)(to + (c + j) * wide + o) = (lanes)r[j];
        }
        for (; o < outs; o++)
            for (int j = 0; j < left; j++) to[(c + j) * wide + o] = from[o * columns + c + j];
    }
}

#define STRIP (4 * LANES)
/* Outputs that are computed for all strips while their weights are near. */
#define NEAR 96

/* out[r, o] = bias[o] + sum of weight[o, i] x[r, i], for any number of rows. `room` takes the rows
 * as columns: a word a pair, their number rounded up to a multiple of LANES. */
void multiply_rows(float *out, const uint16_t *weight, const float *bias, const float *x,
                   uint32_t *room, int64_t outs, int64_t in, int64_t rows, int64_t threads) {
    int64_t groups = (rows + LANES - 1) / LANES, strips = (rows + STRIP - 1) / STRIP;
    int64_t chunks = (outs + NEAR - 1) / NEAR;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for
        for (int64_t g = 0; g < groups; g++) {
            int64_t strip = g * LANES / STRIP, begun = strip * STRIP;
            int64_t columns = groups * LANES - begun < STRIP ? groups * LANES - begun : STRIP;
            pack_sixteen(room + begun * (in / 2) + g * LANES - begun, x + g * LANES * in,
                         rows - g * LANES, in, columns);
        }
#pragma omp for schedule(dynamic)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            int64_t first = chunk * NEAR, some = outs - first < NEAR ? outs - first : NEAR;
            const float *own = bias ? bias + first : 0;
            for (int64_t strip = 0; strip < strips; strip++) {
                float buffer[NEAR * STRIP] __attribute__((aligned(64)));
                int64_t begun = strip * STRIP, left = rows - begun < STRIP ? rows - begun : STRIP;
                int64_t columns = (left + LANES - 1) / LANES * LANES;
                multiply_part(buffer, weight + first * in, own,
                              (const words *)(room + begun * (in / 2)), 0, some, in, columns, 0);
                unpack(out + begun * outs + first, buffer, some, columns, left, outs);
            }
        }
    }
}

/* Of columns of scores `[vocab, columns]`, each times `scale`: the
 * greatest score of a column among these rows, the sum of e^(score - greatest), and the sum of that
 * times (score - greatest). Sums are made block by block, so that they stay exact. */
#define BLOCK 64
static void weigh_part(lanes_at *most, lanes_at *sum, lanes_at *moment, const float *scores,
                       int64_t first, int64_t last, int64_t columns, float scale) {
    int64_t stride = columns / LANES;
    for (int64_t v = 0; v < stride; v++)
        most[v] = (lanes){} - 1e30f, sum[v] = moment[v] = (lanes){};
    for (int64_t begun = first; begun < last; begun += BLOCK) {
        int64_t end = begun + BLOCK < last ? begun + BLOCK : last;
        for (int64_t v = 0; v < stride; v++) {
            const float *from = scores + v * LANES;
            lanes top = most[v];
            for (int64_t i = begun; i < end; i++) {
                lanes x = *(const lanes_at *)(from + i * columns) * scale;
                whole over = x > top;
                top = (lanes)((over & (whole)x) | (~over & (whole)top));
            }
            lanes moved = most[v] - top, kept = exponential(moved);
            lanes own = (lanes){}, turn = (lanes){};
            for (int64_t i = begun; i < end; i++) {
                lanes below = *(const lanes_at *)(from + i * columns) * scale - top;
                lanes e = exponential(below);
                own += e, turn += e * below;
            }
            moment[v] = kept * (moment[v] + sum[v] * moved) + turn;
            sum[v] = kept * sum[v] + own;
            most[v] = top;
        }
    }
}

/* A part of the rows for each thread: `found` is `[threads, 3, columns]`. */
void weigh(float *found, const float *scores, int64_t vocab, int64_t columns, float scale,
           int64_t threads) {
    int64_t share = (vocab + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        int64_t first = part * share, last = first + share < vocab ? first + share : vocab;
        float *own = found + part * 3 * columns;
        weigh_part((lanes_at *)own, (lanes_at *)(own + columns), (lanes_at *)(own + 2 * columns),
                   scores, first, last, columns, scale);
    }
}

/* Minus e^(score - total), rounded, as rows `[columns, vocab]`; vocab is even. */
void chances(uint32_t *out, const float *scores, const float *total, int64_t vocab,
             int64_t columns, float scale, int64_t threads) {
    int64_t pairs = vocab / 2, share = (pairs + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        int64_t last = (part + 1) * share < pairs ? (part + 1) * share : pairs;
        for (int64_t begun = part * share; begun < last; begun += LANES)
            for (int64_t v = 0; v < columns; v += LANES) {
                lanes least = *(const lanes_at *)(total + v);
                int64_t end = begun + LANES < last ? begun + LANES : last;
                for (int64_t k = begun; k < end; k++) {
                    const float *from = scores + 2 * k * columns + v;
                    lanes even = exponential(*(const lanes_at *)from * scale - least);
                    lanes odd = exponential(*(const lanes_at *)(from + columns) * scale - least);
                    words both = paired(-even, -odd);
                    for (int j = 0; j < LANES; j++) out[(v + j) * pairs + k] = both[j];
                }
            }
    }
}
