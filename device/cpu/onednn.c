#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/onednn_internal.h"

enum {
  TEAM_FLOPS = 8 << 20
}; /* of one thread: about 50 us; with 2 a step of a small model was slower on two threads than on one */

/* --- engine -------------------------------------------------------------------------------------- */

/* One engine and stream serve the process: a CPU stream runs each primitive in the calling thread at once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_status_t engine_status;
static char description[64];

static const char *isa_name(dnnl_cpu_isa_t isa) {
  switch (isa) {
  case dnnl_cpu_isa_sse41:
    return "sse41";
  case dnnl_cpu_isa_avx:
    return "avx";
  case dnnl_cpu_isa_avx2:
    return "avx2";
  case dnnl_cpu_isa_avx2_vnni:
    return "avx2_vnni";
  case dnnl_cpu_isa_avx512_core:
    return "avx512_core";
  case dnnl_cpu_isa_avx512_core_vnni:
    return "avx512_core_vnni";
  case dnnl_cpu_isa_avx512_core_bf16:
    return "avx512_core_bf16";
  case dnnl_cpu_isa_avx512_core_amx:
    return "avx512_core_amx";
  default:
    return "other";
  }
}

static void start_engine(void) {
  engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
  if (engine_status == dnnl_success)
    engine_status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  const dnnl_version_t *version = dnnl_version();
  snprintf(description, sizeof description, "oneDNN %d.%d.%d %s", version->major, version->minor,
           version->patch, isa_name(dnnl_get_effective_cpu_isa()));
}

dnnl_engine_t kd_onednn_engine(void) {
  return engine;
}

const char *kd_onednn_describe(void) {
  pthread_once(&once, start_engine);
  return description;
}

bool kd_onednn_has_bf16(void) {
  dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
  return isa == dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx512_core_amx;
}

dnnl_data_type_t kd_onednn_type(kd_dtype dtype) {
  return dtype == KD_BF16 ? dnnl_bf16 : dnnl_f32;
}

kd_status kd_onednn_check(dnnl_status_t status, const char *what) {
  switch (status) {
  case dnnl_success:
    return KD_OK;
  case dnnl_out_of_memory:
    return kd_fail(KD_ERR_NOMEM, "oneDNN: %s: out of memory", what);
  case dnnl_invalid_arguments:
    return kd_fail(KD_ERR_INTERNAL, "oneDNN: %s: invalid arguments", what);
  case dnnl_unimplemented:
    return kd_fail(KD_ERR_USAGE, "oneDNN: %s: this combination does not exist", what);
  case dnnl_runtime_error: /* its code generator gives up, seen for rows beyond 256 MiB */
    return kd_fail(KD_ERR_USAGE, "oneDNN: %s: no code for tensors as large as these", what);
  default:
    return kd_fail(KD_ERR_RUN, "oneDNN: %s: status %d", what, (int)status);
  }
}

int kd_onednn_team(int threads, double flops) {
  double most = flops / TEAM_FLOPS;
  return most >= threads ? threads : most > 1 ? (int)most : 1;
}

kd_status kd_onednn_start(int threads) {
  pthread_once(&once, start_engine);
  KD_TRY(kd_onednn_check(engine_status, "engine"));
  omp_set_num_threads(threads);
  return KD_OK;
}

/* --- arguments ----------------------------------------------------------------------------------- */

kd_status kd_onednn_add_memory(kd_onednn *self, kd_onednn_slot slot, int arg,
                               const dnnl_memory_desc_t *desc) {
  KD_TRY(
      kd_onednn_check(dnnl_memory_create(&self->memory[slot], desc, engine, DNNL_MEMORY_NONE), "argument"));
  self->arg[self->n_args++] = (dnnl_exec_arg_t){.arg = arg, .memory = self->memory[slot]};
  return KD_OK;
}

const dnnl_memory_desc_t *kd_onednn_query(const kd_onednn *self, int arg) {
  return dnnl_primitive_desc_query_md(self->desc, dnnl_query_exec_arg_md, arg);
}

/* After self->desc is made: creates the primitive and notes its name and its scratch memory. */
kd_status kd_onednn_finish(kd_onednn *self, const char *what, bool im2col_is_slow) {
  KD_TRY(kd_onednn_check(dnnl_primitive_create(&self->primitive, self->desc), what));
  const char *name = NULL;
  KD_TRY(kd_onednn_check(dnnl_primitive_desc_query(self->desc, dnnl_query_impl_info_str, 0, &name), what));
  snprintf(self->note, sizeof self->note, "%s", name);
  self->slow = strstr(name, "ref") == name || strstr(name, "simple") == name ||
               (im2col_is_slow && (strstr(name, ":gemm") || strstr(name, "gemm") == name));
  const dnnl_memory_desc_t *scratch = kd_onednn_query(self, DNNL_ARG_SCRATCHPAD);
  self->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
  return self->scratch_bytes ? kd_onednn_add_memory(self, KD_ONEDNN_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch)
                             : KD_OK;
}

/* Scratch memory by the caller, and the activation after the sum. */
kd_status kd_onednn_attributes(kd_epilogue epilogue, dnnl_primitive_attr_t *attr) {
  static const dnnl_alg_kind_t algorithms[] = {
      [KD_EPI_RELU] = dnnl_eltwise_relu,
      [KD_EPI_TANH] = dnnl_eltwise_tanh,
      [KD_EPI_SIGMOID] = dnnl_eltwise_logistic,
  };
  KD_TRY(kd_onednn_check(dnnl_primitive_attr_create(attr), "attributes"));
  dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
  if (status == dnnl_success && epilogue != KD_EPI_NONE) {
    dnnl_post_ops_t ops = NULL;
    status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
      status = dnnl_post_ops_append_eltwise(ops, 1.0f, algorithms[epilogue], 0.0f, 0.0f);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
  }
  if (status != dnnl_success) dnnl_primitive_attr_destroy(*attr);
  return kd_onednn_check(status, "attributes");
}

static bool name_starts(const_dnnl_primitive_desc_t desc, const char *start) {
  const char *name = NULL;
  dnnl_status_t status = dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
  return status == dnnl_success && strncmp(name, start, strlen(start)) == 0;
}

/* Goes from an implementation called avoid.. to the next one if that is called instead.. */
static void skip_implementation(kd_onednn *self, dnnl_primitive_desc_iterator_t iterator, const char *avoid,
                                const char *instead) {
  if (!name_starts(self->desc, avoid) || dnnl_primitive_desc_iterator_next(iterator) != dnnl_success) return;
  dnnl_primitive_desc_t next = dnnl_primitive_desc_iterator_fetch(iterator);
  bool take = next && name_starts(next, instead);
  if (next) dnnl_primitive_desc_destroy(take ? self->desc : next);
  if (take) self->desc = next;
}

kd_status kd_onednn_make_desc(kd_onednn *self, const_dnnl_op_desc_t operation, kd_epilogue epilogue,
                              const_dnnl_primitive_desc_t hint, const char *avoid, const char *instead,
                              const char *what) {
  dnnl_primitive_attr_t attr = NULL;
  KD_TRY(kd_onednn_attributes(epilogue, &attr));
  dnnl_primitive_desc_iterator_t iterator = NULL;
  dnnl_status_t status =
      dnnl_primitive_desc_iterator_create(&iterator, operation, attr, kd_onednn_engine(), hint);
  dnnl_primitive_attr_destroy(attr);
  KD_TRY(kd_onednn_check(status, what));
  self->desc = dnnl_primitive_desc_iterator_fetch(iterator);
  if (self->desc && avoid) skip_implementation(self, iterator, avoid, instead);
  dnnl_primitive_desc_iterator_destroy(iterator);
  return self->desc ? KD_OK : kd_onednn_check(dnnl_out_of_memory, what);
}

void kd_onednn_destroy(kd_onednn *self) {
  if (!self) return;
  for (int i = 0; i < KD_ONEDNN_N_SLOTS; i++)
    if (self->memory[i]) dnnl_memory_destroy(self->memory[i]);
  if (self->primitive) dnnl_primitive_destroy(self->primitive);
  if (self->desc) dnnl_primitive_desc_destroy(self->desc);
  kd_free(self);
}

/* Hands a primitive to the caller, or destroys it when a step of its making failed. */
kd_status kd_onednn_deliver(kd_onednn *self, kd_status status, kd_onednn **out) {
  if (status != KD_OK) {
    kd_onednn_destroy(self);
    self = NULL;
  }
  *out = self;
  return status;
}

/* --- use ----------------------------------------------------------------------------------------- */

size_t kd_onednn_scratch_bytes(const kd_onednn *self) {
  return self->scratch_bytes;
}

kd_status kd_onednn_bind(kd_onednn *self, kd_onednn_slot slot, void *address) {
  if (!self->memory[slot]) return KD_OK;
  return kd_onednn_check(dnnl_memory_set_data_handle(self->memory[slot], address), "bind");
}

kd_status kd_onednn_run(const kd_onednn *self) {
  omp_set_num_threads(self->threads);
  return kd_onednn_check(dnnl_primitive_execute(self->primitive, stream, self->n_args, self->arg),
                         self->note);
}

const char *kd_onednn_note(const kd_onednn *self) {
  return self->note;
}

bool kd_onednn_slow(const kd_onednn *self) {
  return self->slow;
}
