/* Batch normalisation, relu and the maximum of each window, without the normalised images in memory: both
 * directions compute them again from x. The same expressions, and so the same bits, as vector_batch_norm.c
 * and vector_pool.c. */
#include "device/cpu/batch_norm.h"
#include "device/cpu/norm_pool.h"
#include "device/cpu/vector_element.h"

/* A window of height x width pixels; floats to the next row and to the next pixel. */
typedef struct window {
  int64_t height, width, row_step, step;
} window;

/* Values per channel of n lanes. */
typedef struct channel_lanes {
  vf mean, scale, beta, dy_mean, slope;
} channel_lanes;

KD_INLINE channel_lanes load_lanes(const kd_batch_norm_places *p, int64_t c, bool slopes, int64_t n) {
  channel_lanes l = {v_load_n(p->mean + c, n), v_load_n(p->scale + c, n), v_load_n(p->beta + c, n),
                     v_set(0.0f), v_set(0.0f)};
  if (slopes) l.dy_mean = v_load_n(p->dy_mean + c, n), l.slope = v_load_n(p->slope + c, n);
  return l;
}

KD_INLINE vf normalised(vf centred, const channel_lanes *l) {
  return centred * l->scale + l->beta;
}

/* --- forward -------------------------------------------------------------------------------------- */

KD_INLINE vf largest(kd_dtype type, const void *x, window w, const channel_lanes *l, int64_t n) {
  vf result = v_set(-__builtin_inff());
  for (int64_t h = 0; h < w.height; h++)
    for (int64_t v = 0; v < w.width; v++) {
      vf centred = e_load(type, x, h * w.row_step + v * w.step, n) - l->mean;
      result = v_max(v_max(normalised(centred, l), v_set(0.0f)), result);
    }
  return result;
}

KD_INLINE void largest_row(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                           const void *x, window w, void *y) {
  for (int64_t c = 0; c < s->channels; c += KD_W) {
    int64_t n = s->channels - c < KD_W ? s->channels - c : KD_W;
    channel_lanes l = load_lanes(p, c, false, n);
    for (int64_t o = 0; o < s->out[1]; o++)
      e_store(type, y, o * s->channels + c, largest(type, e_at(type, x, o * w.width * w.step + c), w, &l, n),
              n);
  }
}

/* The windows of one row of results. Their sizes are constants where loops are to be unrolled. */
KD_INLINE window window_of(const kd_norm_pool_shape *s, int64_t height, int64_t width) {
  return (window){height, width, s->width * s->channels, s->channels};
}

KD_INLINE void largest_rows(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                            const void *x, void *y, int64_t begin, int64_t end) {
  int64_t row = s->width * s->channels;
  for (int64_t i = begin; i < end; i++) {
    int64_t sample = i / s->out[0], height = i % s->out[0] * s->window[0];
    const void *from = e_at(type, x, (sample * s->height + height) * row);
    void *to = e_place(type, y, i * s->out[1] * s->channels);
    if (s->window[0] == 2 && s->window[1] == 2)
      largest_row(type, s, p, from, window_of(s, 2, 2), to);
    else
      largest_row(type, s, p, from, window_of(s, s->window[0], s->window[1]), to);
  }
}

void KD_V(norm_pool)(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p, const void *x,
                     void *y, int64_t begin, int64_t end){
#define POOL(T) largest_rows(T, s, p, x, y, begin, end)
    KD_FOR_TYPE(type, POOL)
#undef POOL
}

/* --- sums of the gradient --------------------------------------------------------------------------- */

/* The centred value that is the maximum (the first one, as in POOL_GRAD), and the maximum. */
KD_INLINE vf winner(kd_dtype type, const void *x, window w, const channel_lanes *l, int64_t n, vf *best) {
  vf won = e_load(type, x, 0, n) - l->mean;
  *best = normalised(won, l);
  for (int64_t h = 0; h < w.height; h++)
    for (int64_t v = 0; v < w.width; v++) {
      vf centred = e_load(type, x, h * w.row_step + v * w.step, n) - l->mean, value = normalised(centred, l);
      vm larger = v_lt(*best, value);
      won = v_select(larger, centred, won);
      *best = v_select(larger, value, *best);
    }
  return won;
}

KD_INLINE void add_row(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                       const void *x, const void *dy, window w, float *sums, float *products) {
  for (int64_t c = 0; c < s->channels; c += KD_W) {
    int64_t n = s->channels - c < KD_W ? s->channels - c : KD_W;
    channel_lanes l = load_lanes(p, c, false, n);
    vf first = v_set(0.0f), second = v_set(0.0f), best;
    for (int64_t o = 0; o < s->out[1]; o++) {
      vf won = winner(type, e_at(type, x, o * w.width * w.step + c), w, &l, n, &best);
      vf slope = v_select(v_lt(v_set(0.0f), best), e_load(type, dy, o * s->channels + c, n), v_set(0.0f));
      first += slope;
      second += slope * won;
    }
    v_store_n(sums + c, v_load_n(sums + c, n) + first, n);
    v_store_n(products + c, v_load_n(products + c, n) + second, n);
  }
}

KD_INLINE void add_images(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                          const void *x, const void *dy, float *sums, int64_t begin, int64_t end) {
  int64_t row = s->width * s->channels, out_row = s->out[1] * s->channels;
  for (int64_t image = begin; image < end; image++) {
    float *mine = sums + image * 2 * s->channels;
    memset(mine, 0, (size_t)(2 * s->channels) * sizeof *mine);
    for (int64_t o = 0; o < s->out[0]; o++) {
      const void *from = e_at(type, x, (image * s->height + o * s->window[0]) * row);
      const void *slopes = e_at(type, dy, (image * s->out[0] + o) * out_row);
      if (s->window[0] == 2 && s->window[1] == 2)
        add_row(type, s, p, from, slopes, window_of(s, 2, 2), mine, mine + s->channels);
      else
        add_row(type, s, p, from, slopes, window_of(s, s->window[0], s->window[1]), mine, mine + s->channels);
    }
  }
}

/* Of each image: the sums of dy and of dy (x - mean) over the pixels that won their window with more than 0.
 */
void KD_V(norm_pool_grad_sums)(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                               const void *x, const void *dy, float *sums, int64_t begin, int64_t end){
#define SUMS(T) add_images(T, s, p, x, dy, sums, begin, end)
    KD_FOR_TYPE(type, SUMS)
#undef SUMS
}

/* --- the gradient ------------------------------------------------------------------------------------ */

KD_INLINE vf slope_of(vf own, vf centred, const channel_lanes *l) {
  return ((own - l->dy_mean) - centred * l->slope) * l->scale;
}

KD_INLINE void spread(kd_dtype type, const void *x, window w, const channel_lanes *l, vf dy,
                      void *restrict dx, int64_t n) {
  vf best, zero = v_set(0.0f);
  winner(type, x, w, l, n, &best);
  dy = v_select(v_lt(zero, best), dy, zero);
  vm open = v_eq(best, best); /* the maximum was not met yet */
  for (int64_t h = 0; h < w.height; h++)
    for (int64_t v = 0; v < w.width; v++) {
      int64_t at = h * w.row_step + v * w.step;
      vf centred = e_load(type, x, at, n) - l->mean;
      vm hit = open & v_eq(normalised(centred, l), best);
      open &= (vm)~hit;
      e_store(type, dx, at, slope_of(v_select(hit, dy, zero), centred, l), n);
    }
}

/* A rectangle of pixels that belong to no window. */
KD_INLINE void spread_rest(kd_dtype type, const void *x, window rest, const channel_lanes *l,
                           void *restrict dx, int64_t n) {
  for (int64_t h = 0; h < rest.height; h++)
    for (int64_t v = 0; v < rest.width; v++) {
      int64_t at = h * rest.row_step + v * rest.step;
      e_store(type, dx, at, slope_of(v_set(0.0f), e_load(type, x, at, n) - l->mean, l), n);
    }
}

KD_INLINE void spread_row(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                          const void *x, const void *dy, window w, void *dx) {
  int64_t reached = s->out[1] * w.width;
  for (int64_t c = 0; c < s->channels; c += KD_W) {
    int64_t n = s->channels - c < KD_W ? s->channels - c : KD_W;
    channel_lanes l = load_lanes(p, c, true, n);
    for (int64_t o = 0; o < s->out[1]; o++) {
      int64_t at = o * w.width * w.step + c;
      spread(type, e_at(type, x, at), w, &l, e_load(type, dy, o * s->channels + c, n), e_place(type, dx, at),
             n);
    }
    window rest = window_of(s, w.height, s->width - reached);
    int64_t behind = reached * w.step + c;
    spread_rest(type, e_at(type, x, behind), rest, &l, e_place(type, dx, behind), n);
  }
}

/* The rows behind the last window. */
KD_INLINE void spread_last_rows(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                                const void *x, void *dx) {
  int64_t reached = s->out[0] * s->window[0], at = reached * s->width * s->channels;
  for (int64_t c = 0; c < s->channels; c += KD_W) {
    int64_t n = s->channels - c < KD_W ? s->channels - c : KD_W;
    channel_lanes l = load_lanes(p, c, true, n);
    spread_rest(type, e_at(type, x, at + c), window_of(s, s->height - reached, s->width), &l,
                e_place(type, dx, at + c), n);
  }
}

/* Images backwards, because the last ones of the sums are still in a cache. */
KD_INLINE void spread_images(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                             const void *x, const void *dy, void *dx, int64_t begin, int64_t end) {
  int64_t row = s->width * s->channels, out_row = s->out[1] * s->channels;
  for (int64_t image = end; image-- > begin;) {
    for (int64_t o = 0; o < s->out[0]; o++) {
      int64_t at = (image * s->height + o * s->window[0]) * row;
      const void *slopes = e_at(type, dy, (image * s->out[0] + o) * out_row);
      const void *from = e_at(type, x, at);
      void *to = e_place(type, dx, at);
      if (s->window[0] == 2 && s->window[1] == 2)
        spread_row(type, s, p, from, slopes, window_of(s, 2, 2), to);
      else
        spread_row(type, s, p, from, slopes, window_of(s, s->window[0], s->window[1]), to);
    }
    int64_t first = image * s->height * row;
    spread_last_rows(type, s, p, e_at(type, x, first), e_place(type, dx, first));
  }
}

void KD_V(norm_pool_grad)(kd_dtype type, const kd_norm_pool_shape *s, const kd_batch_norm_places *p,
                          const void *x, const void *dy, void *dx, int64_t begin, int64_t end) {
#define SPREAD(T) spread_images(T, s, p, x, dy, dx, begin, end)
  KD_FOR_TYPE(type, SPREAD)
#undef SPREAD
}
