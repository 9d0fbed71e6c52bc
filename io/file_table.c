#include "io/file_table.h"

#include "device/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_LIMIT = 64 };

typedef struct slot {
  int file; /* -1: free */
  int fd;
  uint64_t used; /* tick of the last use */
} slot;

struct kd_file_table {
  int count;
  const kd_data_file *files;
  int *slot_of; /* by file; -1: not open */
  slot slots[OPEN_LIMIT];
  uint64_t tick;
};

kd_file_table *kd_file_table_create(int count, const kd_data_file *files) {
  kd_file_table *table = kd_calloc(1, sizeof *table);
  table->count = count;
  table->files = files;
  table->slot_of = kd_calloc((size_t)count, sizeof *table->slot_of);
  for (int i = 0; i < count; i++) table->slot_of[i] = -1;
  for (int i = 0; i < OPEN_LIMIT; i++) table->slots[i].file = -1;
  return table;
}

static void close_slot(kd_file_table *table, slot *s) {
  if (s->file < 0) return;
  close(s->fd);
  table->slot_of[s->file] = -1;
  s->file = -1;
}

void kd_file_table_destroy(kd_file_table *table) {
  if (!table) return;
  for (int i = 0; i < OPEN_LIMIT; i++) close_slot(table, &table->slots[i]);
  kd_free(table->slot_of);
  kd_free(table);
}

static slot *least_used(kd_file_table *table) {
  slot *best = &table->slots[0];
  for (int i = 0; i < OPEN_LIMIT; i++) {
    if (table->slots[i].file < 0) return &table->slots[i];
    if (table->slots[i].used < best->used) best = &table->slots[i];
  }
  return best;
}

static kd_status open_file(kd_file_table *table, int file, slot *s) {
  const kd_data_file *known = &table->files[file];
  close_slot(table, s);
  int fd = open(known->path, O_RDONLY | O_CLOEXEC);
  KD_CHECK(fd >= 0, KD_ERR_USAGE, "%s: cannot open: %s", kd_quoted(known->path), strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size != known->size) {
    close(fd);
    return kd_fail(KD_ERR_USAGE, "%s: the file is not the one that was checked at the start: %lld bytes then",
                   kd_quoted(known->path), (long long)known->size);
  }
  *s = (slot){.file = file, .fd = fd};
  table->slot_of[file] = (int)(s - table->slots);
  return KD_OK;
}

kd_status kd_read_at(int fd, const char *path, int64_t offset, size_t bytes, void *out) {
  size_t done = 0;
  while (done < bytes) {
    ssize_t got = pread(fd, (char *)out + done, bytes - done, offset + (int64_t)done);
    if (got < 0 && errno == EINTR) continue;
    KD_CHECK(got >= 0, KD_ERR_USAGE, "%s: cannot read: %s", kd_quoted(path), strerror(errno));
    KD_CHECK(got > 0, KD_ERR_USAGE, "%s: truncated: %zu bytes are wanted at byte %lld, the file ends at %lld",
             kd_quoted(path), bytes, (long long)offset, (long long)offset + (long long)done);
    done += (size_t)got;
  }
  return KD_OK;
}

kd_status kd_file_table_read(kd_file_table *table, int file, int64_t offset, size_t bytes, void *out) {
  KD_CHECK(file >= 0 && file < table->count, KD_ERR_INTERNAL, "file %d of %d", file, table->count);
  if (table->slot_of[file] < 0) KD_TRY(open_file(table, file, least_used(table)));
  slot *s = &table->slots[table->slot_of[file]];
  s->used = ++table->tick;
  return kd_read_at(s->fd, table->files[file].path, offset, bytes, out);
}
