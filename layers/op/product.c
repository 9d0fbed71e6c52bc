#include "layers/op/product.h"

static bool takes(kd_dtype dtype) {
  return dtype == KD_F32 || kd_dtype_is_half(dtype);
}

kd_status kd_product_check(const char *what, const kd_product_types *types, const kd_sym_info *a,
                           const kd_sym_info *b) {
  KD_CHECK(takes(a->dtype) && takes(b->dtype), KD_ERR_USAGE,
           "%s of types %s and %s: both must be float32, bfloat16 or float16", what, kd_dtype_name(a->dtype),
           kd_dtype_name(b->dtype));
  KD_CHECK(takes(types->factors) && takes(types->result), KD_ERR_INTERNAL, "%s in %s with a result in %s",
           what, kd_dtype_name(types->factors), kd_dtype_name(types->result));
  return KD_OK;
}

kd_product_types kd_product_grad(const kd_graph *g, const kd_product_types *of, kd_sym like) {
  return (kd_product_types){.factors = of->factors, .result = kd_grad_type(g, like)};
}
