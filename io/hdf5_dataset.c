/* HDF5: one file or shards. Where rows have addresses, the library is asked for them once and then left out.
 */
#include "io/hdf5_dataset.h"

#include "device/base/text.h"
#include "io/hdf5_probe.h"

#include <stdio.h>
#include <string.h>

enum { NAME_LIST = 512 };

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  (void)group, (void)info;
  char *list = context;
  size_t used = strlen(list);
  bool fits = used + strlen(name) + 8 < NAME_LIST;
  snprintf(list + used, NAME_LIST - used, "%s%s", used ? ", " : "", fits ? name : "...");
  return fits ? 0 : 1;
}

static void no_such_set(hid_t file, const char *path, int count, const char **names, kd_diag *diag,
                        kd_origin origin) {
  char list[NAME_LIST] = "";
  H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, list);
  kd_diag_error(diag, origin, "%s: there is no data set %s%s%s in it; it holds %s", kd_quoted(path),
                kd_quoted(names[0]), count > 1 ? " or " : "", count > 1 ? names[1] : "",
                list[0] ? kd_quoted(list) : "nothing");
}

/* The field's data set, or -1 with an error. */
static hid_t open_set(hid_t file, const char *path, int field, const kd_data_source *source, kd_diag *diag,
                      const char **item) {
  const char *names[2];
  int count = kd_item_names(source, field, names);
  for (int i = 0; i < count; i++) {
    hid_t data = H5Dopen2(file, names[i], H5P_DEFAULT);
    *item = names[i];
    if (data >= 0) return data;
  }
  H5Eclear2(H5E_DEFAULT);
  no_such_set(file, path, count, names, diag, source->origin);
  return -1;
}

static void open_fields(kd_file_set *set, hid_t h5, int file, const kd_data_source *source, kd_diag *diag) {
  for (int f = 0; f < source->n_fields; f++) {
    const char *item;
    hid_t data = open_set(h5, set->base.files[file].path, f, source, diag, &item);
    if (data < 0) continue;
    if (kd_h5_describe(set, f, file, data, kd_pool_strdup(set->base.pool, item)) != KD_OK)
      kd_diag_error(diag, source->origin, "%s", kd_status_text());
    H5Dclose(data);
  }
}

/* Files [first, end) of the set, whose headers are to be read. */
typedef struct opening {
  kd_file_set *set;
  const kd_data_source *source;
  kd_diag *diag;
  int first, end;
} opening;

static kd_status open_files(void *context) {
  const opening *job = context;
  for (int file = job->first; file < job->end; file++) {
    hid_t h5;
    if (kd_h5_open(job->set->base.files[file].path, &h5) != KD_OK) {
      kd_diag_error(job->diag, job->source->origin, "%s", kd_status_text());
      continue;
    }
    open_fields(job->set, h5, file, job->source, job->diag);
    H5Fclose(h5);
  }
  return KD_OK;
}

static kd_status probe(const opening *job) {
  int64_t bytes = 0;
  for (int file = job->first; file < job->end; file++) bytes += job->set->base.files[file].size;
  opening trial = *job;
  return kd_h5_probe(job->set->base.files[job->first].path, bytes, open_files, &trial);
}

/* One child for all files; only when it dies one for each, to name those that are damaged. */
static void open_probed(opening *job) {
  if (probe(job) == KD_OK) {
    open_files(job);
    return;
  }
  size_t errors = job->diag->count;
  for (int file = job->first; file < job->end; file++) {
    opening one = {job->set, job->source, job->diag, file, file + 1};
    if (probe(&one) != KD_OK) kd_diag_error(job->diag, job->source->origin, "%s", kd_status_text());
  }
  if (job->diag->count == errors) open_files(job);
}

static void add_file(kd_file_set *set, const char *path, const kd_data_source *source, kd_diag *diag) {
  kd_file_set_add_file(set, path, diag, source->origin);
}

static void hdf5_open(kd_file_set *set, const kd_data_source *source, kd_diag *diag) {
  kd_open_shards(set, source, diag, add_file);
  if (set->base.n_files == 0) return;
  opening job = {set, source, diag, 0, set->base.n_files};
  kd_h5_enter();
  open_probed(&job);
  kd_h5_leave();
}

kd_status kd_h5_read_raw(hid_t data, const kd_piece *piece, const char *path, int64_t row, int64_t rows,
                         void *out) {
  hsize_t start[KD_MAX_RANK + 1] = {(hsize_t)row}, count[KD_MAX_RANK + 1] = {(hsize_t)rows};
  int rank = piece->sample.rank + 1;
  for (int i = 1; i < rank; i++) count[i] = (hsize_t)piece->sample.dim[i - 1];
  hid_t type = H5Dget_type(data), from = H5Dget_space(data), to = H5Screate_simple(rank, count, NULL);
  kd_status status = KD_OK;
  if (H5Tget_size(type) != (size_t)piece->element.size || H5Sget_simple_extent_ndims(from) != rank)
    status = kd_fail(KD_ERR_USAGE, "%s (%s): the file has changed since it was checked", kd_quoted(path),
                     kd_quoted(piece->item));
  else if (H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
           H5Dread(data, type, to, from, H5P_DEFAULT, out) < 0)
    status = kd_h5_fail(KD_ERR_USAGE, "%s (%s): cannot read rows %lld to %lld", kd_quoted(path),
                        kd_quoted(piece->item), (long long)row, (long long)(row + rows - 1));
  H5Sclose(to);
  H5Sclose(from);
  H5Tclose(type);
  return status;
}

static kd_status load_opened(kd_file_set *set, int field, kd_piece *piece, hid_t data) {
  if (kd_h5_is_ragged(data)) return kd_h5_load_ragged(set, field, piece, data);
  size_t bytes = (size_t)(piece->rows * kd_piece_stride(piece));
  void *raw;
  KD_TRY(kd_large_alloc(bytes, &raw));
  kd_status status = kd_h5_read_raw(data, piece, kd_piece_path(set, piece), 0, piece->rows, raw);
  if (status == KD_OK) status = kd_piece_fill(set, field, piece, raw);
  kd_large_free(raw, bytes);
  return status;
}

static kd_status load_from_file(kd_file_set *set, int field, kd_piece *piece) {
  const char *path = kd_piece_path(set, piece);
  hid_t file, data;
  KD_TRY(kd_h5_open(path, &file));
  kd_status status = KD_OK;
  data = H5Dopen2(file, piece->item, H5P_DEFAULT);
  if (data < 0)
    status = kd_h5_fail(KD_ERR_USAGE, "%s (%s): cannot open", kd_quoted(path), kd_quoted(piece->item));
  else
    status = load_opened(set, field, piece, data);
  if (data >= 0) H5Dclose(data);
  H5Fclose(file);
  return status;
}

static kd_status hdf5_load(kd_file_set *set, int field, kd_piece *piece) {
  kd_h5_enter();
  kd_status status = load_from_file(set, field, piece);
  kd_h5_leave();
  return status;
}

const kd_format kd_hdf5_format = {"hdf5", true, hdf5_open, hdf5_load, kd_h5_read_blocks, kd_h5_close_blocks};
