#include "layers/kinds/einsum.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "device/base/text.h"

int kd_einsum_axis(const char *labels, char label) {
  const char *at = strchr(labels, label);
  return at ? (int)(at - labels) : -1;
}

/* --- reading -------------------------------------------------------------------------------------- */

static kd_status malformed(const char *equation) {
  return kd_fail(
      KD_ERR_USAGE,
      "equation '%s': expected the form ab,bc->ac, ...ab,bc->...ac or ab...,bc->ac... with letters "
      "for axes",
      kd_quoted(equation));
}

/* One operand: letters, with "..." in front (left), at the end (right) or nowhere. */
typedef struct operand {
  char labels[KD_MAX_RANK + 1];
  int count;
  bool left, right;
} operand;

static const char *skip_dots(const char *text, bool *found) {
  *found = strncmp(text, "...", 3) == 0;
  return *found ? text + 3 : text;
}

static kd_status read_operand(const char *equation, const char **text, operand *o) {
  *o = (operand){.count = 0};
  *text = skip_dots(*text, &o->left);
  for (; isalpha((unsigned char)**text); (*text)++) {
    KD_CHECK(o->count < KD_MAX_RANK, KD_ERR_USAGE, "equation '%s': an operand has more than %d axes",
             kd_quoted(equation), KD_MAX_RANK);
    KD_CHECK(!memchr(o->labels, **text, (size_t)o->count), KD_ERR_USAGE,
             "equation '%s': axis %c stands twice in one operand; diagonals are not taken",
             kd_quoted(equation), **text);
    o->labels[o->count++] = **text;
  }
  *text = skip_dots(*text, &o->right);
  return o->count == 0 || (o->left && o->right) ? malformed(equation) : KD_OK;
}

/* Labels with digits for the axes under "...". */
static kd_status spread(const char *equation, const operand *o, int elided, char *labels) {
  int total = o->count + (o->left || o->right ? elided : 0), next = 0;
  KD_CHECK(total <= KD_MAX_RANK, KD_ERR_USAGE, "equation '%s': %d axes, at most %d are possible",
           kd_quoted(equation), total, KD_MAX_RANK);
  for (int i = 0; o->left && i < elided; i++) labels[next++] = (char)('0' + i);
  for (int i = 0; i < o->count; i++) labels[next++] = o->labels[i];
  for (int i = 0; o->right && i < elided; i++) labels[next++] = (char)('0' + i);
  labels[next] = '\0';
  return KD_OK;
}

static kd_status check_labels(const char *equation, const kd_einsum *e) {
  for (const char *c = e->y; *c; c++)
    KD_CHECK(kd_einsum_axis(e->x, *c) >= 0 || kd_einsum_axis(e->w, *c) >= 0, KD_ERR_USAGE,
             "equation '%s': axis %c of the result is in no operand", kd_quoted(equation), *c);
  for (const char *c = e->w; *c; c++)
    KD_CHECK(kd_einsum_axis(e->x, *c) >= 0 || kd_einsum_axis(e->y, *c) >= 0, KD_ERR_USAGE,
             "equation '%s': axis %c of the kernel is neither in the input nor in the result",
             kd_quoted(equation), *c);
  return KD_OK;
}

kd_status kd_einsum_read(const char *equation, int x_rank, kd_einsum *e) {
  const char *text = equation;
  operand x, w, y;
  *e = (kd_einsum){.elided = 0};
  KD_TRY(read_operand(equation, &text, &x));
  if (*text++ != ',') return malformed(equation);
  KD_TRY(read_operand(equation, &text, &w));
  if (strncmp(text, "->", 2) != 0) return malformed(equation);
  text += 2;
  KD_TRY(read_operand(equation, &text, &y));
  if (*text || w.left || w.right || x.left != y.left || x.right != y.right) return malformed(equation);
  e->elided = x_rank - x.count;
  e->elided_left = x.left;
  bool dots = x.left || x.right;
  KD_CHECK(dots ? e->elided >= 0 : e->elided == 0, KD_ERR_USAGE,
           "equation '%s' needs an input with %d axes%s, but it has %d", kd_quoted(equation), x.count,
           dots ? " or more" : "", x_rank);
  KD_TRY(spread(equation, &x, e->elided, e->x));
  KD_TRY(spread(equation, &w, e->elided, e->w));
  KD_TRY(spread(equation, &y, e->elided, e->y));
  return check_labels(equation, e);
}

/* --- lowering ------------------------------------------------------------------------------------- */

/* Labels of one operand by their part in the product, in its own order. */
typedef struct parts {
  char shared[KD_MAX_RANK + 1]; /* in both operands and the result */
  char summed[KD_MAX_RANK + 1]; /* in both operands only */
  char own[KD_MAX_RANK + 1];    /* in this operand and the result */
} parts;

static void append(char *labels, char label) {
  size_t length = strlen(labels);
  labels[length] = label;
  labels[length + 1] = '\0';
}

static parts split(const char *labels, const char *other, const char *result) {
  parts p = {.shared = ""};
  for (const char *c = labels; *c; c++) {
    bool in_other = kd_einsum_axis(other, *c) >= 0, in_result = kd_einsum_axis(result, *c) >= 0;
    append(!in_other ? p.own : in_result ? p.shared : p.summed, *c);
  }
  return p;
}

/* The tensor with its axes in the order of `wanted`. */
static kd_sym arrange(kd_graph *g, kd_sym x, const char *labels, const char *wanted) {
  int axes[KD_MAX_RANK];
  for (int i = 0; wanted[i]; i++) axes[i] = kd_einsum_axis(labels, wanted[i]);
  return kd_transpose(g, x, axes);
}

/* Sums over the axes that only x has; drops their labels. */
static kd_sym sum_lone_axes(kd_graph *g, const kd_einsum *e, kd_sym x, char *labels) {
  int axes[KD_MAX_RANK], n = 0;
  labels[0] = '\0';
  for (int i = 0; e->x[i]; i++) {
    if (kd_einsum_axis(e->w, e->x[i]) < 0 && kd_einsum_axis(e->y, e->x[i]) < 0)
      axes[n++] = i;
    else
      append(labels, e->x[i]);
  }
  return n ? kd_reduce(g, KD_REDUCE_SUM, x, n, axes, false) : x;
}

static int64_t size_of(const kd_graph *g, kd_sym x, const char *labels, const char *wanted) {
  int64_t size = 1;
  for (const char *c = wanted; *c; c++) size *= kd_sym_shape(g, x)->dim[kd_einsum_axis(labels, *c)];
  return size;
}

/* Shared axes first in both, then (own, summed) and (summed, own): one product of matrices per cell of the
 * shared axes, and its result (shared, own of x, own of w). */
kd_sym kd_einsum_apply(kd_graph *g, const kd_einsum *e, kd_sym x, kd_sym w) {
  char labels[KD_MAX_RANK + 1], x_order[3 * KD_MAX_RANK + 1], w_order[3 * KD_MAX_RANK + 1],
      made[3 * KD_MAX_RANK + 1];
  if (x == KD_NO_SYM || w == KD_NO_SYM) return KD_NO_SYM;
  x = sum_lone_axes(g, e, x, labels);
  if (x == KD_NO_SYM) return x;
  parts px = split(labels, e->w, e->y), pw = split(e->w, labels, e->y);
  snprintf(x_order, sizeof x_order, "%s%s%s", px.shared, px.own, px.summed);
  snprintf(w_order, sizeof w_order, "%s%s%s", px.shared, px.summed, pw.own);
  snprintf(made, sizeof made, "%s%s%s", px.shared, px.own, pw.own);
  int64_t shared = size_of(g, x, labels, px.shared), rows = size_of(g, x, labels, px.own),
          inner = size_of(g, x, labels, px.summed), columns = size_of(g, w, e->w, pw.own);
  kd_shape result = {.rank = (int)strlen(made)};
  for (int i = 0; i < result.rank; i++) {
    int axis = kd_einsum_axis(labels, made[i]);
    result.dim[i] =
        axis >= 0 ? kd_sym_shape(g, x)->dim[axis] : kd_sym_shape(g, w)->dim[kd_einsum_axis(e->w, made[i])];
  }
  bool plain = !*px.shared;
  kd_sym a = kd_reshape(g, arrange(g, x, labels, x_order),
                        plain ? KD_SHAPE(rows, inner) : KD_SHAPE(shared, rows, inner));
  kd_sym b = kd_reshape(g, arrange(g, w, e->w, w_order),
                        plain ? KD_SHAPE(inner, columns) : KD_SHAPE(shared, inner, columns));
  return arrange(g, kd_reshape(g, kd_matmul(g, a, b, false, false), result), made, e->y);
}
