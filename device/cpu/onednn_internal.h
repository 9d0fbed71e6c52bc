/* What the files of the oneDNN wrapper share; included by them only. */
#ifndef KD_CPU_ONEDNN_INTERNAL_H
#define KD_CPU_ONEDNN_INTERNAL_H

#include <oneapi/dnnl/dnnl.h>

#include "device/cpu/onednn.h"

enum { KD_ONEDNN_NOTE_SIZE = 48 };

struct kd_onednn {
  dnnl_primitive_t primitive;
  dnnl_primitive_desc_t desc;
  dnnl_memory_t memory[KD_ONEDNN_N_SLOTS]; /* NULL: the primitive has no such argument */
  dnnl_exec_arg_t arg[KD_ONEDNN_N_SLOTS];
  int n_args, threads;
  dnnl_memory_desc_t plain_kernel, kernel; /* convolutions, packed products */
  size_t scratch_bytes;
  bool slow;
  char note[KD_ONEDNN_NOTE_SIZE];
};

/* Of the device's threads as many as get enough of a call's floating-point operations: the library itself
 * deals even the smallest product to all. */
int kd_onednn_team(int threads, double flops);

dnnl_data_type_t kd_onednn_type(kd_dtype dtype); /* of KD_F32 and KD_BF16 */

dnnl_engine_t kd_onednn_engine(void); /* after kd_onednn_start */

/* The library's status as ours; what: the call for the text. */
kd_status kd_onednn_check(dnnl_status_t status, const char *what);

/* Attributes that all primitives carry: scratch memory by the caller, and the activation after the sum. The
 * caller destroys them. */
kd_status kd_onednn_attributes(kd_epilogue epilogue, dnnl_primitive_attr_t *attr);

/* The steps of making a primitive, in this order. An argument is first described and added without address.
 * hint: the forward descriptor of a gradient, else NULL. When the library's first choice of implementation
 * has a name that starts with `avoid` (NULL: any is right) and its second one starts with `instead`, the
 * second is taken. */
kd_status kd_onednn_make_desc(kd_onednn *self, const_dnnl_op_desc_t operation, kd_epilogue epilogue,
                              const_dnnl_primitive_desc_t hint, const char *avoid, const char *instead,
                              const char *what);
kd_status kd_onednn_add_memory(kd_onednn *self, kd_onednn_slot slot, int arg, const dnnl_memory_desc_t *desc);
kd_status kd_onednn_finish(kd_onednn *self, const char *what, bool im2col_is_slow);
kd_status kd_onednn_deliver(kd_onednn *self, kd_status status, kd_onednn **out);

/* The layout of an argument (DNNL_ARG_..) that the library has settled on. */
const dnnl_memory_desc_t *kd_onednn_query(const kd_onednn *self, int arg);

#endif
