/* The optimizer's variables out of a Keras weights file: optimizer/vars/0, 1, ... */
#include "device/base/text.h"
#include "io/hdf5_probe.h"
#include "io/weights_file.h"
#include "io/weights_set.h"

/* One reading of a file, by path or, with bytes, from memory. */
typedef struct reading {
  const char *name;
  const void *bytes;
  size_t size;
  kd_pool *pool;
  kd_optimizer_vars *vars;
  const char **unfit;
} reading;

static const char group_name[] = "optimizer/vars";

static kd_status count_stored(hid_t file, const char *name, int64_t *count) {
  H5G_info_t info;
  *count = 0;
  if (!kd_set_is_there(file, group_name)) return KD_OK;
  hid_t group = H5Gopen2(file, group_name, H5P_DEFAULT);
  bool good = group >= 0 && H5Gget_info(group, &info) >= 0;
  if (group >= 0) H5Gclose(group);
  if (!good) return kd_h5_fail(KD_ERR_USAGE, "%s: %s is not a group", kd_quoted(name), group_name);
  *count = (int64_t)info.nlinks;
  return KD_OK;
}

static kd_status read_open(const reading *job, hid_t set, const char *what, kd_optimizer_var *var) {
  char have[KD_SHAPE_TEXT], want[KD_SHAPE_TEXT];
  kd_shape shape;
  KD_TRY(kd_set_shape(set, what, &shape));
  if (!kd_shape_equal(&shape, &var->shape)) {
    *job->unfit = kd_pool_printf(job->pool, "%s has shape %s, but this optimizer and model want %s", what,
                                 kd_shape_text(&shape, have), kd_shape_text(&var->shape, want));
    return KD_OK;
  }
  if (var->data) return kd_set_read(set, what, kd_shape_count(&shape), var->data);
  if (H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &var->integer) >= 0) return KD_OK;
  return kd_h5_fail(KD_ERR_USAGE, "%s: cannot be read as a number", what);
}

static kd_status read_var(const reading *job, hid_t file, int number) {
  const char *path = kd_pool_printf(job->pool, "%s/%d", group_name, number);
  const char *what = kd_pool_printf(job->pool, "%s in %s", path, kd_quoted(job->name));
  KD_CHECK(kd_set_is_there(file, path), KD_ERR_USAGE, "%s: there is no such variable", what);
  hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
  if (set < 0) return kd_h5_fail(KD_ERR_USAGE, "%s: is not a data set", what);
  kd_status status = read_open(job, set, what, &job->vars->var[number]);
  H5Dclose(set);
  return status;
}

static kd_status read_vars(const reading *job, hid_t file) {
  int64_t stored;
  *job->unfit = NULL;
  KD_TRY(count_stored(file, job->name, &stored));
  if (stored > 0) KD_TRY(read_var(job, file, 0));
  if (stored != job->vars->count)
    *job->unfit =
        kd_pool_printf(job->pool, "%s holds %lld variables of the optimizer, but this optimizer has %d",
                       kd_quoted(job->name), (long long)stored, job->vars->count);
  for (int i = 1; i < job->vars->count && !*job->unfit; i++) KD_TRY(read_var(job, file, i));
  return KD_OK;
}

static kd_status read_file(void *context) {
  const reading *job = context;
  hid_t file;
  if (job->bytes)
    KD_TRY(kd_h5_open_image(job->name, job->bytes, job->size, &file));
  else
    KD_TRY(kd_h5_open(job->name, &file));
  kd_status status = read_vars(job, file);
  H5Fclose(file);
  return status;
}

/* The child reads all variables into one block, so that it copies no pages of the slots. */
static kd_status read_probed(reading *job) {
  const kd_optimizer_vars *vars = job->vars;
  kd_optimizer_vars same = {.count = vars->count};
  int64_t most = 1, all = 0;
  same.var = kd_pool_alloc(job->pool, (size_t)vars->count, sizeof *same.var);
  for (int i = 0; i < vars->count; i++) {
    int64_t count = kd_shape_count(&vars->var[i].shape);
    all += count;
    if (count > most) most = count;
  }
  void *block;
  size_t bytes = (size_t)most * sizeof(float);
  KD_TRY(kd_large_alloc(bytes, &block));
  for (int i = 0; i < vars->count; i++) {
    same.var[i] = vars->var[i];
    if (same.var[i].data) same.var[i].data = block;
  }
  const char *unfit;
  reading trial = *job;
  trial.vars = &same;
  trial.unfit = &unfit;
  kd_status status = kd_h5_probe_and_read(job->name, all * (int64_t)sizeof(float), read_file, &trial, job);
  kd_large_free(block, bytes);
  return status;
}

kd_status kd_optimizer_read(const char *path, kd_pool *pool, kd_optimizer_vars *vars, const char **unfit) {
  return read_probed(&(reading){.name = path, .pool = pool, .vars = vars, .unfit = unfit});
}

kd_status kd_optimizer_read_image(const char *name, const void *bytes, size_t size, kd_pool *pool,
                                  kd_optimizer_vars *vars, const char **unfit) {
  return read_probed(&(reading){name, bytes, size, pool, vars, unfit});
}
