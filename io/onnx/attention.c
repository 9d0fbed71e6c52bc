/* Attention (device/attention.h): products, what is seen, softmax. Operators of ONNX that have it whole are
 * newer than what most runtimes read. */
#include "io/onnx/form.h"

/* Far below any score, so that exp gives 0; where nothing is seen, all scores are this one number and all
 * keys weigh the same. */
#define UNSEEN (-1e30f)

/* (batch, steps, own heads, size) as (batch, heads, steps, size), or with the last two axes changed. */
static kd_onnx_value by_head(kd_onnx *x, kd_sym sym, int64_t heads, bool columns) {
  static const int rows_perm[] = {0, 2, 1, 3}, columns_perm[] = {0, 2, 3, 1};
  const kd_shape *shape = kd_sym_shape(x->graph, sym);
  int64_t own = shape->dim[2], size = shape->dim[3];
  kd_onnx_value v = kd_onnx_transpose(x, kd_onnx_get(x, sym), 4, columns ? columns_perm : rows_perm);
  if (own == heads) return v;
  v = kd_onnx_unsqueeze(x, v, 1, (int64_t[]){2});
  v = KD_ONNX(x, "Expand", v, kd_onnx_ints(x, 5, (int64_t[]){1, 1, heads / own, 1, 1}));
  int64_t joined[] = {0, heads, columns ? size : -1, columns ? -1 : size};
  return KD_ONNX(x, "Reshape", v, kd_onnx_ints(x, 4, joined));
}

static kd_onnx_value both(kd_onnx *x, kd_onnx_value a, kd_onnx_value b) {
  return a ? KD_ONNX(x, "And", a, b) : b;
}

/* What queries may see by their place: a truth (queries, keys); 0: everything. */
static kd_status seen_by_place(kd_onnx *x, const kd_attention_attr *attr, kd_onnx_size queries,
                               kd_onnx_size keys, kd_onnx_value *seen) {
  kd_onnx_value query, key;
  *seen = 0;
  if (!attr->causal && !attr->window) return KD_OK;
  KD_TRY(kd_onnx_range(x, queries, 2, 0, &query));
  KD_TRY(kd_onnx_range(x, keys, 2, 1, &key));
  if (attr->causal) *seen = KD_ONNX(x, "LessOrEqual", key, query);
  if (attr->window) {
    kd_onnx_value distance = KD_ONNX(x, "Abs", KD_ONNX(x, "Sub", query, key));
    *seen = both(x, *seen, KD_ONNX(x, "Less", distance, kd_onnx_float(x, (float)attr->window)));
  }
  return KD_OK;
}

static kd_onnx_value masked(kd_onnx *x, kd_unseen unseen, kd_onnx_value scores, kd_onnx_value seen) {
  if (seen) scores = KD_ONNX(x, "Where", seen, scores, kd_onnx_float(x, UNSEEN));
  kd_onnx_value p = KD_ONNX(x, "Softmax", scores);
  kd_onnx_set_int(x, "axis", -1);
  return seen && unseen == KD_UNSEEN_ZERO ? KD_ONNX(x, "Where", seen, p, kd_onnx_float(x, 0)) : p;
}

kd_status kd_form_attention(kd_onnx *x, const kd_node *node, const kd_node *other) {
  (void)other;
  const kd_attention_attr *attr = node->attr;
  kd_onnx_size q[KD_MAX_RANK], k[KD_MAX_RANK];
  kd_onnx_value seen;
  if (attr->dropout > 0) return kd_onnx_refuse(x, "it draws random numbers; leave out training = true");
  kd_onnx_sizes(x, node->input[0], q);
  kd_onnx_sizes(x, node->input[1], k);
  KD_TRY(seen_by_place(x, attr, q[1], k[1], &seen));
  for (int i = 0; i < attr->n_masks; i++)
    seen = both(x, seen, kd_onnx_truth(x, kd_onnx_get(x, node->input[KD_ATTENTION_FIXED + i])));
  int64_t heads = q[2].a;
  kd_onnx_value query = by_head(x, node->input[0], heads, false),
                key = by_head(x, node->input[1], heads, true);
  kd_onnx_value scores = KD_ONNX(x, "MatMul", KD_ONNX(x, "Mul", query, kd_onnx_float(x, attr->scale)), key);
  kd_onnx_value p = masked(x, attr->unseen, scores, seen);
  kd_onnx_value y = KD_ONNX(x, "MatMul", p, by_head(x, node->input[2], heads, false));
  kd_onnx_put(x, node->output[0], kd_onnx_transpose(x, y, 4, (int[]){0, 2, 1, 3}));
  return KD_OK;
}
