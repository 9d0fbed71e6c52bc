/* GATHER and SCATTER_ADD: rows of a table by number. */
#include <string.h>

#include "device/base/memory.h"
#include "device/cpu/cpu.h"
#include "device/cpu/index.h"
#include "device/cpu/kernels.h"
#include "device/cpu/parallel.h"

enum { AHEAD = 4, MAX_PREFETCH = 1024 }; /* rows, bytes of a row */

typedef struct lookup {
  const kd_tensor *ids;
  int64_t n_ids, table_rows, width; /* width: elements of a row */
  int64_t row_bytes;
  const char *from; /* GATHER: the table; SCATTER_ADD: the rows to add */
  char *to;
  const char *base; /* SCATTER_ADD: what rows hold that no id names; NULL: zeros */
  const kd_vector_table *vector;
  kd_load_fn *load;
} lookup;

static int64_t row_of(const lookup *l, int64_t i) {
  int64_t id = kd_index_at(l->ids, i);
  return id < 0 ? 0 : id >= l->table_rows ? l->table_rows - 1 : id;
}

static void prefetch_row(const lookup *l, int64_t i) {
  if (i >= l->n_ids) return;
  const char *row = l->from + row_of(l, i) * l->row_bytes;
  int64_t bytes = l->row_bytes < MAX_PREFETCH ? l->row_bytes : MAX_PREFETCH;
  for (int64_t b = 0; b < bytes; b += KD_ALIGNMENT) __builtin_prefetch(row + b);
}

static void gather_items(void *context, int64_t begin, int64_t end) {
  const lookup *l = context;
  for (int64_t i = begin; i < end; i++) {
    prefetch_row(l, i + AHEAD);
    memcpy(l->to + i * l->row_bytes, l->from + row_of(l, i) * l->row_bytes, (size_t)l->row_bytes);
  }
}

static lookup lookup_start(const kd_launch *launch, const kd_tensor *ids, const kd_shape *table) {
  lookup l = {.ids = ids, .vector = kd_cpu_vector(launch->device)};
  l.n_ids = kd_shape_count(&ids->shape);
  l.table_rows = table->dim[0];
  l.width = kd_shape_span(table, 1, table->rank);
  return l;
}

static kd_status gather_prepare(kd_launch *launch) {
  launch->note = "rows with prefetch";
  KD_CHECK(launch->input[0].shape.dim[0] > 0 || kd_shape_count(&launch->input[1].shape) == 0, KD_ERR_USAGE,
           "a look-up in a table without rows");
  return kd_dtype_check_index(launch->input[1].dtype);
}

static kd_status gather_run(const kd_launch *launch) {
  lookup l = lookup_start(launch, &launch->input[1], &launch->input[0].shape);
  l.row_bytes = l.width * (int64_t)kd_dtype_size(launch->input[0].dtype);
  l.from = launch->input[0].data;
  l.to = launch->output[0].data;
  kd_cpu_parallel(launch->device, l.n_ids, kd_cpu_grain(l.row_bytes), gather_items, &l);
  return KD_OK;
}

/* --- scatter --------------------------------------------------------------------------------------- */

/* Half types are summed in float32. */
static kd_status scatter_prepare(kd_launch *launch) {
  const kd_tensor *y = &launch->output[0];
  launch->note = "rows in order";
  if (y->dtype != KD_F32)
    launch->workspace_bytes =
        (size_t)(kd_shape_count(&y->shape) + kd_shape_span(&y->shape, 1, y->shape.rank)) * sizeof(float);
  KD_CHECK(y->dtype == KD_F32 || kd_dtype_is_float(y->dtype), KD_ERR_INTERNAL, "scatter_add of %s",
           kd_dtype_name(y->dtype));
  return kd_dtype_check_index(launch->input[0].dtype);
}

static void clear_rows(const lookup *l, float *table, int64_t begin, int64_t end) {
  memset(table + begin * l->width, 0, (size_t)((end - begin) * l->width) * sizeof *table);
}

/* Rows that are added to start at zero, those of the base stay as they are. */
static void start_rows(const lookup *l, float *table, int64_t begin, int64_t end) {
  if (!l->base) {
    clear_rows(l, table, begin, end);
    return;
  }
  if ((char *)table != l->base)
    l->load(table + begin * l->width, l->base + begin * l->row_bytes, (end - begin) * l->width);
  for (int64_t i = 0; i < l->n_ids; i++) {
    int64_t row = row_of(l, i);
    if (row >= begin && row < end) clear_rows(l, table, row, row + 1);
  }
}

/* Items are rows of the table: a thread reads all ids and adds those rows that are its own, in order. */
static void scatter_items(void *context, int64_t begin, int64_t end) {
  const lookup *l = context;
  float *table = (float *)(void *)l->to;
  kd_step_fn *add = l->vector->pointwise_step(KD_PW_ADD);
  start_rows(l, table, begin, end);
  for (int64_t i = 0; i < l->n_ids; i++) {
    int64_t row = row_of(l, i);
    if (row < begin || row >= end) continue;
    float *to = table + row * l->width;
    add(to, to, (const float *)(const void *)(l->from + i * l->row_bytes), NULL, l->width);
  }
}

/* The same for other types than float32, on one thread: each row is converted before it is added. */
static void scatter_converted(const lookup *l, float *table, float *row) {
  kd_step_fn *add = l->vector->pointwise_step(KD_PW_ADD);
  start_rows(l, table, 0, l->table_rows);
  for (int64_t i = 0; i < l->n_ids; i++) {
    float *to = table + row_of(l, i) * l->width;
    l->load(row, l->from + i * l->row_bytes, l->width);
    add(to, to, row, NULL, l->width);
  }
}

static kd_status scatter_run(const kd_launch *launch) {
  const kd_tensor *y = &launch->output[0];
  lookup l = lookup_start(launch, &launch->input[0], &y->shape);
  l.row_bytes = l.width * (int64_t)kd_dtype_size(y->dtype);
  l.from = launch->input[1].data;
  l.load = l.vector->load_fn(y->dtype);
  if (launch->n_inputs > 2) l.base = launch->input[2].data;
  if (y->dtype == KD_F32) {
    l.to = y->data;
    int64_t bytes = (l.n_ids / (l.table_rows ? l.table_rows : 1) + 1) * l.row_bytes;
    kd_cpu_parallel(launch->device, l.table_rows, kd_cpu_grain(bytes), scatter_items, &l);
    return KD_OK;
  }
  float *table = launch->workspace;
  scatter_converted(&l, table, table + l.table_rows * l.width);
  l.vector->store_fn(y->dtype)(y->data, table, l.table_rows * l.width);
  return KD_OK;
}

const kd_kernel kd_cpu_gather = {.prepare = gather_prepare, .run = gather_run};
const kd_kernel kd_cpu_scatter_add = {.prepare = scatter_prepare, .run = scatter_run};
