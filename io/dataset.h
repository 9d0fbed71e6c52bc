/* Data sets: indexable samples with named fields, read from files.
 *
 * Rank 0 opens the files, reads the headers and serialises a manifest; the other ranks open from the
 * manifest (no header is read twice). Samples are then read by any rank, by number. */
#ifndef KD_DATASET_H
#define KD_DATASET_H

#include "device/base/diag.h"
#include "device/base/tensor.h"

/* One field: "image", "label", or an input's or output's name. */
typedef struct kd_field {
  const char *name;
  kd_dtype dtype;  /* as stored: uint8 pixels stay uint8 */
  kd_shape sample; /* shape of one sample, without the batch */
  size_t bytes;    /* of one sample */
} kd_field;

/* One file behind a data set, for resume ("the data have changed: FILE"). */
typedef struct kd_data_file {
  const char *path;
  int64_t size;
  uint64_t checksum; /* of the contents, see io/fingerprint.h */
} kd_data_file;

typedef struct kd_dataset kd_dataset;
typedef struct kd_dataset_ops {
  /* Reads `count` samples with the given numbers into out (count * bytes of the field, in the order of
   * `index`). One thread reads a data set at a time. */
  kd_status (*read)(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out);
  void (*close)(kd_dataset *data);
  /* The file that holds a sample of a field and the sample's number in that file, for messages. NULL: data
   * that are in no file. */
  const char *(*file_of)(const kd_dataset *data, int field, int64_t sample, int64_t *row);
} kd_dataset_ops;

struct kd_dataset {
  const kd_dataset_ops *ops;
  kd_pool *pool;
  int64_t count; /* samples */
  int n_fields;
  kd_field *fields;
  uint64_t fingerprint; /* of names, sizes and contents' checksums of the files: equal data, equal number */
  int64_t chunk; /* > 1: samples are stored in compressed blocks of that many; pass it to kd_sampler_start */
  int n_files;
  kd_data_file *files;
  void *state;
};

/* Where data come from, as [data] says. Paths are already joined with `dir`; globs are expanded by open. */
typedef struct kd_data_source {
  const char *format; /* "idx", "hdf5", "csv", "npy", "npz", "synthetic" */
  int n_paths;
  const char *const *paths; /* idx, npy: one per field in the order of field_names; hdf5: shards or globs */
  /* The fields the model needs: names of inputs, outputs, then sample weights, with the data set or column
   * names that map.NAME gives (NULL: the rule of the format). */
  int n_fields, n_inputs, n_weights;
  const char *const *field_names;
  const char *const *mapped;
  /* Wanted sample shapes and types per field (rank -1: unknown): used to add a trailing axis of 1, by
   * synthetic data, and by CSV. */
  const kd_shape *wanted_shape;
  const kd_dtype *wanted_dtype;
  const int64_t *n_classes; /* synthetic: labels and row numbers are drawn from [0, n_classes); 0: any */
  int64_t synthetic_count;
  uint64_t seed;
  kd_origin origin; /* of the [data] section */
} kd_data_source;

/* False, with an error in diag, when there is no such format. */
bool kd_dataset_check_format(const char *name, kd_origin origin, kd_diag *diag);
/* Opens the files, checks headers: missing, empty, truncated files, counts and shapes that disagree between
 * files or shards are errors in diag that name the file and both sides. NULL then. */
kd_dataset *kd_dataset_open(const kd_data_source *source, kd_diag *diag);
void kd_dataset_close(kd_dataset *data);

/* The manifest as bytes (in the data set's pool), and a data set made from it. */
kd_status kd_dataset_manifest(kd_dataset *data, void **bytes, size_t *size);
kd_status kd_dataset_open_manifest(const void *bytes, size_t size, kd_dataset **data);

/* Samples [begin, end) of another set, which must outlive it. */
kd_dataset *kd_dataset_slice(kd_dataset *data, int64_t begin, int64_t end);
/* Gives samples that are in no array: `read` as in kd_dataset_ops. */
typedef struct kd_sample_reader {
  kd_status (*read)(void *context, int field, int64_t count, const int64_t *index, void *out);
  void *context;
} kd_sample_reader;
/* Arrays in memory. field_data[i]: count samples, not copied; NULL: the reader gives them (its `context` must
 * live as long as the set). reader: NULL when all are arrays. */
kd_dataset *kd_dataset_arrays(int64_t count, int n_fields, const kd_field *fields,
                              const void *const *field_data, const kd_sample_reader *reader);

int kd_dataset_field(const kd_dataset *data, const char *name); /* -1: none */
/* Reads samples by number, in the order of `index`. Safe from several threads. KD_ERR_USAGE when a file turns
 * out to be damaged or has changed. */
kd_status kd_dataset_read(kd_dataset *data, int field, int64_t count, const int64_t *index, void *out);

/* Every label of the field lies in [0, classes): KD_ERR_USAGE with label, row and file. Reads in blocks. */
kd_status kd_dataset_check_labels(kd_dataset *data, int field, int64_t classes);
/* The same for `rows` labels of the field that lie in memory, the first of which is number `first`. */
kd_status kd_labels_check(const kd_dataset *data, int field, int64_t first, int64_t rows, const void *values,
                          int64_t classes);

#endif
