/* Attention of one new token a row over keys and values that lie in pages.
 *
 * A page holds PAGE tokens of all layers. Within it each layer and head has first its keys, the
 * tokens of one dimension side by side, then its values, the dimensions of one token side by side:
 * scores of a whole page take no sum across lanes, and a value is added as it lies.
 * Rows of one prompt share its pages, and each row is read to its true length.
 *
 * Compiled with HEAD (numbers a head), GROUP (query heads a key head) and KEYS (key heads) set. With
 * HALF pages hold bfloat16, in half of the memory; everything is computed in single precision.
 */
#include <math.h>
#include <stdint.h>

#define PAGE 16
#define BLOCK (HEAD * PAGE)
/* Numbers of a head in one vector, and vectors of a head that are summed up side by side. */
#define WIDE (HEAD % 16 == 0 ? 16 : HEAD % 8 == 0 ? 8 : HEAD % 4 == 0 ? 4 : 2)
#define PARTS (HEAD / WIDE)
#define HELD (PARTS * GROUP <= 24           ? PARTS \
              : PARTS % 4 == 0 && GROUP <= 6 ? 4 \
              : PARTS % 2 == 0               ? 2 \
                                             : 1)
#define EACH _Pragma("GCC unroll 16")

typedef float lanes __attribute__((vector_size(4 * PAGE)));
typedef float wide __attribute__((vector_size(4 * WIDE)));
typedef int32_t whole __attribute__((vector_size(4 * PAGE)));
typedef float lanes_at __attribute__((vector_size(4 * PAGE), aligned(4)));
typedef float wide_at __attribute__((vector_size(4 * WIDE), aligned(4)));

#ifdef HALF
typedef uint16_t number;
typedef uint16_t lanes_kept __attribute__((vector_size(2 * PAGE), aligned(2)));
typedef uint16_t wide_kept __attribute__((vector_size(2 * WIDE), aligned(2)));
typedef uint32_t lanes_bits __attribute__((vector_size(4 * PAGE)));
typedef uint32_t wide_bits __attribute__((vector_size(4 * WIDE)));
static inline lanes read_lanes(const number *from) {
    return (lanes)(__builtin_convertvector(*(const lanes_kept *)from, lanes_bits) << 16);
}
static inline wide read_wide(const number *from) {
    return (wide)(__builtin_convertvector(*(const wide_kept *)from, wide_bits) << 16);
}
/* Round to nearest, ties to even. */
static inline number kept(float x) {
    union { float number; uint32_t bits; } as = {x};
    return (number)((as.bits + 0x7fffu + ((as.bits >> 16) & 1u)) >> 16);
}
#else
typedef float number;
static inline lanes read_lanes(const number *from) { return *(const lanes_at *)from; }
static inline wide read_wide(const number *from) { return *(const wide_at *)from; }
static inline number kept(float x) { return x; }
#endif

static inline lanes larger(lanes a, lanes b) {
    whole first = a > b;
    return (lanes)((first & (whole)a) | (~first & (whole)b));
}

/* e^x for x <= 0, to about one unit in the last place; below -87 as at -87. */
#define EXPONENTIAL(name, vector, integers)                                  \
    static inline vector name(vector x) {                                    \
        vector least = (vector){} - 87.0f;                                   \
        integers first = x > least;                                          \
        x = (vector)((first & (integers)x) | (~first & (integers)least));    \
        integers n = __builtin_convertvector(x * 1.442695041f - 0.5f, integers); \
        vector f = __builtin_convertvector(n, vector);                       \
        vector r = x - f * 0.693359375f + f * 2.12194440e-4f;                \
        vector p = r * (1.0f / 5040) + 1.0f / 720;                           \
        p = p * r + 1.0f / 120;                                              \
        p = p * r + 1.0f / 24;                                               \
        p = p * r + 1.0f / 6;                                                \
        p = p * r + 0.5f;                                                    \
        p = p * r + 1.0f;                                                    \
        p = p * r + 1.0f;                                                    \
        integers power = (n + 127) << 23;                                    \
        return p * (vector)power;                                            \
    }
EXPONENTIAL(exponential, lanes, whole)

static inline void rotate(float *to, const float *from, const float *cos, const float *sin) {
    for (int d = 0; d < HEAD / 2; d++) to[d] = from[d] * cos[d] + from[d + HEAD / 2] * sin[d];
    for (int d = HEAD / 2; d < HEAD; d++) to[d] = from[d] * cos[d] + from[d - HEAD / 2] * sin[d];
}

/* Returns a head, in `room` divided by the root of its mean square and multiplied by the weight
 * [HEAD] where there is one. Never inlined: what is done with a head must not be compiled otherwise,
 * to other bits, because some heads are normalised. */
static __attribute__((noinline)) const float *normalised(float *room, const float *from,
                                                         const float *weight, float epsilon) {
    if (!weight) return from;
    wide squares = {};
    for (int d = 0; d < HEAD; d += WIDE) {
        wide x = *(const wide_at *)(from + d);
        squares += x * x;
    }
    float sum = 0;
    for (int d = 0; d < WIDE; d++) sum += squares[d];
    float scale = 1.0f / sqrtf(sum / HEAD + epsilon);
    for (int d = 0; d < HEAD; d++) room[d] = from[d] * scale * weight[d];
    return room;
}

/* Attention of the query heads that share a key head, for one row, to its last `window` tokens. */
static void mix(float *out, const float *query, const int64_t *table, int64_t offset,
                int64_t prompt, int64_t own, int64_t window, lanes *scores, int64_t most) {
    int64_t before = (prompt + PAGE - 1) / PAGE, pages = before + (own + PAGE - 1) / PAGE;
    /* Pages before the window are never read; in its first one some tokens are hidden. */
    int64_t past = prompt + own - window, begin = 0, hidden = 0;
    if (past > 0) {
        int64_t in = past < prompt ? past : past - prompt;
        begin = (past < prompt ? 0 : before) + in / PAGE, hidden = in % PAGE;
    }
    lanes top[GROUP], sum[GROUP];
    const lanes nothing = (lanes){} - 1e30f;
    for (int g = 0; g < GROUP; g++) top[g] = nothing, sum[g] = (lanes){};
    for (int64_t p = begin; p < pages; p++) {
        const number *keys = (const number *)table[p] + offset;
        int64_t left = p < before ? prompt - p * PAGE : own - (p - before) * PAGE;
        lanes even[GROUP], odd[GROUP];
        EACH for (int g = 0; g < GROUP; g++) even[g] = odd[g] = (lanes){};
        /* A row's own pages lie anywhere: the next one is asked for while this one is read. */
        const number *next = (const number *)table[p + (p + 1 < pages)] + offset;
        for (int d = 0; d < HEAD; d += 2) {
            __builtin_prefetch(next + d * PAGE), __builtin_prefetch(next + (d + 1) * PAGE);
            __builtin_prefetch(next + BLOCK + d * PAGE);
            __builtin_prefetch(next + BLOCK + (d + 1) * PAGE);
            EACH for (int g = 0; g < GROUP; g++) {
                even[g] += query[g * HEAD + d] * read_lanes(keys + d * PAGE);
                odd[g] += query[g * HEAD + d + 1] * read_lanes(keys + (d + 1) * PAGE);
            }
        }
        for (int g = 0; g < GROUP; g++) {
            lanes s = even[g] + odd[g];
            if (left < PAGE)
                for (int64_t i = left; i < PAGE; i++) s[i] = -1e30f;
            if (p == begin)
                for (int64_t i = 0; i < hidden; i++) s[i] = -1e30f;
            scores[g * most + p] = s;
            top[g] = larger(top[g], s);
        }
    }
    for (int g = 0; g < GROUP; g++) {
        float highest = top[g][0];
        for (int i = 1; i < PAGE; i++) highest = top[g][i] > highest ? top[g][i] : highest;
        for (int64_t p = begin; p < pages; p++)
            sum[g] += scores[g * most + p] = exponential(scores[g * most + p] - highest);
    }
    /* Slices of a head that stay in registers while all values pass. */
    float mixed[GROUP][HEAD] __attribute__((aligned(64)));
    for (int first = 0; first < PARTS; first += HELD) {
        wide part[GROUP][HELD];
        EACH for (int g = 0; g < GROUP; g++)
            EACH for (int d = 0; d < HELD; d++) part[g][d] = (wide){};
        for (int64_t p = begin; p < pages; p++) {
            const number *values = (const number *)table[p] + offset + BLOCK + first * WIDE;
            const float *shares = (const float *)(scores + p);
            int64_t left = p < before ? prompt - p * PAGE : own - (p - before) * PAGE;
            if (left > PAGE) left = PAGE;
            for (int64_t t = p == begin ? hidden : 0; t < left; t++) {
                EACH for (int g = 0; g < GROUP; g++)
                    EACH for (int d = 0; d < HELD; d++)
                        part[g][d] += shares[g * most * PAGE + t] * read_wide(values + t * HEAD + d * WIDE);
            }
        }
        EACH for (int g = 0; g < GROUP; g++)
            EACH for (int d = 0; d < HELD; d++) ((wide *)mixed[g])[first + d] = part[g][d];
    }
    for (int g = 0; g < GROUP; g++) {
        float total = 0;
        for (int i = 0; i < PAGE; i++) total += sum[g][i];
        for (int d = 0; d < HEAD; d++) out[g * HEAD + d] = mixed[g][d] / total;
    }
}

/* Rotates, keeps the new keys and values in each row's last page, and attends to the last `window`
 * tokens of each row. Heads are normalised before where there are norms. `own` counts a row's own tokens, the
 * new one included; `table` has `width` pages a row; `order` names the rows, those of one prompt
 * beside each other. */
void attend(float *out, const float *query, const float *key, const float *value,
            const float *cos, const float *sin, const float *query_norm, const float *key_norm,
            const int64_t *table, const int64_t *prompt, const int64_t *own, const int64_t *order,
            lanes *scores, int64_t rows, int64_t width, int64_t layer, int64_t window, float scale,
            float epsilon) {
    float turned[GROUP * HEAD], room[HEAD];
    for (int64_t r = 0; r < rows; r++) {
        int64_t place = own[r] - 1, in = place % PAGE, at = (prompt[r] + place) * HEAD;
        number *page = (number *)table[r * width + (prompt[r] + PAGE - 1) / PAGE + place / PAGE];
        for (int h = 0; h < KEYS; h++) {
            number *block = page + (layer * KEYS + h) * 2 * BLOCK;
            const float *head = key + (r * KEYS + h) * HEAD;
            rotate(turned, normalised(room, head, key_norm, epsilon), cos + at, sin + at);
            for (int d = 0; d < HEAD; d++) block[d * PAGE + in] = kept(turned[d]);
            for (int d = 0; d < HEAD; d++)
                block[BLOCK + in * HEAD + d] = kept(value[(r * KEYS + h) * HEAD + d]);
        }
    }
    /* Rows of one prompt follow each other head by head, so that its pages stay near. */
    for (int64_t i = 0, end; i < rows; i = end) {
        for (end = i + 1; end < rows && table[order[end] * width] == table[order[i] * width];) end++;
        for (int h = 0; h < KEYS; h++)
            for (int64_t j = i; j < end; j++) {
                int64_t r = order[j], at = (prompt[r] + own[r] - 1) * HEAD;
                int64_t first = (r * KEYS + h) * GROUP * HEAD;
                for (int g = 0; g < GROUP; g++) {
                    const float *head = query + first + g * HEAD;
                    rotate(turned + g * HEAD, normalised(room, head, query_norm, epsilon), cos + at,
                           sin + at);
                }
                for (int d = 0; d < GROUP * HEAD; d++) turned[d] *= scale;
                mix(out + first, turned, table + r * width, (layer * KEYS + h) * 2 * BLOCK,
                    prompt[r], own[r], window, scores, width);
            }
    }
}

/* Writes one layer of a prompt, rotated already, into its pages. Strides count numbers. */
void keep(const int64_t *table, const float *keys, const float *values, int64_t length,
          int64_t layer, const int64_t *key_strides, const int64_t *value_strides) {
    for (int64_t t = 0; t < length; t++)
        for (int h = 0; h < KEYS; h++) {
            number *block = (number *)table[t / PAGE] + (layer * KEYS + h) * 2 * BLOCK;
            const float *key = keys + h * key_strides[0] + t * key_strides[1];
            const float *value = values + h * value_strides[0] + t * value_strides[1];
            for (int d = 0; d < HEAD; d++) block[d * PAGE + t % PAGE] = kept(key[d]);
            for (int d = 0; d < HEAD; d++) block[BLOCK + t % PAGE * HEAD + d] = kept(value[d]);
        }
}

#define TILE 16
#define STEP 8
typedef float few __attribute__((vector_size(4 * STEP), aligned(4)));

/* Turns [in, columns] into [columns, in]; where there is a weight [in], each column is first divided
 * by the root of its mean square and multiplied by the weight. Columns come in multiples of STEP. */
void turn(float *to, const float *from, const float *weight, int64_t in, int64_t columns,
          float epsilon) {
    float scale[columns];
    for (int64_t c = 0; c < columns; c += STEP) {
        few sum = {};
        for (int64_t i = 0; weight && i < in; i++) {
            few x = *(const few *)(from + i * columns + c);
            sum += x * x;
        }
        for (int j = 0; j < STEP; j++)
            scale[c + j] = weight ? 1.0f / sqrtf(sum[j] / (float)in + epsilon) : 1.0f;
    }
    for (int64_t first = 0; first < in; first += TILE) {
        int64_t last = first + TILE < in ? first + TILE : in;
        for (int64_t c = 0; c < columns; c += STEP) {
            float tile[TILE][STEP];
            for (int64_t i = first; i < last; i++) {
                few x = *(const few *)(from + i * columns + c) * *(const few *)(scale + c);
                *(few *)tile[i - first] = weight ? x * weight[i] : x;
            }
            if (last - first == TILE)
                for (int j = 0; j < STEP; j++)
                    for (int i = 0; i < TILE; i++) to[(c + j) * in + first + i] = tile[i][j];
            else
                for (int j = 0; j < STEP; j++)
                    for (int64_t i = first; i < last; i++)
                        to[(c + j) * in + i] = tile[i - first][j];
        }
    }
}

/* Adds another [in, columns], each column divided by the root of its mean square and multiplied by
 * the weight [in]. Columns come in multiples of STEP. */
void add_normed(float *to, const float *from, const float *weight, int64_t in, int64_t columns,
                float epsilon) {
    for (int64_t c = 0; c < columns; c += STEP) {
        few sum = {}, scale;
        for (int64_t i = 0; i < in; i++) {
            few x = *(const few *)(from + i * columns + c);
            sum += x * x;
        }
        for (int j = 0; j < STEP; j++) scale[j] = 1.0f / sqrtf(sum[j] / (float)in + epsilon);
        for (int64_t i = 0; i < in; i++)
            *(few *)(to + i * columns + c) +=
                *(const few *)(from + i * columns + c) * scale * weight[i];
    }
}

/* Draws one token of each of the first `rows` columns of scores [vocab, columns]: first a stretch of
 * `width` tokens, then a token in it; `noise` [rows, stretches + width] are Gumbel numbers. Columns
 * are taken `step` at a time, in vectors of that many. */
#define RACE(name, step, vector, integers, power)                                              \
    void name(int64_t *tokens, const float *scores, const double *noise, int64_t vocab,        \
              int64_t columns, int64_t rows, int64_t width, float sharpness) {                 \
        int64_t stretches = (vocab + width - 1) / width, numbers = stretches + width;          \
        double best[columns];                                                                  \
        int64_t chosen[columns];                                                               \
        /* A stretch of all columns at a time: it lies together, and stays near. */            \
        for (int64_t s = 0; s < stretches; s++)                                                \
            for (int64_t c = 0; c < rows; c += step) {                                         \
                int64_t last = (s + 1) * width < vocab ? (s + 1) * width : vocab;              \
                int64_t held = rows - c < step ? rows - c : step;                              \
                const float *from = scores + s * width * columns + c;                          \
                vector top = *(const vector *)from * sharpness, sum = {};                      \
                for (int64_t v = 1; v < last - s * width; v++) {                               \
                    vector x = *(const vector *)(from + v * columns) * sharpness;              \
                    integers higher = x > top;                                                 \
                    top = (vector)((higher & (integers)x) | (~higher & (integers)top));        \
                }                                                                              \
                for (int64_t v = 0; v < last - s * width; v++)                                 \
                    sum += power(*(const vector *)(from + v * columns) * sharpness - top);     \
                for (int64_t j = 0; j < held; j++) {                                           \
                    double score = top[j] + logf(sum[j]) + noise[(c + j) * numbers + s];       \
                    if (s == 0 || score > best[c + j]) best[c + j] = score, chosen[c + j] = s; \
                }                                                                              \
            }                                                                                  \
        for (int64_t r = 0; r < rows; r++) {                                                   \
            int64_t first = chosen[r] * width;                                                 \
            int64_t last = first + width < vocab ? first + width : vocab;                      \
            for (int64_t v = first; v < last; v++) {                                           \
                double score = scores[v * columns + r] * sharpness                             \
                             + noise[r * numbers + stretches + v - first];                     \
                if (v == first || score > best[r]) best[r] = score, tokens[r] = v;             \
            }                                                                                  \
        }                                                                                      \
    }

typedef int32_t whole_few __attribute__((vector_size(4 * STEP), aligned(4)));
EXPONENTIAL(exponential_few, few, whole_few)
RACE(race, STEP, few, whole_few, exponential_few)

typedef float many __attribute__((vector_size(8 * STEP), aligned(4)));
typedef int32_t whole_many __attribute__((vector_size(8 * STEP), aligned(4)));
EXPONENTIAL(exponential_many, many, whole_many)
RACE(race_wide, 2 * STEP, many, whole_many, exponential_many)
