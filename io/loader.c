#include "io/loader.h"

#include "device/base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

/* One batch and its buffers; the thread fills it while others are in use. */
typedef struct slot {
  kd_batch batch;
  int64_t capacity; /* rows that the buffers hold */
} slot;

struct kd_loader {
  kd_loader_spec spec;
  int *fields;
  int n_slots; /* depth ahead, and the one in the caller's hands */
  slot *slots;
  int64_t *index; /* the thread's: sample numbers of one share */
  int64_t index_capacity;

  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t work, ready;
  bool running; /* the thread was created */
  /* Below: guarded by lock. */
  bool stop, busy; /* busy: the thread fills a slot outside the lock */
  kd_sampler order;
  int64_t first_step, steps;
  int64_t produced, taken; /* batches of this epoch that are filled, and handed out */
  bool held;               /* the last one handed out is still in use */
  kd_status status;        /* of the thread; stays until the next start */
  char *text;
  double waited;
};

static void get_share(const kd_loader_spec *spec, int64_t rows, int64_t *begin, int64_t *end) {
  if (spec->share)
    spec->share(spec->share_context, rows, begin, end);
  else
    kd_split(rows, spec->ranks, spec->rank, begin, end);
}

static void release_buffers(kd_loader *loader, slot *s) {
  for (int f = 0; f < loader->spec.n_fields; f++) {
    size_t bytes = loader->spec.data->fields[loader->fields[f]].bytes;
    kd_large_free(s->batch.field[f], (size_t)s->capacity * bytes);
    s->batch.field[f] = NULL;
  }
  s->capacity = 0;
}

static kd_status reserve_buffers(kd_loader *loader, slot *s, int64_t rows) {
  if (s->capacity >= rows && s->capacity > 0) return KD_OK;
  release_buffers(loader, s);
  s->capacity = rows > 0 ? rows : 1;
  for (int f = 0; f < loader->spec.n_fields; f++) {
    size_t bytes = loader->spec.data->fields[loader->fields[f]].bytes;
    KD_TRY(kd_large_alloc((size_t)s->capacity * bytes, &s->batch.field[f]));
  }
  return KD_OK;
}

static void reserve_index(kd_loader *loader, int64_t rows) {
  if (loader->index_capacity >= rows) return;
  loader->index = kd_realloc(loader->index, (size_t)rows, sizeof *loader->index);
  loader->index_capacity = rows;
}

/* Reads the rows of this rank of batch `step`. Called by the thread without the lock. */
static kd_status fill(kd_loader *loader, slot *s, const kd_sampler *order, int64_t step) {
  const kd_loader_spec *spec = &loader->spec;
  int64_t first = step * spec->batch_size, begin, end;
  int64_t rows = order->count - first < spec->batch_size ? order->count - first : spec->batch_size;
  get_share(spec, rows, &begin, &end);
  kd_batch *batch = &s->batch;
  batch->step = step;
  batch->rows = end - begin;
  batch->first = begin;
  batch->global_rows = rows;
  KD_TRY(reserve_buffers(loader, s, batch->rows));
  if (batch->rows == 0) return KD_OK;
  reserve_index(loader, batch->rows);
  for (int64_t i = 0; i < batch->rows; i++) loader->index[i] = kd_sampler_at(order, first + begin + i);
  for (int f = 0; f < spec->n_fields; f++) {
    int field = loader->fields[f];
    if (spec->fetch)
      KD_TRY(spec->fetch(spec->fetch_context, field, batch->rows, loader->index, batch->field[f]));
    else
      KD_TRY(kd_dataset_read(spec->data, field, batch->rows, loader->index, batch->field[f]));
  }
  return KD_OK;
}

static bool has_work(const kd_loader *loader) {
  int64_t in_use = loader->taken - (loader->held ? 1 : 0);
  return loader->status == KD_OK && loader->produced < loader->steps &&
         loader->produced - in_use < loader->n_slots;
}

/* A waiting thread is woken when half of the slots are free, so that two threads on one core do not take
 * turns at every batch. */
static void wake(kd_loader *loader) {
  int64_t filled = loader->produced - loader->taken + (loader->held ? 1 : 0);
  if (2 * filled <= loader->n_slots || loader->produced == loader->taken) pthread_cond_signal(&loader->work);
}

static void *run(void *context) {
  kd_loader *loader = context;
  pthread_mutex_lock(&loader->lock);
  while (!loader->stop) {
    if (!has_work(loader)) {
      pthread_cond_wait(&loader->work, &loader->lock);
      continue;
    }
    slot *s = &loader->slots[loader->produced % loader->n_slots];
    int64_t step = loader->first_step + loader->produced;
    kd_sampler order = loader->order;
    loader->busy = true;
    pthread_mutex_unlock(&loader->lock);
    kd_status status = fill(loader, s, &order, step);
    pthread_mutex_lock(&loader->lock);
    loader->busy = false;
    if (status == KD_OK) {
      loader->produced++;
    } else {
      loader->status = status;
      kd_free(loader->text);
      loader->text = kd_strdup(kd_status_text());
    }
    pthread_cond_broadcast(&loader->ready);
  }
  pthread_mutex_unlock(&loader->lock);
  return NULL;
}

/* Signals are for the main thread, which stops between two steps. */
static kd_status create_thread(kd_loader *loader) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&loader->thread, NULL, run, loader);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  KD_CHECK(!failed, KD_ERR_RUN, "cannot start the loader's thread: %s", strerror(failed));
  loader->running = true;
  return KD_OK;
}

/* The depth that is asked for, and more when batches are small. */
static int count_slots(const kd_loader_spec *spec, int64_t rows) {
  enum { MOST = 16, SMALL = 512 << 10 }; /* bytes of all slots */
  int depth = spec->depth < 2 ? 2 : spec->depth;
  size_t bytes = 1;
  for (int f = 0; f < spec->n_fields; f++) bytes += (size_t)rows * spec->data->fields[spec->fields[f]].bytes;
  while (depth < MOST && (size_t)(depth + 1) * bytes <= SMALL) depth++;
  return depth + 1;
}

kd_status kd_loader_create(const kd_loader_spec *spec, kd_loader **result) {
  *result = NULL;
  KD_CHECK(spec->batch_size > 0 && spec->ranks > 0, KD_ERR_USAGE, "batch_size = %lld: at least 1 is needed",
           (long long)spec->batch_size);
  kd_loader *loader = kd_calloc(1, sizeof *loader);
  loader->spec = *spec;
  loader->fields = kd_calloc((size_t)spec->n_fields, sizeof *loader->fields);
  if (spec->n_fields) memcpy(loader->fields, spec->fields, (size_t)spec->n_fields * sizeof *loader->fields);
  pthread_mutex_init(&loader->lock, NULL);
  pthread_cond_init(&loader->work, NULL);
  pthread_cond_init(&loader->ready, NULL);
  int64_t begin, end, most = spec->batch_size;
  if (spec->data->count < most) most = spec->data->count;
  get_share(spec, most, &begin, &end);
  loader->n_slots = count_slots(spec, end - begin);
  loader->slots = kd_calloc((size_t)loader->n_slots, sizeof *loader->slots);
  kd_status status = KD_OK;
  for (int i = 0; i < loader->n_slots; i++) {
    loader->slots[i].batch.field = kd_calloc((size_t)spec->n_fields, sizeof(void *));
    if (status == KD_OK) status = reserve_buffers(loader, &loader->slots[i], end - begin);
  }
  if (status == KD_OK) status = create_thread(loader);
  if (status != KD_OK) {
    kd_loader_destroy(loader);
    return status;
  }
  *result = loader;
  return KD_OK;
}

void kd_loader_destroy(kd_loader *loader) {
  if (!loader) return;
  if (loader->running) {
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    pthread_join(loader->thread, NULL);
  }
  for (int i = 0; i < loader->n_slots; i++) {
    release_buffers(loader, &loader->slots[i]);
    kd_free(loader->slots[i].batch.field);
  }
  pthread_cond_destroy(&loader->work);
  pthread_cond_destroy(&loader->ready);
  pthread_mutex_destroy(&loader->lock);
  kd_free(loader->slots);
  kd_free(loader->fields);
  kd_free(loader->index);
  kd_free(loader->text);
  kd_free(loader);
}

kd_status kd_loader_start(kd_loader *loader, const kd_sampler *order, int64_t first_step, int64_t steps) {
  KD_CHECK(order->count <= loader->spec.data->count && first_step >= 0 && steps >= 0, KD_ERR_INTERNAL,
           "an order of %lld samples over %lld, from step %lld", (long long)order->count,
           (long long)loader->spec.data->count, (long long)first_step);
  int64_t size = loader->spec.batch_size, all = order->count / size + (order->count % size != 0);
  int64_t left = first_step < all ? all - first_step : 0;
  pthread_mutex_lock(&loader->lock);
  loader->steps = 0; /* no new work while the thread ends what it does */
  while (loader->busy) pthread_cond_wait(&loader->ready, &loader->lock);
  loader->order = *order;
  loader->first_step = first_step;
  loader->steps = steps < left ? steps : left;
  loader->produced = loader->taken = 0;
  loader->held = false;
  loader->status = KD_OK;
  pthread_cond_signal(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  return KD_OK;
}

kd_status kd_loader_next(kd_loader *loader, const kd_batch **batch) {
  *batch = NULL;
  pthread_mutex_lock(&loader->lock);
  loader->held = false;
  wake(loader);
  if (loader->taken < loader->steps && loader->produced == loader->taken && loader->status == KD_OK) {
    double start = kd_now();
    while (loader->produced == loader->taken && loader->status == KD_OK)
      pthread_cond_wait(&loader->ready, &loader->lock);
    loader->waited += kd_now() - start;
  }
  kd_status status = KD_OK;
  if (loader->produced > loader->taken) {
    *batch = &loader->slots[loader->taken++ % loader->n_slots].batch;
    loader->held = true;
  } else if (loader->status != KD_OK) {
    status = kd_fail(loader->status, "%s", loader->text);
  }
  pthread_mutex_unlock(&loader->lock);
  return status;
}

double kd_loader_wait_seconds(const kd_loader *loader) {
  return loader->waited;
}
