/* Stacks of attention and SwiGLU layers, forwards and backwards, in single precision.
 *
 * A few boards pass through all layers of a stack before the next ones come, so that what lies
 * between two products never leaves the cache. Matrices are read packed: panels of 64 columns, the
 * numbers that one row of the other factor meets side by side. Rows have some spare numbers at
 * their end, for rows a power of two apart would share few lines of the cache.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#define THREAD omp_get_thread_num()
#else
#define THREAD 0
#endif

#include "stacks_products.h"

/* Sizes of a stack; the order is known to the caller. */
typedef struct {
    int64_t places, width, heads, inner, layers, boards, group, threads;
} sizes;

/* What a layer keeps of a group of boards: where each part begins, in numbers. */
typedef struct {
    int64_t heads, seen, mixed, gated, out, scales, sums, whole;
    int64_t wide, gates; /* Numbers from one row to the next of `heads` and of `gated`. */
} record;

typedef struct {
    float *read, *write, *rise, *fall;
} weights;

static record record_of(const sizes *s) {
    int64_t rows = s->group * s->places;
    record r = {.wide = 3 * s->width + SPARE, .gates = 2 * s->inner + SPARE};
    r.seen = r.heads + rows * r.wide;
    r.mixed = r.seen + rows * s->width;
    r.gated = r.mixed + rows * s->width;
    r.out = r.gated + rows * r.gates;
    r.scales = r.out + rows * s->width;
    r.sums = r.scales + 2 * rows;
    r.whole = (r.sums + 2 * rows * s->heads + LANES - 1) / LANES * LANES;
    return r;
}

static int64_t layer_numbers(const sizes *s) {
    return 4 * s->width * s->width + 3 * s->width * s->inner;
}

static weights weights_of(const sizes *s, float *all, int64_t layer) {
    int64_t square = s->width * s->width;
    float *read = all + layer * layer_numbers(s);
    float *rise = read + 4 * square;
    return (weights){read, read + 3 * square, rise, rise + 2 * s->width * s->inner};
}

/* `to` = a row plus another, over the root of their mean square; `scale` is what it was over. */
static void add_normed(float *to, float *scale, const float *x, const float *y, int64_t rows,
                       int64_t width) {
    for (int64_t m = 0; m < rows; m++, to += width, x += width, y += width) {
        lanes squares = {};
        for (int64_t i = 0; i < width; i += LANES) {
            lanes one = *(lanes_at *)(x + i) + *(lanes_at *)(y + i);
            squares += one * one;
            *(lanes_at *)(to + i) = one;
        }
        scale[m] = 1.0f / sqrtf(total(squares) / (float)width + 1e-5f);
        for (int64_t i = 0; i < width; i += LANES) *(lanes_at *)(to + i) *= scale[m];
    }
}

/* The gradient before a norm, in place, from that after it and from what the norm gave. */
static void before_norm(float *grad, const float *out, const float *scale, int64_t rows,
                        int64_t width) {
    for (int64_t m = 0; m < rows; m++, grad += width, out += width) {
        lanes both = {};
        for (int64_t i = 0; i < width; i += LANES)
            both += *(lanes_at *)(grad + i) * *(lanes_at *)(out + i);
        float share = total(both) / (float)width;
        for (int64_t i = 0; i < width; i += LANES) {
            lanes_at *g = (lanes_at *)(grad + i);
            *g = (*g - *(lanes_at *)(out + i) * share) * scale[m];
        }
    }
}

static void gate(float *to, const float *gates, int64_t stride, int64_t rows, int64_t inner) {
    for (int64_t m = 0; m < rows; m++, to += inner, gates += stride)
        for (int64_t i = 0; i < inner; i += LANES) {
            lanes g = *(lanes_at *)(gates + i);
            *(lanes_at *)(to + i) = g * sigmoid(g) * *(lanes_at *)(gates + inner + i);
        }
}

/* Turns gates into their gradients, given that of what they made, which becomes what they made. */
static void gate_back(float *made, float *gates, int64_t stride, int64_t rows, int64_t inner) {
    for (int64_t m = 0; m < rows; m++, made += inner, gates += stride)
        for (int64_t i = 0; i < inner; i += LANES) {
            lanes_at *one = (lanes_at *)(made + i), *up = (lanes_at *)(gates + inner + i);
            lanes g = *(lanes_at *)(gates + i), grad = *one, s = sigmoid(g), swish = g * s;
            *one = swish * *up;
            *(lanes_at *)(gates + i) = grad * *up * (s + swish * (1.0f - s));
            *up = grad * swish;
        }
}

/* Turns queries and keys by the angles of their position; back where `sign` is -1. */
static void turn(const sizes *s, const float *cos, const float *sin, float sign, float *heads,
                 int64_t stride, int64_t rows) {
    int64_t size = s->width / s->heads, half = size / 2;
    for (int64_t m = 0; cos && m < rows; m++, heads += stride) {
        const float *c = cos + m % s->places * half, *d = sin + m % s->places * half;
        for (int64_t at = 0; at < 2 * s->width; at += size)
            for (int64_t i = 0; i < half; i += HALF) {
                half_at *a = (half_at *)(heads + at + i), *b = (half_at *)(heads + at + half + i);
                half_at x = *a, y = *b, near = *(half_at *)(c + i), far = *(half_at *)(d + i) * sign;
                *a = x * near - y * far;
                *b = y * near + x * far;
            }
    }
}

/* `to` [columns, stride] = x [rows, columns] turned over, with zeros from `rows` on. */
static void turned_over(float *to, int64_t stride, const float *x, int64_t down, int64_t rows,
                        int64_t columns) {
    for (int64_t i = 0; i < columns; i++) {
        for (int64_t m = 0; m < rows; m++) to[i * stride + m] = x[m * down + i];
        for (int64_t m = rows; m < stride; m++) to[i * stride + m] = 0.0f;
    }
}

static int64_t padded(const sizes *s) { return (s->places + LANES - 1) / LANES * LANES; }

/* One board: what every position sees; of each softmax, its largest score and one over its sum. */
static void attend(const sizes *s, const float *heads, int64_t stride, float *to, float *sums,
                   float *room) {
    int64_t n = s->places, full = padded(s), size = s->width / s->heads, down = full + SPARE;
    float scale = 1.0f / sqrtf((float)size);
    float *keys = room, *scores = room + size * full;
    for (int64_t h = 0; h < s->heads; h++, sums += 2 * n) {
        const float *q = heads + h * size, *k = q + s->width, *v = k + s->width;
        turned_over(keys, full, k, stride, n, size);
        multiply(by_rows(q, stride), plain(keys, full), n, size, full, scores, down, 0);
        for (int64_t i = 0; i < n; i++) {
            float *row = scores + i * down;
            for (int64_t j = n; j < full; j++) row[j] = LEAST;
            lanes most = (lanes){} + LEAST, sum = {};
            for (int64_t j = 0; j < full; j += LANES)
                most = larger(most, *(lanes_at *)(row + j));
            float top = largest(most) * scale;
            for (int64_t j = 0; j < full; j += LANES) {
                lanes one = exponential(*(lanes_at *)(row + j) * scale - top);
                sum += one;
                *(lanes_at *)(row + j) = one;
            }
            sums[2 * i] = top;
            sums[2 * i + 1] = 1.0f / total(sum);
        }
        multiply(by_rows(scores, down), plain(v, stride), n, n, size, to + h * size, s->width, 0);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < size; j += LANES)
                *(lanes_at *)(to + i * s->width + h * size + j) *= sums[2 * i + 1];
    }
}

/* The gradient of `attend` before queries, keys and values. */
static void attend_back(const sizes *s, const float *heads, int64_t stride, const float *seen,
                        const float *sums, const float *grad, float *grads, float *room) {
    int64_t n = s->places, full = padded(s), size = s->width / s->heads, down = full + SPARE;
    float scale = 1.0f / sqrtf((float)size);
    float *over = room, *shares = room + size * full, *slopes = shares + n * down;
    for (int64_t h = 0; h < s->heads; h++, sums += 2 * n) {
        int64_t at = h * size;
        const float *q = heads + at, *k = q + s->width, *v = k + s->width;
        turned_over(over, full, k, stride, n, size);
        multiply(by_rows(q, stride), plain(over, full), n, size, full, shares, down, 0);
        turned_over(over, full, v, stride, n, size);
        multiply(by_rows(grad + at, s->width), plain(over, full), n, size, full, slopes, down, 0);
        for (int64_t i = 0; i < n; i++) {
            const float *g = grad + i * s->width + at, *o = seen + i * s->width + at;
            float *row = shares + i * down, *slope = slopes + i * down;
            for (int64_t j = n; j < full; j++) row[j] = LEAST;
            lanes both = {};
            for (int64_t j = 0; j < size; j += LANES)
                both += *(lanes_at *)(g + j) * *(lanes_at *)(o + j);
            float mean = total(both);
            for (int64_t j = 0; j < full; j += LANES) {
                lanes share = exponential(*(lanes_at *)(row + j) * scale - sums[2 * i]) * sums[2 * i + 1];
                *(lanes_at *)(row + j) = share;
                *(lanes_at *)(slope + j) = share * (*(lanes_at *)(slope + j) - mean) * scale;
            }
        }
        float *to = grads + at;
        multiply(by_rows(slopes, down), plain(k, stride), n, n, size, to, stride, 0);
        multiply(by_columns(slopes, down), plain(q, stride), n, n, size, to + s->width, stride, 0);
        multiply(by_columns(shares, down), plain(grad + at, s->width), n, n, size,
                 to + 2 * s->width, stride, 0);
    }
}

/* Numbers of room that a thread needs. */
int64_t room_of(const sizes *s) {
    int64_t rows = s->group * s->places, size = s->width / s->heads;
    int64_t head = size * padded(s) + 2 * s->places * (padded(s) + SPARE);
    return rows * (s->inner + 5 * s->width + SPARE) + head + record_of(s).whole + 4 * LANES;
}

int64_t kept_of(const sizes *s) { return record_of(s).whole; }

static void forwards(const sizes *s, int64_t boards, const float *x, float *packs,
                     const float *cos, const float *sin, float *kept, int64_t step, float *to,
                     float *room) {
    record r = record_of(s);
    int64_t width = s->width, inner = s->inner, rows = boards * s->places;
    float *made = room, *sum = made + rows * inner, *spare = sum + rows * width;
    for (int64_t layer = 0; layer < s->layers; layer++, kept += step) {
        weights w = weights_of(s, packs, layer);
        float *heads = kept + r.heads, *seen = kept + r.seen, *mixed = kept + r.mixed;
        multiply(by_rows(x, width), packed(w.read, width), rows, width, 3 * width, heads, r.wide, 0);
        turn(s, cos, sin, 1.0f, heads, r.wide, rows);
        for (int64_t b = 0, m = 0; b < boards; b++, m += s->places)
            attend(s, heads + m * r.wide, r.wide, seen + m * width, kept + r.sums + 2 * m * s->heads,
                   spare);
        multiply(by_rows(seen, width), packed(w.write, width), rows, width, width, sum, width, 0);
        add_normed(mixed, kept + r.scales, x, sum, rows, width);
        multiply(by_rows(mixed, width), packed(w.rise, width), rows, width, 2 * inner,
                 kept + r.gated, r.gates, 0);
        gate(made, kept + r.gated, r.gates, rows, inner);
        multiply(by_rows(made, inner), packed(w.fall, inner), rows, inner, width, sum, width, 0);
        float *out = layer + 1 < s->layers || step ? kept + r.out : to;
        add_normed(out, kept + r.scales + rows, mixed, sum, rows, width);
        x = out;
    }
    if (x != to) memcpy(to, x, rows * width * sizeof(float));
}

static void backwards(const sizes *s, int64_t boards, const float *x, float *packs,
                      const float *cos, const float *sin, float *kept, float *grads, float *grad,
                      float *room) {
    record r = record_of(s);
    int64_t width = s->width, inner = s->inner, rows = boards * s->places;
    float *made = room, *by_seen = made + rows * inner, *by_heads = by_seen + rows * width;
    float *spare = by_heads + rows * r.wide;
    for (int64_t layer = s->layers - 1; layer >= 0; layer--) {
        weights w = weights_of(s, packs, layer), g = weights_of(s, grads, layer);
        float *own = kept + layer * r.whole, *mixed = own + r.mixed, *gates = own + r.gated;
        const float *in = layer ? own - r.whole + r.out : x;
        before_norm(grad, own + r.out, own + r.scales + rows, rows, width);
        multiply(by_rows(grad, width), packed(w.fall, width), rows, width, inner, made, inner, 0);
        gate_back(made, gates, r.gates, rows, inner);
        multiply(by_columns(grad, width), plain(made, inner), width, rows, inner, g.fall, inner, 1);
        multiply(by_columns(gates, r.gates), plain(mixed, width), 2 * inner, rows, width, g.rise,
                 width, 1);
        multiply(by_rows(gates, r.gates), packed(w.rise, 2 * inner), rows, 2 * inner, width, grad,
                 width, 1);
        before_norm(grad, mixed, own + r.scales, rows, width);
        multiply(by_columns(grad, width), plain(own + r.seen, width), width, rows, width, g.write,
                 width, 1);
        multiply(by_rows(grad, width), packed(w.write, width), rows, width, width, by_seen, width,
                 0);
        for (int64_t b = 0, m = 0; b < boards; b++, m += s->places)
            attend_back(s, own + r.heads + m * r.wide, r.wide, own + r.seen + m * width,
                        own + r.sums + 2 * m * s->heads, by_seen + m * width, by_heads + m * r.wide,
                        spare);
        turn(s, cos, sin, -1.0f, by_heads, r.wide, rows);
        multiply(by_columns(by_heads, r.wide), plain(in, width), 3 * width, rows, width, g.read,
                 width, 1);
        multiply(by_rows(by_heads, r.wide), packed(w.read, 3 * width), rows, 3 * width, width,
                 grad, width, 1);
    }
}

/* A matrix [outs, ins] as `x W^T` reads it, or as `y W` does where it goes back. */
static void pack_one(const float *from, float *to, int64_t outs, int64_t ins, int back) {
    int64_t depth = back ? outs : ins, columns = back ? ins : outs;
    for (int64_t p = 0; p < columns; p += PANEL)
        for (int64_t k = 0; k < depth; k++, to += PANEL)
            for (int64_t j = 0; j < PANEL; j++)
                to[j] = back ? from[k * ins + p + j] : from[(p + j) * ins + k];
}

/* All matrices of a stack, four a layer: read, write, rise, fall. */
void pack(const sizes *s, const float **from, float *to, int64_t back) {
    for (int64_t layer = 0; layer < s->layers; layer++, from += 4) {
        weights w = weights_of(s, to, layer);
        pack_one(from[0], w.read, 3 * s->width, s->width, (int)back);
        pack_one(from[1], w.write, s->width, s->width, (int)back);
        pack_one(from[2], w.rise, 2 * s->inner, s->width, (int)back);
        pack_one(from[3], w.fall, s->width, s->inner, (int)back);
    }
}

/* `to` = the stack of x [boards, places, width]; `kept` is null where no gradient is asked for. */
void run(const sizes *s, const float *x, float *packs, const float *cos, const float *sin,
         float *kept, float *to, float *room) {
    int64_t own = room_of(s), board = s->places * s->width, groups = (s->boards + s->group - 1) / s->group;
    int64_t whole_kept = record_of(s).whole;
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < groups; i++) {
        float *mine = room + THREAD * own;
        int64_t first = i * s->group;
        float *record = kept ? kept + i * s->layers * whole_kept : mine + own - whole_kept;
        forwards(s, fewer(s->group, s->boards - first), x + first * board, packs, cos, sin, record,
                 kept ? whole_kept : 0, to + first * board, mine);
    }
}

/* `grad` [boards, places, width] becomes the gradient before the stack; `grads` has a share a thread. */
void run_back(const sizes *s, const float *x, float *packs, const float *cos, const float *sin,
              float *kept, float *grads, float *grad, float *room) {
    int64_t own = room_of(s), board = s->places * s->width, groups = (s->boards + s->group - 1) / s->group;
    int64_t whole_kept = record_of(s).whole, numbers = s->layers * layer_numbers(s);
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < groups; i++) {
        int64_t first = i * s->group;
        backwards(s, fewer(s->group, s->boards - first), x + first * board, packs, cos, sin,
                  kept + i * s->layers * whole_kept, grads + THREAD * numbers,
                  grad + first * board, room + THREAD * own);
    }
}
