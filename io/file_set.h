/* What the readers of file formats share: a data set whose fields are made of pieces in files.
 *
 * A format's `open` reads headers and describes where rows lie; reading, slicing into files, conversion,
 * manifests and checks are done here, once for all formats. Used inside io only. */
#ifndef KD_IO_FILE_SET_H
#define KD_IO_FILE_SET_H

#include <pthread.h>

#include "io/dataset.h"
#include "io/element.h"
#include "io/file_table.h"

typedef enum kd_storage {
  KD_STORED_ROWS,  /* rows stand one behind the other from `offset` on: read with pread */
  KD_STORED_WHOLE, /* decoded as a whole by the format's `load` on first use (compressed files, text) */
  KD_STORED_OWN,   /* read by the format's `read` */
  KD_N_STORAGES,
} kd_storage;

/* Some consecutive rows of one field, in one file. */
typedef struct kd_piece {
  int file; /* number in the file table; -1: data that are in no file */
  kd_storage storage;
  kd_element element; /* as stored */
  kd_shape sample;    /* as stored */
  int64_t first;      /* number of the first row in the field; set by kd_file_set_finish */
  int64_t rows;
  int64_t offset;   /* ROWS: of the first row in the file; others: as the format likes */
  int64_t file_row; /* number of the first row in its file, for messages */
  /* Rows have lengths of their own and end in zeros. Until kd_file_set_finish, `sample` is the length of the
   * longest and `offset` divides all lengths. */
  bool ragged;
  const char *item; /* name of a data set, archive member, list of columns ...; may be NULL */
  void *memory;     /* WHOLE, and ROWS of small samples: the rows, converted, once loaded */
  size_t memory_bytes;
  void *handle; /* OWN: of the format */
} kd_piece;

typedef struct kd_column {
  kd_piece *piece;
  size_t count, capacity;
  size_t last; /* piece of the previous row: most rows come from the same piece */
} kd_column;

typedef struct kd_file_set kd_file_set;

typedef struct kd_format {
  const char *name;
  bool named; /* arrays have names in a file: every piece has an item */
  /* Adds files and pieces for every field of the source; errors go to diag. */
  void (*open)(kd_file_set *set, const kd_data_source *source, kd_diag *diag);
  /* Fills piece->memory (by kd_piece_allocate or kd_piece_fill); may fill further pieces of the same file.
   * After a failure the memory of the piece is released by the caller. */
  kd_status (*load)(kd_file_set *set, int field, kd_piece *piece);
  /* Rows [row, row + rows) of an OWN piece, converted. */
  kd_status (*read)(kd_file_set *set, int field, kd_piece *piece, int64_t row, int64_t rows, void *out);
  void (*close)(kd_file_set *set); /* releases handles; may be NULL */
} kd_format;

struct kd_file_set {
  kd_dataset base; /* must be first */
  const kd_format *format;
  kd_column *column; /* one per field */
  size_t file_capacity;
  kd_file_table *table; /* made by kd_file_set_finish */
  pthread_mutex_t lock;
  unsigned char *scratch; /* for conversion */
  size_t scratch_bytes;
  size_t kept_bytes; /* of ROWS pieces that are held in memory */
  void *own;         /* of the format */
};

kd_file_set *kd_file_set_create(const kd_format *format, int n_fields, const char *const *names);
/* Takes a file's fingerprint; returns its number, or -1 with an error in diag. */
int kd_file_set_add_file(kd_file_set *set, const char *path, kd_diag *diag, kd_origin origin);
kd_piece *kd_file_set_add_piece(kd_file_set *set, int field, const kd_piece *piece);
/* Checks that pieces agree in type and shape, fields in their number of samples, and samples with what is
 * wanted; fills fields, count, fingerprint. False with errors in diag. */
bool kd_file_set_finish(kd_file_set *set, const kd_data_source *source, kd_diag *diag);
/* The part of finish that a manifest needs too: numbers of rows, and the table of files. */
void kd_file_set_prepare(kd_file_set *set);
void kd_file_set_close(kd_file_set *set);

/* Memory for the converted rows of a WHOLE piece. */
kd_status kd_piece_allocate(const kd_file_set *set, int field, kd_piece *piece);
/* The same, filled from the stored rows `raw`. */
kd_status kd_piece_fill(const kd_file_set *set, int field, kd_piece *piece, const void *raw);
/* Path of a piece's file. */
const char *kd_piece_path(const kd_file_set *set, const kd_piece *piece);
/* Bytes of one stored row. */
int64_t kd_piece_stride(const kd_piece *piece);

/* The files that an entry of [data] names: a path, or the sorted matches of a glob. 0 with an error in diag
 * when there is none. Memory is the pool's. */
int kd_paths_expand(kd_pool *pool, const char *pattern, kd_diag *diag, kd_origin origin, const char ***paths);
/* For formats with one array in a file: entry i of the paths (a file, or a glob for several shards) belongs
 * to field i. */
typedef void kd_open_one(kd_file_set *set, int field, const char *path, const kd_data_source *source,
                         kd_diag *diag);
void kd_open_per_field(kd_file_set *set, const kd_data_source *source, kd_diag *diag, kd_open_one *open_one);

/* For formats with all fields in one file: every path is a file or a glob of shards. */
typedef void kd_open_shard(kd_file_set *set, const char *path, const kd_data_source *source, kd_diag *diag);
void kd_open_shards(kd_file_set *set, const kd_data_source *source, kd_diag *diag, kd_open_shard *open_shard);

/* Names under which the array of a field may be found in a file with named arrays: what map.NAME says, or the
 * field's name, then "x" for the only input and "y" for the only output. Returns how many (1 or 2). */
int kd_item_names(const kd_data_source *source, int field, const char *names[2]);

extern const kd_format kd_idx_format, kd_npy_format, kd_npz_format, kd_csv_format, kd_hdf5_format,
    kd_synthetic_format;
const kd_format *kd_format_find(const char *name); /* NULL when there is none */

#endif
