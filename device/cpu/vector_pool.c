/* Pooling over channels-last memory: one vector of channels at a time, window cells in registers. Gradients
 * are written window by window in the order of the outputs, so their sums have one order. */
#include "device/cpu/pool_shape.h"
#include "device/cpu/vector_element.h"

/* The cells of a window that lie inside the input; step: floats to the next cell of an axis. */
typedef struct cells {
  int64_t offset; /* of the first cell in an image */
  int64_t count[KD_MAX_SPATIAL], step[KD_MAX_SPATIAL];
} cells;

KD_INLINE void clip_axis(const kd_pool_shape *s, int axis, int64_t output, cells *window) {
  int64_t first = output * s->stride[axis] - s->before[axis], last = first + s->window[axis];
  if (first < 0) first = 0;
  if (last > s->in[axis]) last = s->in[axis];
  window->count[axis] = last > first ? last - first : 0;
  window->offset += first * window->step[axis];
}

/* The window without its innermost axis. */
KD_INLINE cells start_row(const kd_pool_shape *s, int64_t depth, int64_t height) {
  int64_t width_step = s->channels, height_step = s->in[2] * width_step;
  cells window = {.step = {s->in[1] * height_step, height_step, width_step}};
  clip_axis(s, 0, depth, &window);
  clip_axis(s, 1, height, &window);
  return window;
}

/* --- forward -------------------------------------------------------------------------------------- */

/* One output pixel, n channels. */
KD_INLINE void pool_part(kd_dtype type, const void *x, const cells *window, int64_t depth, int64_t height,
                         int64_t width, bool average, void *y, int64_t n) {
  vf result = v_set(average ? 0.0f : -__builtin_inff());
  for (int64_t d = 0; d < depth; d++)
    for (int64_t h = 0; h < height; h++) {
      int64_t row = d * window->step[0] + h * window->step[1];
      for (int64_t w = 0; w < width; w++) {
        vf cell = e_load(type, x, row + w * window->step[2], n);
        if (average)
          result += cell;
        else
          result = v_max(cell, result);
      }
    }
  int64_t count = depth * height * width;
  if (average) result = result / v_set(count ? (float)count : 1.0f);
  e_store(type, y, 0, result, n);
}

KD_INLINE void pool_pixel(kd_dtype type, const void *x, const cells *window, int64_t depth, int64_t height,
                          int64_t width, bool average, void *y) {
  int64_t channels = window->step[2], c = 0;
  for (; c + KD_W <= channels; c += KD_W)
    pool_part(type, e_at(type, x, c), window, depth, height, width, average, e_place(type, y, c), KD_W);
  if (c < channels)
    pool_part(type, e_at(type, x, c), window, depth, height, width, average, e_place(type, y, c),
              channels - c);
}

/* Windows of 2x2 and 3x3 are unrolled by the constants. */
KD_INLINE void pool_any(kd_dtype type, const void *x, const cells *window, bool average, void *y) {
  const int64_t *count = window->count;
  if (count[0] == 1 && count[1] == 2 && count[2] == 2)
    pool_pixel(type, x, window, 1, 2, 2, average, y);
  else if (count[0] == 1 && count[1] == 3 && count[2] == 3)
    pool_pixel(type, x, window, 1, 3, 3, average, y);
  else
    pool_pixel(type, x, window, count[0], count[1], count[2], average, y);
}

KD_INLINE void pool_rows(kd_dtype type, const kd_pool_shape *s, const void *x, void *y, int64_t begin,
                         int64_t end, bool average) {
  int64_t image = s->in[0] * s->in[1] * s->in[2] * s->channels;
  for (int64_t row = begin; row < end; row++) {
    int64_t height = row % s->out[1], depth = row / s->out[1] % s->out[0],
            sample = row / s->out[1] / s->out[0];
    cells all = start_row(s, depth, height);
    for (int64_t width = 0; width < s->out[2]; width++) {
      cells window = all;
      clip_axis(s, 2, width, &window);
      pool_any(type, e_at(type, x, sample * image + window.offset), &window, average,
               e_place(type, y, (row * s->out[2] + width) * s->channels));
    }
  }
}

void KD_V(pool)(kd_dtype type, const kd_pool_shape *shape, bool average, const void *x, void *y,
                int64_t begin, int64_t end) {
#define POOL(T)                                                                                              \
  if (average)                                                                                               \
    pool_rows(T, shape, x, y, begin, end, true);                                                             \
  else                                                                                                       \
    pool_rows(T, shape, x, y, begin, end, false)
  KD_FOR_TYPE(type, POOL)
#undef POOL
}

/* --- gradient ------------------------------------------------------------------------------------- */

/* Gives one output's gradient to its window, n channels. add: other windows may have written the cells. */
KD_INLINE void spread_part(kd_dtype type, const void *x, void *dx, const cells *window, int64_t depth,
                           int64_t height, int64_t width, bool average, bool add, vf y, vf dy, int64_t n) {
  vm open = v_eq(y, y); /* the maximum was not met yet */
  if (average) dy = dy / v_set((float)(depth * height * width));
  for (int64_t d = 0; d < depth; d++)
    for (int64_t h = 0; h < height; h++) {
      int64_t row = d * window->step[0] + h * window->step[1];
      for (int64_t w = 0; w < width; w++) {
        int64_t at = row + w * window->step[2];
        vf part = dy;
        if (!average) {
          vm hit = open & v_eq(e_load(type, x, at, n), y);
          part = v_select(hit, dy, v_set(0.0f));
          open &= (vm)~hit;
        }
        if (add) part += e_load(type, dx, at, n);
        e_store(type, dx, at, part, n);
      }
    }
}

KD_INLINE void spread_pixel(kd_dtype type, const void *x, void *dx, const cells *window, int64_t depth,
                            int64_t height, int64_t width, bool average, bool add, const void *y,
                            const void *dy) {
  int64_t channels = window->step[2], c = 0;
  for (; c + KD_W <= channels; c += KD_W)
    spread_part(type, e_at(type, x, c), e_place(type, dx, c), window, depth, height, width, average, add,
                e_load(type, y, c, KD_W), e_load(type, dy, c, KD_W), KD_W);
  int64_t n = channels - c;
  if (n)
    spread_part(type, e_at(type, x, c), e_place(type, dx, c), window, depth, height, width, average, add,
                e_load(type, y, c, n), e_load(type, dy, c, n), n);
}

KD_INLINE void spread_any(kd_dtype type, const void *x, void *dx, const cells *window, bool average, bool add,
                          const void *y, const void *dy) {
  const int64_t *count = window->count;
  if (count[0] == 1 && count[1] == 2 && count[2] == 2)
    spread_pixel(type, x, dx, window, 1, 2, 2, average, add, y, dy);
  else if (count[0] == 1 && count[1] == 3 && count[2] == 3)
    spread_pixel(type, x, dx, window, 1, 3, 3, average, add, y, dy);
  else
    spread_pixel(type, x, dx, window, count[0], count[1], count[2], average, add, y, dy);
}

/* Rows of the input image that windows up to this output row can reach, counted from the image's start. */
KD_INLINE int64_t reached_rows(const kd_pool_shape *s, int64_t depth, int64_t height) {
  int64_t planes = depth * s->stride[0] - s->before[0] + s->window[0];
  if (planes > s->in[0]) planes = s->in[0];
  if (s->window[0] > 1) return planes * s->in[1];
  int64_t rows = height * s->stride[1] - s->before[1] + s->window[1];
  return (planes - 1) * s->in[1] + (rows < s->in[1] ? rows : s->in[1]);
}

KD_INLINE void zero_rows(kd_dtype type, const kd_pool_shape *s, void *dx, int64_t from, int64_t to) {
  int64_t row = s->in[2] * s->channels;
  size_t bytes = (size_t)((to - from) * row) * (type == KD_F32 ? 4 : 2);
  if (to > from) memset(e_place(type, dx, from * row), 0, bytes);
}

/* Rows are zeroed just before the first window that reaches them, while they are about to be in cache. */
KD_INLINE void spread_image(kd_dtype type, const kd_pool_shape *s, const void *x, const void *y,
                            const void *dy, void *dx, bool average, bool add) {
  bool zero = add || !s->covered;
  int64_t zeroed = 0;
  for (int64_t depth = 0; depth < s->out[0]; depth++)
    for (int64_t height = 0; height < s->out[1]; height++) {
      cells all = start_row(s, depth, height);
      int64_t row = (depth * s->out[1] + height) * s->out[2] * s->channels,
              reached = reached_rows(s, depth, height);
      if (zero && reached > zeroed) {
        zero_rows(type, s, dx, zeroed, reached);
        zeroed = reached;
      }
      for (int64_t width = 0; width < s->out[2]; width++) {
        cells window = all;
        clip_axis(s, 2, width, &window);
        int64_t at = row + width * s->channels;
        spread_any(type, e_at(type, x, window.offset), e_place(type, dx, window.offset), &window, average,
                   add, e_at(type, y, at), e_at(type, dy, at));
      }
    }
  if (zero) zero_rows(type, s, dx, zeroed, s->in[0] * s->in[1]);
}

KD_INLINE void spread_images(kd_dtype type, const kd_pool_shape *shape, bool average, bool add, const void *x,
                             const void *y, const void *dy, void *dx, int64_t begin, int64_t end) {
  int64_t in = shape->in[0] * shape->in[1] * shape->in[2] * shape->channels;
  int64_t out = shape->out[0] * shape->out[1] * shape->out[2] * shape->channels;
  for (int64_t sample = begin; sample < end; sample++)
    spread_image(type, shape, e_at(type, x, sample * in), e_at(type, y, sample * out),
                 e_at(type, dy, sample * out), e_place(type, dx, sample * in), average, add);
}

/* Windows that overlap add up in dx, so it is float32 then (kd_cpu_reads_half). */
void KD_V(pool_grad)(kd_dtype type, const kd_pool_shape *shape, bool average, const void *x, const void *y,
                     const void *dy, void *dx, int64_t begin, int64_t end) {
#define SPREAD(T)                                                                                            \
  if (average)                                                                                               \
    spread_images(T, shape, true, false, x, y, dy, dx, begin, end);                                          \
  else                                                                                                       \
    spread_images(T, shape, false, false, x, y, dy, dx, begin, end)
  if (shape->disjoint) {
    KD_FOR_TYPE(type, SPREAD)
  } else if (average) {
    spread_images(KD_F32, shape, true, true, x, y, dy, dx, begin, end);
  } else {
    spread_images(KD_F32, shape, false, true, x, y, dy, dx, begin, end);
  }
#undef SPREAD
}
