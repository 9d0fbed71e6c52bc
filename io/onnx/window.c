/* Padding of windows that move over images: numbers, or the rule "same" where sizes are variable. */
#include "io/onnx/form.h"

/* Keras's "same": results are as many as strides fit, cells are added on both sides, one more behind. */
static bool is_same(const kd_onnx_window *w, int axis, int64_t size, const int64_t *before,
                    const int64_t *after) {
  int64_t results = (size + w->stride[axis] - 1) / w->stride[axis];
  int64_t total = (results - 1) * w->stride[axis] + w->reach[axis] - size;
  if (total < 0) total = 0;
  return before[axis] == total / 2 && after[axis] == total - total / 2;
}

/* Whether an axis follows the rule in both builds, and whether it is padded by the same numbers at every
 * size. */
static kd_status judge(const kd_onnx *x, const kd_onnx_window *w, int axis, bool *same, bool *constant) {
  bool equal = w->before[0][axis] == w->before[1][axis] && w->after[0][axis] == w->after[1][axis];
  *same = false;
  *constant = equal;
  if (equal && !w->size) return KD_OK;
  kd_onnx_size size = w->size ? w->size[axis] : (kd_onnx_size){1, 1};
  *same = is_same(w, axis, size.a, w->before[0], w->after[0]) &&
          is_same(w, axis, size.b, w->before[1], w->after[1]);
  bool simple = kd_onnx_fixed(size) || w->stride[axis] == 1 || w->reach[axis] == 1;
  *constant = equal && (simple || !*same);
  if (!*same && !equal)
    return kd_onnx_refuse(x, "padding depends on a variable size; give the inputs fixed sizes");
  if (equal && !*constant) /* both would be right for the two sizes that were tried */
    return kd_onnx_refuse(
        x, "it is not known whether padding depends on a variable size; give the inputs fixed sizes");
  return KD_OK;
}

kd_status kd_onnx_set_window(kd_onnx *x, const kd_onnx_window *w) {
  int64_t pads[2 * KD_MAX_SPATIAL];
  bool all_same = true, all_constant = true, overlaps = true;
  for (int i = 0; i < w->spatial; i++) {
    bool same, constant;
    KD_TRY(judge(x, w, i, &same, &constant));
    all_same = all_same && same;
    all_constant = all_constant && constant;
    overlaps = overlaps && w->reach[i] >= w->stride[i]; /* else onnxruntime's rule gives negative padding */
    pads[i] = w->before[0][i];
    pads[w->spatial + i] = w->after[0][i];
  }
  kd_onnx_set_ints(x, "strides", w->spatial, w->stride);
  if (x->target->channels_last && all_same)
    kd_onnx_set_text(x, "auto_pad", "SAME_UPPER");
  else if (all_constant)
    kd_onnx_set_ints(x, "pads", 2 * w->spatial, pads);
  else if (all_same && overlaps)
    kd_onnx_set_text(x, "auto_pad", "SAME_UPPER");
  else
    return kd_onnx_refuse(x,
                          "padding depends on a variable size along some axes; give the inputs fixed sizes");
  return KD_OK;
}
