#include "device/cpu/recurrent_plan.h"

#include "device/base/memory.h"
#include "device/cpu/parallel.h"

enum {
  LINE = 16,              /* floats of a cache line */
  CHUNK_WORK = 4 << 20,   /* multiplications that are worth a thread for the whole sequence */
  PRODUCT_WORK = 4 << 20, /* and, with one chunk only, threads for each single product */
};

static int64_t line_up(int64_t floats) {
  return (floats + LINE - 1) / LINE * LINE;
}

int64_t kd_recurrent_block(const kd_recurrent_plan *plan, int n) {
  return n * line_up(plan->rows * plan->units);
}

float *kd_recurrent_chunk(const kd_recurrent_plan *plan, const kd_launch *launch, int64_t chunk) {
  return (float *)(void *)((char *)launch->workspace + plan->chunks_at) + chunk * plan->chunk_floats;
}

void kd_recurrent_chunk_rows(const kd_recurrent_plan *plan, int64_t chunk, int64_t *begin, int64_t *end) {
  *begin = chunk * plan->rows;
  *end = *begin + plan->rows < plan->batch ? *begin + plan->rows : plan->batch;
}

static void deal_rows(kd_recurrent_plan *plan, int threads) {
  double work = (double)plan->batch * (double)plan->steps * (double)(plan->units * plan->units * plan->gates);
  int64_t chunks = threads < plan->batch ? threads : plan->batch;
  if ((double)chunks > work / CHUNK_WORK) chunks = (int64_t)(work / CHUNK_WORK);
  if (chunks < 1) chunks = 1;
  plan->rows = (plan->batch + chunks - 1) / chunks;
  plan->chunks = (int)((plan->batch + plan->rows - 1) / plan->rows);
}

/* With dropout each gate multiplies another h; the last gate of GRU_BEFORE always does. */
static void split_gates(kd_recurrent_plan *plan) {
  bool apart = plan->attr.flags & KD_RNN_DROP, last_apart = plan->attr.cell == KD_CELL_GRU_BEFORE;
  int gates = (int)plan->gates;
  for (int first = 0; first < gates; plan->n_parts++) {
    int count = apart || first == gates - 1 ? 1 : last_apart ? gates - 1 : gates;
    plan->part[plan->n_parts] = (kd_recurrent_part){.first = first, .count = count};
    first += count;
  }
}

static kd_status make_part(kd_recurrent_plan *plan, kd_recurrent_part *part, int threads, size_t *packed) {
  int64_t wide = part->count * plan->units;
  kd_onednn_product product = {.m = plan->rows,
                               .k = plan->backward ? wide : plan->units,
                               .n = plan->backward ? plan->units : wide,
                               .transpose_b = plan->backward,
                               .pack = true,
                               .b_row = plan->gates * plan->units};
  double work = (double)(plan->rows * wide) * (double)plan->units;
  if (plan->chunks > 1 || work < PRODUCT_WORK) threads = 1;
  part->product = kd_calloc((size_t)plan->chunks, sizeof *part->product);
  for (int i = 0; i < plan->chunks; i++)
    KD_TRY(kd_onednn_product_create(&product, threads, &part->product[i]));
  size_t bytes = kd_onednn_kernel_bytes(part->product[0]);
  part->packed_at = *packed;
  if (!bytes) return KD_OK;
  *packed += (bytes + KD_ALIGNMENT - 1) / KD_ALIGNMENT * KD_ALIGNMENT;
  return kd_onednn_reorder_create(part->product[0], true, &part->reorder);
}

static void place_chunk(kd_recurrent_plan *plan, int n_blocks) {
  int64_t at = kd_recurrent_block(plan, n_blocks);
  size_t scratch = 0;
  bool given = !plan->backward && !(plan->attr.flags & KD_RNN_DROP);
  for (int i = 0; i < plan->n_parts; i++) {
    kd_recurrent_part *part = &plan->part[i];
    part->wide_at = at;
    at += line_up(plan->rows * plan->units * part->count);
    part->narrow_at = at;
    if (given && i == 0)
      part->narrow_at = 0;
    else
      at += line_up(plan->rows * plan->units);
    size_t bytes = kd_onednn_scratch_bytes(part->product[0]);
    if (part->reorder && kd_onednn_scratch_bytes(part->reorder) > bytes)
      bytes = kd_onednn_scratch_bytes(part->reorder);
    if (bytes > scratch) scratch = bytes;
  }
  plan->scratch_at = at;
  plan->chunk_floats = at + line_up((int64_t)(scratch / sizeof(float)) + 1);
}

kd_status kd_recurrent_plan_prepare(kd_recurrent_plan *plan, kd_launch *launch, bool backward,
                                    int kernel_input, int64_t batch, int64_t steps, int n_blocks,
                                    size_t tail_bytes) {
  const kd_shape *kernel = &launch->input[kernel_input].shape;
  for (int i = 0; i < launch->n_inputs; i++)
    KD_CHECK(launch->input[i].dtype == KD_F32, KD_ERR_USAGE,
             "recurrent sequence of %s, but the cpu device computes float32 only; use dtype policy float32",
             kd_dtype_name(launch->input[i].dtype));
  plan->attr = *(const kd_recurrent_attr *)launch->attr;
  plan->batch = batch;
  plan->steps = steps;
  plan->units = kernel->dim[0];
  plan->gates = kd_cell_gates(plan->attr.cell);
  plan->backward = backward;
  deal_rows(plan, launch->device->threads);
  split_gates(plan);
  size_t packed = 0;
  for (int i = 0; i < plan->n_parts; i++)
    KD_TRY(make_part(plan, &plan->part[i], launch->device->threads, &packed));
  place_chunk(plan, n_blocks);
  plan->kept = launch->weight_input && launch->weight_input[kernel_input];
  launch->state_bytes = plan->kept ? packed : 0;
  plan->chunks_at = plan->kept ? 0 : packed;
  plan->tail_at = plan->chunks_at + (size_t)(plan->chunks * plan->chunk_floats) * sizeof(float);
  launch->workspace_bytes = plan->tail_at + tail_bytes;
  launch->note = kd_onednn_note(plan->part[0].product[0]);
  launch->slow = kd_onednn_slow(plan->part[0].product[0]);
  return KD_OK;
}

static kd_status bind_part(kd_recurrent_plan *plan, const kd_launch *launch, kd_recurrent_part *part,
                           float *kernel) {
  char *packed = (char *)(plan->kept ? launch->state : launch->workspace) + part->packed_at;
  float *plain = kernel + part->first * plan->units;
  for (int i = 0; i < plan->chunks; i++) {
    float *chunk = kd_recurrent_chunk(plan, launch, i);
    float *wide = chunk + part->wide_at, *narrow = chunk + part->narrow_at;
    kd_onednn *product = part->product[i];
    KD_TRY(kd_onednn_bind(product, KD_ONEDNN_X, plan->backward ? wide : narrow));
    KD_TRY(kd_onednn_bind(product, KD_ONEDNN_W, part->reorder ? (void *)packed : plain));
    KD_TRY(kd_onednn_bind(product, KD_ONEDNN_Y, plan->backward ? narrow : wide));
    KD_TRY(kd_onednn_bind(product, KD_ONEDNN_SCRATCH, chunk + plan->scratch_at));
  }
  if (!part->reorder) return KD_OK;
  KD_TRY(kd_onednn_bind(part->reorder, KD_ONEDNN_X, plain));
  KD_TRY(kd_onednn_bind(part->reorder, KD_ONEDNN_Y, packed));
  return kd_onednn_bind(part->reorder, KD_ONEDNN_SCRATCH,
                        kd_recurrent_chunk(plan, launch, 0) + plan->scratch_at);
}

kd_status kd_recurrent_plan_bind(kd_recurrent_plan *plan, const kd_launch *launch, float *kernel) {
  for (int i = 0; i < plan->n_parts; i++) KD_TRY(bind_part(plan, launch, &plan->part[i], kernel));
  return KD_OK;
}

kd_status kd_recurrent_plan_pack(const kd_recurrent_plan *plan) {
  for (int i = 0; i < plan->n_parts; i++)
    if (plan->part[i].reorder) KD_TRY(kd_onednn_run(plan->part[i].reorder));
  return KD_OK;
}

typedef struct job {
  const kd_launch *launch;
  kd_recurrent_chunk_fn *fn;
  kd_status status;
} job;

static void run_chunks(void *context, int64_t begin, int64_t end) {
  job *j = context;
  for (int64_t i = begin; i < end; i++) {
    kd_status status = j->fn(j->launch, i);
    if (status != KD_OK) __atomic_store_n(&j->status, status, __ATOMIC_RELAXED);
  }
}

kd_status kd_recurrent_plan_run(const kd_recurrent_plan *plan, const kd_launch *launch,
                                kd_recurrent_chunk_fn *fn) {
  if (!plan->kept) KD_TRY(kd_recurrent_plan_pack(plan));
  job j = {launch, fn, KD_OK};
  kd_cpu_parallel(launch->device, plan->chunks, 1, run_chunks, &j);
  return j.status;
}

void kd_recurrent_gates(const kd_recurrent_plan *plan, float *chunk, kd_recurrent_step *step) {
  for (int i = 0; i < plan->n_parts; i++) {
    const kd_recurrent_part *part = &plan->part[i];
    for (int g = 0; g < part->count; g++)
      step->gate[part->first + g] = chunk + part->wide_at + g * plan->units;
  }
  step->gate_row = plan->part[0].count * plan->units;
  step->last_gate_row = plan->part[plan->n_parts - 1].count * plan->units;
}

void kd_recurrent_plan_destroy(kd_recurrent_plan *plan) {
  for (int i = 0; i < plan->n_parts; i++) {
    kd_recurrent_part *part = &plan->part[i];
    for (int c = 0; part->product && c < plan->chunks; c++) kd_onednn_destroy(part->product[c]);
    kd_free(part->product);
    kd_onednn_destroy(part->reorder);
  }
  *plan = (kd_recurrent_plan){0};
}
