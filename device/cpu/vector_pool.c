/* Pooling over channels-last memory: one vector of channels at a time, window cells in registers. Gradients
 * are written window by window in the order of the outputs, so their sums have one order. */
#include "device/cpu/pool_shape.h"
#include "device/cpu/vector_simd.h"

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
KD_INLINE void pool_part(const float *x, const cells *window, int64_t depth, int64_t height, int64_t width,
                         bool average, float *y, int64_t n) {
  vf result = v_set(average ? 0.0f : -__builtin_inff());
  for (int64_t d = 0; d < depth; d++)
    for (int64_t h = 0; h < height; h++) {
      const float *row = x + d * window->step[0] + h * window->step[1];
      for (int64_t w = 0; w < width; w++) {
        vf cell = v_load_n(row + w * window->step[2], n);
        if (average)
          result += cell;
        else
          result = v_max(cell, result);
      }
    }
  int64_t count = depth * height * width;
  if (average) result = result / v_set(count ? (float)count : 1.0f);
  v_store_n(y, result, n);
}

KD_INLINE void pool_pixel(const float *x, const cells *window, int64_t depth, int64_t height, int64_t width,
                          bool average, float *y) {
  int64_t channels = window->step[2], c = 0;
  for (; c + KD_W <= channels; c += KD_W)
    pool_part(x + c, window, depth, height, width, average, y + c, KD_W);
  if (c < channels) pool_part(x + c, window, depth, height, width, average, y + c, channels - c);
}

/* Windows of 2x2 and 3x3 are unrolled by the constants. */
KD_INLINE void pool_any(const float *x, const cells *window, bool average, float *y) {
  const int64_t *count = window->count;
  if (count[0] == 1 && count[1] == 2 && count[2] == 2)
    pool_pixel(x, window, 1, 2, 2, average, y);
  else if (count[0] == 1 && count[1] == 3 && count[2] == 3)
    pool_pixel(x, window, 1, 3, 3, average, y);
  else
    pool_pixel(x, window, count[0], count[1], count[2], average, y);
}

KD_INLINE void pool_rows(const kd_pool_shape *s, const float *x, float *y, int64_t begin, int64_t end,
                         bool average) {
  int64_t image = s->in[0] * s->in[1] * s->in[2] * s->channels;
  for (int64_t row = begin; row < end; row++) {
    int64_t height = row % s->out[1], depth = row / s->out[1] % s->out[0],
            sample = row / s->out[1] / s->out[0];
    cells all = start_row(s, depth, height);
    for (int64_t width = 0; width < s->out[2]; width++) {
      cells window = all;
      clip_axis(s, 2, width, &window);
      pool_any(x + sample * image + window.offset, &window, average,
               y + (row * s->out[2] + width) * s->channels);
    }
  }
}

void KD_V(pool)(const kd_pool_shape *shape, bool average, const float *x, float *y, int64_t begin,
                int64_t end) {
  if (average)
    pool_rows(shape, x, y, begin, end, true);
  else
    pool_rows(shape, x, y, begin, end, false);
}

/* --- gradient ------------------------------------------------------------------------------------- */

/* Gives one output's gradient to its window, n channels. add: other windows may have written the cells. */
KD_INLINE void spread_part(const float *x, float *dx, const cells *window, int64_t depth, int64_t height,
                           int64_t width, bool average, bool add, vf y, vf dy, int64_t n) {
  vm open = v_eq(y, y); /* the maximum was not met yet */
  if (average) dy = dy / v_set((float)(depth * height * width));
  for (int64_t d = 0; d < depth; d++)
    for (int64_t h = 0; h < height; h++) {
      int64_t row = d * window->step[0] + h * window->step[1];
      for (int64_t w = 0; w < width; w++) {
        int64_t at = row + w * window->step[2];
        vf part = dy;
        if (!average) {
          vm hit = open & v_eq(v_load_n(x + at, n), y);
          part = v_select(hit, dy, v_set(0.0f));
          open &= (vm)~hit;
        }
        if (add) part += v_load_n(dx + at, n);
        v_store_n(dx + at, part, n);
      }
    }
}

KD_INLINE void spread_pixel(const float *x, float *dx, const cells *window, int64_t depth, int64_t height,
                            int64_t width, bool average, bool add, const float *y, const float *dy) {
  int64_t channels = window->step[2], c = 0;
  for (; c + KD_W <= channels; c += KD_W)
    spread_part(x + c, dx + c, window, depth, height, width, average, add, v_load(y + c), v_load(dy + c),
                KD_W);
  int64_t n = channels - c;
  if (n)
    spread_part(x + c, dx + c, window, depth, height, width, average, add, v_load_part(y + c, n),
                v_load_part(dy + c, n), n);
}

KD_INLINE void spread_any(const float *x, float *dx, const cells *window, bool average, bool add,
                          const float *y, const float *dy) {
  const int64_t *count = window->count;
  if (count[0] == 1 && count[1] == 2 && count[2] == 2)
    spread_pixel(x, dx, window, 1, 2, 2, average, add, y, dy);
  else if (count[0] == 1 && count[1] == 3 && count[2] == 3)
    spread_pixel(x, dx, window, 1, 3, 3, average, add, y, dy);
  else
    spread_pixel(x, dx, window, count[0], count[1], count[2], average, add, y, dy);
}

/* Rows of the input image that windows up to this output row can reach, counted from the image's start. */
KD_INLINE int64_t reached_rows(const kd_pool_shape *s, int64_t depth, int64_t height) {
  int64_t planes = depth * s->stride[0] - s->before[0] + s->window[0];
  if (planes > s->in[0]) planes = s->in[0];
  if (s->window[0] > 1) return planes * s->in[1];
  int64_t rows = height * s->stride[1] - s->before[1] + s->window[1];
  return (planes - 1) * s->in[1] + (rows < s->in[1] ? rows : s->in[1]);
}

KD_INLINE void zero_rows(const kd_pool_shape *s, float *dx, int64_t from, int64_t to) {
  int64_t row = s->in[2] * s->channels;
  if (to > from) memset(dx + from * row, 0, (size_t)((to - from) * row) * sizeof(float));
}

/* Rows are zeroed just before the first window that reaches them, while they are about to be in cache. */
KD_INLINE void spread_image(const kd_pool_shape *s, const float *x, const float *y, const float *dy,
                            float *dx, bool average, bool add) {
  bool zero = add || !s->covered;
  int64_t zeroed = 0;
  for (int64_t depth = 0; depth < s->out[0]; depth++)
    for (int64_t height = 0; height < s->out[1]; height++) {
      cells all = start_row(s, depth, height);
      int64_t row = (depth * s->out[1] + height) * s->out[2] * s->channels,
              reached = reached_rows(s, depth, height);
      if (zero && reached > zeroed) {
        zero_rows(s, dx, zeroed, reached);
        zeroed = reached;
      }
      for (int64_t width = 0; width < s->out[2]; width++) {
        cells window = all;
        clip_axis(s, 2, width, &window);
        int64_t at = row + width * s->channels;
        spread_any(x + window.offset, dx + window.offset, &window, average, add, y + at, dy + at);
      }
    }
  if (zero) zero_rows(s, dx, zeroed, s->in[0] * s->in[1]);
}

void KD_V(pool_grad)(const kd_pool_shape *shape, bool average, const float *x, const float *y,
                     const float *dy, float *dx, int64_t begin, int64_t end) {
  int64_t in = shape->in[0] * shape->in[1] * shape->in[2] * shape->channels;
  int64_t out = shape->out[0] * shape->out[1] * shape->out[2] * shape->channels;
  for (int64_t sample = begin; sample < end; sample++) {
    const float *xs = x + sample * in, *ys = y + sample * out, *dys = dy + sample * out;
    float *dxs = dx + sample * in;
    if (average && shape->disjoint)
      spread_image(shape, xs, ys, dys, dxs, true, false);
    else if (average)
      spread_image(shape, xs, ys, dys, dxs, true, true);
    else if (shape->disjoint)
      spread_image(shape, xs, ys, dys, dxs, false, false);
    else
      spread_image(shape, xs, ys, dys, dxs, false, true);
  }
}
