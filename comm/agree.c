/* Numbers, opinions and failures that all ranks must share. */
#include <string.h>

#include "comm/control.h"
#include "comm/hidden.h"

/* --- reductions of a few numbers: rank 0 combines in rank order and answers, so all get the same bits --- */

typedef void (*combine_fn)(kd_comm_op op, void *into, const void *from, int count);

static void combine_i64(kd_comm_op op, void *into_values, const void *from_values, int count) {
  int64_t *into = into_values;
  const int64_t *from = from_values;
  for (int i = 0; i < count; i++) {
    if (op == KD_COMM_SUM) into[i] += from[i];
    if (op == KD_COMM_MIN && from[i] < into[i]) into[i] = from[i];
    if (op == KD_COMM_MAX && from[i] > into[i]) into[i] = from[i];
  }
}

static void combine_f64(kd_comm_op op, void *into_values, const void *from_values, int count) {
  double *into = into_values;
  const double *from = from_values;
  for (int i = 0; i < count; i++) {
    if (op == KD_COMM_SUM) into[i] += from[i];
    if (op == KD_COMM_MIN && from[i] < into[i]) into[i] = from[i];
    if (op == KD_COMM_MAX && from[i] > into[i]) into[i] = from[i];
  }
}

static kd_status reduce(kd_comm *comm, kd_comm_op op, void *values, int count, size_t size,
                        combine_fn combine) {
  if (comm->alone) return KD_OK;
  size_t bytes = (size_t)count * size;
  char *all = comm->rank == 0 ? kd_calloc((size_t)comm->size, bytes) : NULL;
  kd_status status = kd_comm_to_root(comm, values, bytes, all, "a reduction of a few numbers");
  if (status == KD_OK && comm->rank == 0)
    for (int r = 1; r < comm->size; r++) combine(op, values, all + (size_t)r * bytes, count);
  kd_free(all);
  KD_TRY(status);
  return kd_comm_from_root(comm, values, bytes, "a reduction of a few numbers");
}

kd_status kd_comm_reduce_i64(kd_comm *comm, kd_comm_op op, int64_t *values, int count) {
  return reduce(comm, op, values, count, sizeof *values, combine_i64);
}

kd_status kd_comm_reduce_f64(kd_comm *comm, kd_comm_op op, double *values, int count) {
  return reduce(comm, op, values, count, sizeof *values, combine_f64);
}

/* --- agreement --- */

kd_status kd_comm_agree(kd_comm *comm, const char *what, uint64_t hash) {
  if (comm->alone) return KD_OK;
  uint64_t *all = comm->rank == 0 ? kd_calloc((size_t)comm->size, sizeof hash) : NULL;
  kd_status status = kd_comm_to_root(comm, &hash, sizeof hash, all, what);
  int32_t other = -1;
  if (status == KD_OK && comm->rank == 0)
    for (int r = comm->size - 1; r > 0; r--)
      if (all[r] != hash) other = r;
  kd_free(all);
  KD_TRY(status);
  KD_TRY(kd_comm_from_root(comm, &other, sizeof other, what));
  KD_CHECK(
      other < 0, KD_ERR_USAGE,
      "ranks disagree about the %s: rank %d @ %s differs from rank 0 @ %s; give all ranks the same program, "
      "configuration and data",
      what, other, kd_comm_host(comm, other), kd_comm_host(comm, 0));
  return KD_OK;
}

/* The text of the lowest failing rank, by way of rank 0 to everybody. */
static kd_status share_text(kd_comm *comm, int failed, char *text, size_t bytes) {
  static const char what[] = "the exchange of an error";
  if (comm->rank == failed) strncpy(text, kd_status_text(), bytes - 1);
  if (failed != 0 && comm->rank == failed) KD_TRY(kd_comm_put(comm, 0, text, bytes, what));
  if (failed != 0 && comm->rank == 0) KD_TRY(kd_comm_get(comm, failed, text, bytes, what));
  return kd_comm_from_root(comm, text, bytes, what);
}

kd_status kd_comm_all_ok(kd_comm *comm, kd_status mine) {
  if (comm->alone) return mine;
  int32_t own = mine, verdict[2] = {-1, KD_OK}; /* the failing rank and its status */
  int32_t *all = comm->rank == 0 ? kd_calloc((size_t)comm->size, sizeof own) : NULL;
  kd_status status = kd_comm_to_root(comm, &own, sizeof own, all, "an exchange of status");
  if (status == KD_OK && comm->rank == 0)
    for (int r = comm->size - 1; r >= 0; r--)
      if (all[r] != KD_OK) verdict[0] = r, verdict[1] = all[r];
  kd_free(all);
  KD_TRY(status);
  KD_TRY(kd_comm_from_root(comm, verdict, sizeof verdict, "an exchange of status"));
  if (verdict[0] < 0) return KD_OK;
  char text[KD_STATUS_TEXT] = "";
  KD_TRY(share_text(comm, verdict[0], text, sizeof text));
  if (verdict[0] == 0 && verdict[1] == KD_ERR_USAGE) return kd_fail(KD_ERR_USAGE, "%s", text);
  return kd_fail((kd_status)verdict[1], "[rank %d @ %s] %s", verdict[0], kd_comm_host(comm, verdict[0]),
                 text);
}
