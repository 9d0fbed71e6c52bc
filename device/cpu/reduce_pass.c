#include "device/cpu/reduce_pass.h"

#include "device/cpu/parallel.h"

enum {
  ROW_BLOCK = 8192,     /* elements of a block of one row, and of any block that is converted */
  COLUMN_BLOCK = 32768, /* elements of a block of columns, about */
  MAX_BLOCKS = 64,
  PIECE = 1024, /* columns: their running results stay in the first-level cache */
  WIDE = 64,    /* columns of narrow rows taken together */
};

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void kd_reduce_pass_plan(kd_reduce_pass *p, kd_reduce_kind kind, kd_dtype dtype, int64_t outer, int64_t n,
                         int64_t inner) {
  *p = (kd_reduce_pass){
      .kind = kind, .dtype = dtype, .outer = outer, .n = n, .inner = inner, .pieces = 1, .wide = 1};
  p->piece = inner;
  if (inner == 1) {
    p->blocks = divide_up(n, ROW_BLOCK);
    p->block = ROW_BLOCK;
  } else {
    p->piece = inner < PIECE ? inner : PIECE;
    p->pieces = divide_up(inner, p->piece);
    p->blocks = divide_up(n * p->piece, COLUMN_BLOCK);
    if (p->blocks > MAX_BLOCKS) p->blocks = MAX_BLOCKS;
    p->block = divide_up(n, p->blocks);
    if (dtype != KD_F32 && p->block > ROW_BLOCK / p->piece) p->block = ROW_BLOCK / p->piece;
    p->blocks = divide_up(n, p->block);
    if (inner < WIDE && p->block > 2 * WIDE) p->wide = divide_up(WIDE, inner);
  }
  if (p->blocks > 1) p->partial_floats = outer * p->blocks * inner;
}

/* --- run ------------------------------------------------------------------------------------------- */

typedef struct pass_run {
  const kd_reduce_pass *pass;
  const kd_vector_table *vector;
  const char *x;
  float *to;        /* (outer, blocks, inner) */
  kd_load_fn *load; /* NULL: x is float32 */
  size_t size;
} pass_run;

/* `rows` rows of `columns` elements from element `at` on as floats: in place, or converted into the buffer.
 * The rows lie *stride apart, before and after. */
static const float *bring(const pass_run *run, int64_t at, int64_t rows, int64_t columns, int64_t *stride,
                          float buffer[ROW_BLOCK]) {
  const char *from = run->x + at * (int64_t)run->size;
  if (!run->load) return (const float *)(const void *)from;
  if (*stride == columns) {
    run->load(buffer, from, rows * columns);
    return buffer;
  }
  for (int64_t r = 0; r < rows; r++)
    run->load(buffer + r * columns, from + r * *stride * (int64_t)run->size, columns);
  *stride = columns;
  return buffer;
}

/* The kind that joins results of blocks. */
static kd_reduce_kind joining(kd_reduce_kind kind) {
  return kind == KD_REDUCE_SUMSQ ? KD_REDUCE_SUM : kind;
}

static int64_t block_length(const kd_reduce_pass *p, int64_t block) {
  int64_t left = p->n - block * p->block;
  return left < p->block ? left : p->block;
}

/* Items are rows when they are short, else blocks of rows. */
static void reduce_row_items(void *context, int64_t begin, int64_t end) {
  const pass_run *run = context;
  const kd_reduce_pass *p = run->pass;
  float buffer[ROW_BLOCK];
  int64_t stride = p->n, step = run->load ? ROW_BLOCK / (p->n < ROW_BLOCK ? p->n : ROW_BLOCK) : end - begin;
  if (p->blocks == 1) {
    for (int64_t row = begin; row < end; row += step) {
      int64_t rows = end - row < step ? end - row : step;
      const float *from = bring(run, row * p->n, rows, p->n, &stride, buffer);
      run->vector->reduce_rows(p->kind, from, rows, p->n, p->n, run->to + row);
    }
    return;
  }
  for (int64_t item = begin; item < end; item++) {
    int64_t row = item / p->blocks, block = item % p->blocks, length = block_length(p, block);
    const float *from = bring(run, row * p->n + block * p->block, 1, length, &length, buffer);
    run->vector->reduce_rows(p->kind, from, 1, length, 0, run->to + item);
  }
}

/* Rows of a few columns: as many as make a long row are taken as one, and its parts are joined at the end. */
static void reduce_narrow(const pass_run *run, const float *x, int64_t rows, float *to) {
  const kd_reduce_pass *p = run->pass;
  float part[2 * WIDE], rest[WIDE];
  int64_t width = p->wide * p->inner, wide_rows = rows / p->wide, left = rows % p->wide;
  run->vector->reduce_columns(p->kind, x, wide_rows, width, width, part);
  run->vector->reduce_columns(joining(p->kind), part, p->wide, p->inner, p->inner, to);
  if (left == 0) return;
  run->vector->reduce_columns(p->kind, x + wide_rows * width, left, p->inner, p->inner, rest);
  for (int64_t c = 0; c < p->inner; c++) part[c] = to[c];
  for (int64_t c = 0; c < p->inner; c++) part[p->inner + c] = rest[c];
  run->vector->reduce_columns(joining(p->kind), part, 2, p->inner, p->inner, to);
}

/* Items are (outer, block, piece). */
static void reduce_column_items(void *context, int64_t begin, int64_t end) {
  const pass_run *run = context;
  const kd_reduce_pass *p = run->pass;
  float buffer[ROW_BLOCK];
  for (int64_t item = begin; item < end; item++) {
    int64_t piece = item % p->pieces, rest = item / p->pieces;
    int64_t block = rest % p->blocks, outer = rest / p->blocks;
    int64_t rows = block_length(p, block), column = piece * p->piece;
    int64_t columns = p->inner - column < p->piece ? p->inner - column : p->piece;
    int64_t stride = p->inner, at = (outer * p->n + block * p->block) * p->inner + column;
    const float *from = bring(run, at, rows, columns, &stride, buffer);
    float *to = run->to + (outer * p->blocks + block) * p->inner + column;
    if (p->wide > 1)
      reduce_narrow(run, from, rows, to);
    else
      run->vector->reduce_columns(p->kind, from, rows, stride, columns, to);
  }
}

void kd_reduce_pass_run(const kd_reduce_pass *p, const kd_device *device, const void *x, float *y,
                        float *partial) {
  pass_run run = {p, kd_cpu_vector(device), x, p->blocks > 1 ? partial : y, NULL, kd_dtype_size(p->dtype)};
  if (p->dtype != KD_F32) run.load = run.vector->load_fn(p->dtype);
  int64_t word = (int64_t)sizeof(float);
  if (p->inner == 1)
    kd_cpu_parallel(device, p->outer * p->blocks, kd_cpu_grain(p->n / p->blocks * word), reduce_row_items,
                    &run);
  else
    kd_cpu_parallel(device, p->outer * p->blocks * p->pieces, kd_cpu_grain(p->block * p->piece * word),
                    reduce_column_items, &run);
  if (p->blocks == 1) return;
  for (int64_t outer = 0; outer < p->outer; outer++) {
    const float *from = partial + outer * p->blocks * p->inner;
    if (p->inner == 1)
      run.vector->reduce_rows(joining(p->kind), from, 1, p->blocks, 0, y + outer);
    else
      run.vector->reduce_columns(joining(p->kind), from, p->blocks, p->inner, p->inner, y + outer * p->inner);
  }
}
