/* Rows of cases.def in other float types. */
#include <string.h>

#include "support/op_case.h"

kd_product_types *op_product_types(kd_op op, op_product_attr *attr) {
  switch (op) {
  case KD_OP_MATMUL:
    return &attr->matmul.types;
  case KD_OP_CONV:
  case KD_OP_CONV_GRAD_DATA:
  case KD_OP_CONV_GRAD_KERNEL:
    return &attr->conv.types;
  default:
    return NULL;
  }
}

/* Programs say their types themselves, and ranks sum float32 only. */
bool op_case_has_types(const op_case *what) {
  return what->op != KD_OP_POINTWISE && what->op != KD_OP_EXCHANGE && what->op != KD_OP_IOTA;
}

bool op_case_keep_master(op_typed_case *c) {
  kd_product_types *types = op_product_types(c->what.op, &c->attr);
  if (!types) return false;
  if (c->what.op == KD_OP_CONV_GRAD_KERNEL)
    types->result = KD_F32;
  else
    c->input[1].dtype = KD_F32;
  return true;
}

/* Two units in the last place of a value near 1: one for a rounding that went the other way, and as much for
 * the sum before it. */
static double tolerance(kd_dtype type, double of_case) {
  double unit = type == KD_BF16 ? 0x1p-7 : 0x1p-10;
  return of_case > 0 ? 2 * unit + of_case : unit;
}

/* Logarithms of attention's sums are float32 always; its masks are made by layers in float32, and given in
 * the type of the rest: here the first, and the others. */
static bool is_number(kd_op op, int i) {
  return (op == KD_OP_ATTENTION && i == KD_ATTENTION_FIXED) ||
         (op == KD_OP_ATTENTION_GRAD && (i == 4 || i == KD_ATTENTION_GRAD_FIXED));
}

bool op_case_convert(const op_case *from, kd_dtype type, op_typed_case *c) {
  op_case *to = &c->what;
  op_input *inputs = c->input;
  *to = *from;
  to->input = inputs;
  to->tolerance = tolerance(type, from->tolerance);
  memcpy(inputs, from->input, (size_t)from->n_inputs * sizeof *inputs);
  bool any = false;
  for (int i = 0; i < from->n_inputs; i++) {
    if (inputs[i].data == DATA_SPECIAL) return false;
    if (inputs[i].dtype != KD_F32) continue;
    if (is_number(from->op, i)) continue;
    any = true;
    inputs[i].dtype = type;
  }
  kd_product_types *types = op_product_types(from->op, &c->attr);
  if (types) {
    memcpy(&c->attr, from->attr, kd_op_get(from->op)->attr_size);
    *types = (kd_product_types){.factors = type, .result = type};
    to->attr = &c->attr;
  }
  return any;
}
