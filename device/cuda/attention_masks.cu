/* What stands around attention by cuDNN where masks can hide all keys of a query (device/attention.h): masks
 * as numbers that are added to scores, and results of queries that see nothing. A warp works on a query, or
 * on a slice of the features of a head; every sum has an order that shapes alone decide. */
#include "device/cuda/attention.cuh"
#include "device/cuda/columns.cuh"

/* Scores that are seen get 0. Masks of one number for all keys are not part of it: see `unseen`. */
static __global__ void bias(kd_job_attention a, kd_job_bias size, float *y) {
  KD_EACH(e, size.count) {
    int64_t j = e % a.keys, i = e / a.keys % size.queries, h = e / a.keys / size.queries % size.heads,
            b = e / a.keys / size.queries / size.heads;
    bool seen = true;
    for (int m = 0; m < a.n_masks; m++)
      seen = seen && (a.mask_stride[m][3] == 0 || mask_at(a, m, b, h, i, j) != 0);
    y[e] = seen ? 0.0f : size.hidden;
  }
}

int kd_cuda_attention_bias_start(const kd_job_attention *a, const kd_job_bias *size, float *y, void *stream) {
  return size->count == 0 ? 0 : kd_start(bias, kd_blocks(size->count), dim3(KD_BLOCK), stream, *a, *size, y);
}

/* --- sums of the rows of a head ---------------------------------------------------------------------- */

/* Rows that are added up, over steps and the heads of a group, with the same weight; where lse is given only
 * those of queries that see nothing. */
typedef struct rows {
  kd_dtype type;
  const void *x; /* (b, steps, heads, width) */
  const float *lse;
  int64_t steps, heads, share, width;
  float weight;
} rows;

/* sums (b, groups, width): a block per group and 32 features, whose warps take turns in tiles of steps. */
static __global__ void sum_rows(rows r, int64_t groups, float *sums) {
  int64_t item = blockIdx.x, f = (int64_t)blockIdx.y * COLUMNS + threadIdx.x, b = item / groups,
          g = item % groups;
  float sum = 0;
  for (int64_t h = g * r.share; h < (g + 1) * r.share; h++)
    for (int64_t i0 = threadIdx.y * KD_WARP; i0 < r.steps; i0 += LANES * KD_WARP) {
      int64_t i = i0 + threadIdx.x, here = r.steps - i0 < KD_WARP ? r.steps - i0 : KD_WARP;
      bool counts = i < r.steps && (!r.lse || r.lse[(b * r.heads + h) * r.steps + i] == -INFINITY);
      float own = counts ? r.weight : 0.0f;
      if (kd_warp_max(own) == 0) continue;
      for (int64_t l = 0; l < here; l++) {
        float weight = __shfl_sync(KD_ALL_LANES, own, (int)l);
        if (weight != 0 && f < r.width)
          sum += weight * kd_load(r.type, r.x, ((b * r.steps + i0 + l) * r.heads + h) * r.width + f);
      }
    }
  sum = lane_sum(sum);
  if (threadIdx.y == 0 && f < r.width) sums[item * r.width + f] = sum;
}

static int start_sum(const rows *r, int64_t batch, int64_t groups, float *sums, void *stream) {
  dim3 blocks((unsigned)(batch * groups), (unsigned)kd_ceil_div(r->width, COLUMNS));
  return kd_start(sum_rows, blocks, dim3(COLUMNS, LANES), stream, *r, groups, sums);
}

/* --- forward ---------------------------------------------------------------------------------------- */

/* y and lse of queries that see no key; means (b, groups, width) NULL: y is 0. */
static __global__ void unseen(kd_job_attention a, kd_dtype type, const float *means, void *y, float *lse) {
  int64_t item = KD_ROW(KD_WARP), h = item % a.heads, i = item / a.heads % a.queries,
          b = item / a.heads / a.queries;
  if (b >= a.batch) return;
  for (int64_t j0 = 0; j0 < a.keys; j0 += KD_WARP) {
    int64_t j = j0 + threadIdx.x;
    if (kd_warp_max(j < a.keys && sees(a, b, h, i, j) ? 1.0f : 0.0f) > 0) return;
  }
  const float *mean = means ? means + (b * a.groups + h / (a.heads / a.groups)) * a.width : NULL;
  for (int64_t f = threadIdx.x; f < a.width; f += KD_WARP)
    kd_store(type, y, item * a.width + f, mean ? mean[f] : 0.0f);
  if (threadIdx.x == 0) lse[(b * a.heads + h) * a.queries + i] = -INFINITY;
}

int kd_cuda_attention_unseen_start(const kd_job_attention *a, kd_dtype type, const void *v, float *means,
                                   void *y, float *lse, void *stream) {
  rows r = {type, v, NULL, a->keys, a->groups, 1, a->width, 1.0f / (float)a->keys};
  int error = means ? start_sum(&r, a->batch, a->groups, means, stream) : 0;
  if (error) return error;
  int64_t blocks = kd_ceil_div(a->batch * a->queries * a->heads, KD_BLOCK / KD_WARP);
  return kd_start(unseen, dim3((unsigned)blocks), dim3(KD_WARP, KD_BLOCK / KD_WARP), stream, *a, type, means,
                  y, lse);
}

/* --- backward --------------------------------------------------------------------------------------- */

static __global__ void without_unseen(int64_t count, const float *lse, float most, float *y) {
  KD_EACH(i, count) y[i] = lse[i] == -INFINITY ? most : lse[i];
}

int kd_cuda_attention_seen_start(int64_t count, const float *lse, float most, float *y, void *stream) {
  return kd_start(without_unseen, kd_blocks(count), dim3(KD_BLOCK), stream, count, lse, most, y);
}

/* dv (b, keys, groups, width) += sums (b, groups, width) */
static __global__ void add_sums(kd_job_attention a, kd_dtype type, const float *sums, void *dv) {
  KD_EACH(e, a.batch * a.keys * a.groups * a.width) {
    int64_t row = a.groups * a.width;
    float sum = sums[e / row / a.keys * row + e % row];
    if (sum != 0) kd_store(type, dv, e, kd_load(type, dv, e) + sum);
  }
}

int kd_cuda_attention_unseen_grad_start(const kd_job_attention *a, kd_dtype type, const float *lse,
                                        const void *dy, float *sums, void *dv, void *stream) {
  rows r = {type, dy, lse, a->queries, a->heads, a->heads / a->groups, a->width, 1.0f / (float)a->keys};
  int error = start_sum(&r, a->batch, a->groups, sums, stream);
  if (error) return error;
  return kd_start(add_sums, kd_blocks(a->batch * a->keys * a->groups * a->width), dim3(KD_BLOCK), stream, *a,
                  type, (const float *)sums, dv);
}
