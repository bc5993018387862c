/* Winograd's transforms on tiles of bfloat16, each in one pass over the memory: colorizer/winograd.py says of what.
 *
 * Compiled by colorizer/native.py where there is a C compiler.  Vectors are GCC's and Clang's own kind, so it is C for
 * any processor; channels are the innermost dimension and come in multiples of LANES.  All strides are in elements.
 * With OpenMP (torch's own, which is loaded already) tiles are shared out among the calling thread's cores. */
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif

#define LANES 16
#define MOST_CHANNELS 4096
typedef float v __attribute__((vector_size(4 * LANES)));
typedef uint32_t u __attribute__((vector_size(4 * LANES)));
typedef uint16_t h __attribute__((vector_size(2 * LANES)));
typedef int16_t s16 __attribute__((vector_size(2 * LANES)));
typedef int8_t b __attribute__((vector_size(LANES)));
typedef int32_t w __attribute__((vector_size(4 * LANES)));

/* Where the tiles of a part lie in some pictures.  Tile (picture, phase, t, a, x) has its element (i, j) in row (t * 4 +
 * i) * dilation + phase - pad_y and column (x * 4 + j) * dilation + a - pad_x; what is outside the picture reads as zero
 * and is not written.  Tiles are taken in this order, the last one fastest. */
struct part {
    int64_t pictures, picture;          /* how many, and from one to the next */
    int64_t height, width, row, column; /* of a picture, and its strides */
    int64_t dilation, pad_y, pad_x;
    int64_t phase, phases, top, bottom, columns, channels;
};

struct tile {
    int64_t picture, phase, t, a, x;
};

static const uint16_t nothing[MOST_CHANNELS];

static inline int64_t tiles(const struct part *s) {
    return s->pictures * s->phases * (s->bottom - s->top) * s->dilation * s->columns;
}

static inline struct tile tile_of(const struct part *s, int64_t n) {
    struct tile one;
    one.x = n % s->columns, n /= s->columns;
    one.a = n % s->dilation, n /= s->dilation;
    one.t = n % (s->bottom - s->top) + s->top, n /= s->bottom - s->top;
    one.phase = n % s->phases + s->phase;
    one.picture = n / s->phases;
    return one;
}

static inline int64_t place(const struct part *s, const struct tile *one, int i, int j) {
    int64_t row = (one->t * 4 + i) * s->dilation + one->phase - s->pad_y;
    int64_t column = (one->x * 4 + j) * s->dilation + one->a - s->pad_x;
    if (row < 0 || row >= s->height || column < 0 || column >= s->width) return -1;
    return one->picture * s->picture + row * s->row + column * s->column;
}

#define EACH_TILE(s) _Pragma("omp parallel for schedule(static)") for (int64_t n = 0; n < tiles(s); n++)

static inline v load(const uint16_t *from) {
    h x;
    memcpy(&x, from, sizeof x);
    return (v)(__builtin_convertvector(x, u) << 16);
}

static inline void store(uint16_t *to, v value) { /* rounded to the nearest, ties to even */
    u bits = (u)value;
    h x = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, h);
    memcpy(to, &x, sizeof x);
}

static inline void before(const v d[6], v o[6]) { /* B^T d */
    v x = d[1] - d[3], y = d[4] - d[2];
    o[0] = 2 * (d[0] + d[4]) - 4 * d[2] + 3 * x;
    o[1] = 2 * (d[1] - d[4]) + 5 * d[2] + d[3];
    o[2] = 2 * (d[1] + d[4]) + d[2] - 5 * d[3];
    o[3] = 2 * y - x;
    o[4] = -2 * x - y;
    o[5] = 2 * (d[1] + d[5]) + 3 * (d[2] - d[4]) - 4 * d[3];
}

static inline void after(const v m[6], v o[4]) { /* A^T m */
    v s = m[1] + m[2], x = m[1] - m[2];
    o[0] = m[0] + s + m[3] + m[4];
    o[1] = x + 2 * m[3] - 0.5f * m[4];
    o[2] = s + 4 * m[3] + 0.25f * m[4];
    o[3] = x + 8 * m[3] - 0.125f * m[4] + m[5];
}

static inline void spread(const v d[4], v o[6]) { /* A d */
    v even = d[0] + d[2], odd = d[1] + d[3];
    o[0] = d[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = d[0] + 2 * d[1] + 4 * d[2] + 8 * d[3];
    o[4] = d[0] - 0.5f * d[1] + 0.25f * d[2] - 0.125f * d[3];
    o[5] = d[3];
}

/* Where `where` is given, what lies at a place at which it is not positive reads as zero. */
static inline v load_where(const uint16_t *from, const uint16_t *where, int64_t c) {
    if (!where) return load(from + c);
    h x;
    s16 y;
    memcpy(&x, from + c, sizeof x);
    memcpy(&y, where + c, sizeof y);
    x &= (h)(y > 0);
    return (v)(__builtin_convertvector(x, u) << 16);
}

/* B^T d B of LANES channels */
static inline void before_both(const uint16_t *const from[36], const uint16_t *const where[36], int64_t c, v o[36]) {
    v half[6][6];
    for (int j = 0; j < 6; j++) {
        v d[6], e[6];
        for (int i = 0; i < 6; i++) d[i] = load_where(from[6 * i + j], where ? where[6 * i + j] : 0, c);
        before(d, e);
        for (int i = 0; i < 6; i++) half[i][j] = e[i];
    }
    for (int i = 0; i < 6; i++) before(half[i], o + 6 * i);
}

static inline void sources(const struct part *s, const struct tile *one, int edge, const uint16_t *in,
                           const uint16_t *from[]) {
    for (int i = 0; i < edge; i++)
        for (int j = 0; j < edge; j++) {
            int64_t at = place(s, one, i, j);
            from[i * edge + j] = at < 0 ? nothing : in + at;
        }
}

/* B^T d B.  `positive` is 0, or a picture like `in`: see load_where.  out: 36 planes of tiles x channels, `plane`
 * apart. */
void truehue_before(const struct part *s, const uint16_t *in, const uint16_t *positive, uint16_t *out, int64_t plane) {
    EACH_TILE(s) {
        const struct tile one = tile_of(s, n);
        const uint16_t *from[36], *where[36];
        sources(s, &one, 6, in, from);
        if (positive) sources(s, &one, 6, positive, where);
        for (int64_t c = 0; c < s->channels; c += LANES) {
            v o[36];
            before_both(from, positive ? where : 0, c, o);
            for (int f = 0; f < 36; f++) store(out + n * s->channels + f * plane + c, o[f]);
        }
    }
}

/* A d A^T of tiles of 4 x 4: what `truehue_after` makes of 36 numbers, the other way round. */
void truehue_spread(const struct part *s, const uint16_t *in, const uint16_t *positive, uint16_t *out, int64_t plane) {
    EACH_TILE(s) {
        const struct tile one = tile_of(s, n);
        const uint16_t *from[16], *where[16];
        sources(s, &one, 4, in, from);
        if (positive) sources(s, &one, 4, positive, where);
        for (int64_t c = 0; c < s->channels; c += LANES) {
            v half[6][4], o[6];
            for (int j = 0; j < 4; j++) {
                v d[4];
                for (int i = 0; i < 4; i++) d[i] = load_where(from[4 * i + j], positive ? where[4 * i + j] : 0, c);
                spread(d, o);
                for (int i = 0; i < 6; i++) half[i][j] = o[i];
            }
            for (int i = 0; i < 6; i++) {
                spread(half[i], o);
                for (int j = 0; j < 6; j++) store(out + n * s->channels + (6 * i + j) * plane + c, o[j]);
            }
        }
    }
}

static inline void after_both(const v m[36], const struct part *s, const struct tile *one, v add, int has_relu,
                              uint16_t *out) { /* A^T m A plus `add`, and the ReLU; `out` is at the right channel */
    v half[4][6];
    for (int j = 0; j < 6; j++) {
        v d[6], o[4];
        for (int i = 0; i < 6; i++) d[i] = m[6 * i + j];
        after(d, o);
        for (int i = 0; i < 4; i++) half[i][j] = o[i];
    }
    for (int i = 0; i < 4; i++) {
        v o[4];
        after(half[i], o);
        for (int j = 0; j < 4; j++) {
            int64_t at = place(s, one, i, j);
            if (at < 0) continue;
            v y = o[j] + add;
            if (has_relu) y = (v)((u)y & ~(u)(y < 0)); /* what is no number stays none */
            store(out + at, y);
        }
    }
}

/* in: 36 planes of tiles x channels, `plane` apart. */
void truehue_after(const struct part *s, const uint16_t *in, int64_t plane, const float *bias, int has_relu,
                   uint16_t *out) {
    EACH_TILE(s) {
        const struct tile one = tile_of(s, n);
        for (int64_t c = 0; c < s->channels; c += LANES) {
            v m[36], add;
            memcpy(&add, bias + c, sizeof add);
            for (int f = 0; f < 36; f++) m[f] = load(in + n * s->channels + f * plane + c);
            after_both(m, s, &one, add, has_relu, out + c);
        }
    }
}

/* `truehue_before`, but each tile of each plane in int8 with a scale of its own: numbers = int8 x scale.  `room` holds
 * 36 x channels floats for each thread. */
void truehue_before8(const struct part *s, const uint16_t *in, int8_t *out, int64_t plane, float *scales,
                     int64_t scale_plane, float *room) {
    int64_t channels = s->channels;
    EACH_TILE(s) {
        const struct tile one = tile_of(s, n);
        const uint16_t *from[36];
        sources(s, &one, 6, in, from);
        float *numbers = room + omp_get_thread_num() * 36 * channels;
        v most[36];
        memset(most, 0, sizeof most);
        for (int64_t c = 0; c < channels; c += LANES) {
            v o[36];
            before_both(from, 0, c, o);
            for (int f = 0; f < 36; f++) {
                v size = (v)((u)o[f] & 0x7fffffff);
                w is_more = size > most[f];
                most[f] = (v)((is_more & (w)size) | (~is_more & (w)most[f]));
                memcpy(numbers + f * channels + c, &o[f], sizeof(v));
            }
        }
        for (int f = 0; f < 36; f++) {
            float top = 0;
            for (int k = 0; k < LANES; k++) top = most[f][k] > top ? most[f][k] : top;
            scales[f * scale_plane + n] = top / 127;
            float by = top > 0 ? 127 / top : 0;
            for (int64_t c = 0; c < channels; c += LANES) {
                v y;
                memcpy(&y, numbers + f * channels + c, sizeof y);
                y = y * by + 12582912.0f; /* 1.5 x 2^23: what is left below is the rounded number */
                b small = __builtin_convertvector((w)y, b);
                memcpy(out + n * channels + f * plane + c, &small, sizeof small);
            }
        }
    }
}

/* `truehue_after` of sums of such products. */
void truehue_after8(const struct part *s, const int32_t *in, int64_t plane, const float *scales, int64_t scale_plane,
                    const float *kernel_scales, const float *bias, int has_relu, uint16_t *out) {
    EACH_TILE(s) {
        const struct tile one = tile_of(s, n);
        for (int64_t c = 0; c < s->channels; c += LANES) {
            v m[36], add;
            memcpy(&add, bias + c, sizeof add);
            for (int f = 0; f < 36; f++) {
                w whole;
                v by;
                memcpy(&whole, in + n * s->channels + f * plane + c, sizeof whole);
                memcpy(&by, kernel_scales + f * s->channels + c, sizeof by);
                m[f] = __builtin_convertvector(whole, v) * by * scales[f * scale_plane + n];
            }
            after_both(m, s, &one, add, has_relu, out + c);
        }
    }
}

static inline void kernel(const v g[3], v o[6]) { /* G g */
    v s = (g[0] + g[2]) / 6, x = g[1] / 6;
    o[0] = g[0] / 2;
    o[1] = s + x;
    o[2] = s - x;
    o[3] = (g[0] + 2 * g[1] + 4 * g[2]) / 30;
    o[4] = (4 * g[0] - 2 * g[1] + g[2]) * (4.0f / 15);
    o[5] = g[2] / 2;
}

static inline void kernel_back(const v u[6], v o[3]) { /* G^T u */
    v s = (u[1] + u[2]) / 6, x = u[3] / 30, y = u[4] * (4.0f / 15);
    o[0] = u[0] / 2 + s + x + 4 * y;
    o[1] = (u[1] - u[2]) / 6 + 2 * x - 2 * y;
    o[2] = s + 4 * x + y + u[5] / 2;
}

/* G g G^T.  in: `n_out` x 9 taps x channels.  out: 36 planes of n_out x channels.  `is_turned` reads the taps from the
 * last to the first. */
void truehue_kernel(const float *in, int64_t n_out, int64_t channels, int is_turned, uint16_t *out) {
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < n_out; k++)
        for (int64_t c = 0; c < channels; c += LANES) {
            v half[6][3], o[6];
            for (int j = 0; j < 3; j++) {
                v g[3];
                for (int i = 0; i < 3; i++) {
                    int tap = is_turned ? 8 - 3 * i - j : 3 * i + j;
                    memcpy(&g[i], in + (k * 9 + tap) * channels + c, sizeof g[i]);
                }
                kernel(g, o);
                for (int i = 0; i < 6; i++) half[i][j] = o[i];
            }
            for (int i = 0; i < 6; i++) {
                kernel(half[i], o);
                for (int j = 0; j < 6; j++) store(out + ((6 * i + j) * n_out + k) * channels + c, o[j]);
            }
        }
}

/* G^T u G, the transpose of truehue_kernel, added to `out`. */
void truehue_kernel_back(const uint16_t *in, int64_t n_out, int64_t channels, float *out) {
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < n_out; k++)
        for (int64_t c = 0; c < channels; c += LANES) {
            v half[3][6], o[3];
            for (int j = 0; j < 6; j++) {
                v u[6];
                for (int i = 0; i < 6; i++) u[i] = load(in + ((6 * i + j) * n_out + k) * channels + c);
                kernel_back(u, o);
                for (int i = 0; i < 3; i++) half[i][j] = o[i];
            }
            for (int i = 0; i < 3; i++) {
                kernel_back(half[i], o);
                for (int j = 0; j < 3; j++) {
                    float *to = out + (k * 9 + 3 * i + j) * channels + c;
                    v sum;
                    memcpy(&sum, to, sizeof sum);
                    sum += o[j];
                    memcpy(to, &sum, sizeof sum);
                }
            }
        }
}
