/* Winograd's two transforms on tiles of bfloat16, each in one pass over the memory: colorizer/winograd.py says of what.
 *
 * Compiled by colorizer/native.py where there is a C compiler.  Vectors are GCC's and Clang's own kind, so it is C for
 * any processor; channels are the innermost dimension and come in multiples of LANES.  All strides are in elements. */
#include <stdint.h>
#include <string.h>

#define LANES 16
typedef float v __attribute__((vector_size(4 * LANES)));
typedef uint32_t u __attribute__((vector_size(4 * LANES)));
typedef uint16_t h __attribute__((vector_size(2 * LANES)));

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

/* counts: rows of tiles, interleaved pictures, columns of tiles, channels.
 * in: the first tile's first element; in_strides: row and column within a tile, row of tiles, interleaved, column of
 * tiles.  out: 36 planes of tiles x channels, `plane` apart. */
void truehue_before(const uint16_t *in, const int64_t *in_strides, const int64_t *counts, uint16_t *out, int64_t plane) {
    for (int64_t t = 0; t < counts[0]; t++)
        for (int64_t a = 0; a < counts[1]; a++)
            for (int64_t x = 0; x < counts[2]; x++, out += counts[3]) {
                const uint16_t *tile = in + t * in_strides[2] + a * in_strides[3] + x * in_strides[4];
                for (int64_t c = 0; c < counts[3]; c += LANES) {
                    v rows[6][6];
                    for (int j = 0; j < 6; j++) {
                        v d[6], o[6];
                        for (int i = 0; i < 6; i++) d[i] = load(tile + i * in_strides[0] + j * in_strides[1] + c);
                        before(d, o);
                        for (int i = 0; i < 6; i++) rows[i][j] = o[i];
                    }
                    for (int i = 0; i < 6; i++) {
                        v o[6];
                        before(rows[i], o);
                        for (int j = 0; j < 6; j++) store(out + (6 * i + j) * plane + c, o[j]);
                    }
                }
            }
}

/* in: 36 planes, `plane` apart, whose tiles lie `tile` apart.  out_strides: row of tiles, row within a tile, column of
 * tiles, column within, interleaved.  Adds the bias. */
void truehue_after(const uint16_t *in, int64_t plane, int64_t tile, const int64_t *counts, const float *bias, int has_relu,
                   uint16_t *out, const int64_t *out_strides) {
    for (int64_t t = 0; t < counts[0]; t++)
        for (int64_t a = 0; a < counts[1]; a++)
            for (int64_t x = 0; x < counts[2]; x++, in += tile) {
                uint16_t *to = out + t * out_strides[0] + x * out_strides[2] + a * out_strides[4];
                for (int64_t c = 0; c < counts[3]; c += LANES) {
                    v rows[4][6], b;
                    memcpy(&b, bias + c, sizeof b);
                    for (int j = 0; j < 6; j++) {
                        v m[6], o[4];
                        for (int i = 0; i < 6; i++) m[i] = load(in + (6 * i + j) * plane + c);
                        after(m, o);
                        for (int i = 0; i < 4; i++) rows[i][j] = o[i];
                    }
                    for (int i = 0; i < 4; i++) {
                        v o[4];
                        after(rows[i], o);
                        for (int j = 0; j < 4; j++) {
                            v y = o[j] + b;
                            if (has_relu) y = (v)((u)y & ~(u)(y < 0)); /* what is no number stays none */
                            store(to + i * out_strides[1] + j * out_strides[3] + c, y);
                        }
                    }
                }
            }
}

typedef int8_t b __attribute__((vector_size(LANES)));
typedef int32_t w __attribute__((vector_size(4 * LANES)));

/* The same, but each tile of each plane in int8 with a scale of its own: numbers = int8 x scale.  `room` holds 36 x
 * channels floats. */
void truehue_before8(const uint16_t *in, const int64_t *in_strides, const int64_t *counts, int8_t *out, int64_t plane,
                     float *scales, int64_t scale_plane, float *room) {
    int64_t channels = counts[3];
    for (int64_t t = 0; t < counts[0]; t++)
        for (int64_t a = 0; a < counts[1]; a++)
            for (int64_t x = 0; x < counts[2]; x++, out += channels, scales++) {
                const uint16_t *tile = in + t * in_strides[2] + a * in_strides[3] + x * in_strides[4];
                v most[36];
                memset(most, 0, sizeof most);
                for (int64_t c = 0; c < channels; c += LANES) {
                    v rows[6][6];
                    for (int j = 0; j < 6; j++) {
                        v d[6], o[6];
                        for (int i = 0; i < 6; i++) d[i] = load(tile + i * in_strides[0] + j * in_strides[1] + c);
                        before(d, o);
                        for (int i = 0; i < 6; i++) rows[i][j] = o[i];
                    }
                    for (int i = 0; i < 6; i++) {
                        v o[6];
                        before(rows[i], o);
                        for (int j = 0; j < 6; j++) {
                            v size = (v)((u)o[j] & 0x7fffffff);
                            w is_more = size > most[6 * i + j];
                            most[6 * i + j] = (v)((is_more & (w)size) | (~is_more & (w)most[6 * i + j]));
                            memcpy(room + (6 * i + j) * channels + c, &o[j], sizeof(v));
                        }
                    }
                }
                for (int f = 0; f < 36; f++) {
                    float top = 0;
                    for (int k = 0; k < LANES; k++) top = most[f][k] > top ? most[f][k] : top;
                    scales[f * scale_plane] = top / 127;
                    float by = top > 0 ? 127 / top : 0;
                    for (int64_t c = 0; c < channels; c += LANES) {
                        v y;
                        memcpy(&y, room + f * channels + c, sizeof y);
                        y = y * by + 12582912.0f; /* 1.5 x 2^23: what is left below is the rounded number */
                        b small = __builtin_convertvector((w)y, b);
                        memcpy(out + f * plane + c, &small, sizeof small);
                    }
                }
            }
}

void truehue_after8(const int32_t *in, int64_t plane, int64_t tile, const float *scales, int64_t scale_plane,
                    const float *kernel_scales, const int64_t *counts, const float *bias, int has_relu, uint16_t *out,
                    const int64_t *out_strides) {
    for (int64_t t = 0; t < counts[0]; t++)
        for (int64_t a = 0; a < counts[1]; a++)
            for (int64_t x = 0; x < counts[2]; x++, in += tile, scales++) {
                uint16_t *to = out + t * out_strides[0] + x * out_strides[2] + a * out_strides[4];
                for (int64_t c = 0; c < counts[3]; c += LANES) {
                    v rows[4][6], add;
                    memcpy(&add, bias + c, sizeof add);
                    for (int j = 0; j < 6; j++) {
                        v m[6], o[4];
                        for (int i = 0; i < 6; i++) {
                            int f = 6 * i + j;
                            w whole;
                            v by;
                            memcpy(&whole, in + f * plane + c, sizeof whole);
                            memcpy(&by, kernel_scales + f * counts[3] + c, sizeof by);
                            m[i] = __builtin_convertvector(whole, v) * by * scales[f * scale_plane];
                        }
                        after(m, o);
                        for (int i = 0; i < 4; i++) rows[i][j] = o[i];
                    }
                    for (int i = 0; i < 4; i++) {
                        v o[4];
                        after(rows[i], o);
                        for (int j = 0; j < 4; j++) {
                            v y = o[j] + add;
                            if (has_relu) y = (v)((u)y & ~(u)(y < 0));
                            store(to + i * out_strides[1] + j * out_strides[3] + c, y);
                        }
                    }
                }
            }
}
