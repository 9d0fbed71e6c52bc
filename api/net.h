/* What a kd_net is made of; the public functions are described in include/kdist.h.
 *
 * A net is a configuration: the functions that add layers write the text of one, kd_compile reads it as
 * `kdist fit` reads a file. So there is one path from a description to a model, with the same checks, and
 * kd_net_ini shows it. The replica is created when the first data tell types and batch size, and created anew
 * when they change; weights and slots are carried over. */
#ifndef KD_API_NET_H
#define KD_API_NET_H

#include "include/kdist.h"
#include "launch/session.h"

/* A growing text in a pool. */
typedef struct kd_prose {
  char *text; /* NULL: empty */
  size_t length, capacity;
} kd_prose;

/* One layer or input of the net. */
typedef struct kd_net_layer_entry {
  const char *name;
  const char *origin; /* the layer whose weights it uses: its own name, but for shared calls */
} kd_net_layer_entry;

/* The logs that kd_metric shows. */
typedef struct kd_net_logs {
  int count;
  const kd_log_entry *entries;
} kd_net_logs;

struct kd_net {
  kd_pool *pool;
  const char *name;
  kd_status status; /* first failure of the building functions */
  const char *failure;

  kd_prose inputs, layers, outputs; /* sections of the configuration being written */
  kd_net_layer_entry *entries;
  int n_entries;
  size_t capacity;
  const char *source; /* the text given to kd_net_from_ini, or NULL */
  const char *ini;    /* last answer of kd_net_ini */

  bool compiled;
  kd_session session;  /* config, comm, model, device, goals, objective, setup, replica */
  bool labelled;       /* session.goals and objective are made: the types of the labels are known */
  kd_shape *feed_shape; /* per input: of one stored sample */
  void **staging;      /* kd_train_step: this rank's rows, per field */
  size_t *staging_bytes;
  int n_staging;
  int64_t iteration; /* steps done */
  kd_trainer *running; /* in kd_fit */

  kd_net_logs logs;
  kd_log_entry *log_room; /* memory of logs outside kd_fit */
  kd_totals totals;       /* of kd_train_step */
  kd_pool *data_pool;     /* objective, goals, totals: made anew with the labels' types */
  kd_pool *history_pool;
  kd_history history;
};

/* runtime.c: the ranks of this process. Collective at the first call. */
kd_status kd_runtime_join(kd_comm **comm);
void kd_runtime_count_nets(int change);

/* net.c */
void kd_net_fail(kd_net *net, kd_status status);
const char *kd_net_text(kd_net *net);

/* compile.c: the net has a model; compiles it when nobody has. Collective. */
kd_status kd_net_ready(kd_net *net);
/* What follows from the present model is released: replica, device, configuration. */
void kd_net_release(kd_net *net);

/* data.c */
typedef struct kd_net_data {
  kd_dataset *set;
  kd_stream stream;
  kd_pool *pool;
} kd_net_data;
/* Checks the data against the model and makes a stream of them. labels: those of outputs with a loss too.
 * Close it in every case. */
kd_status kd_net_data_open(kd_net *net, const kd_data *data, bool labels, int64_t batch, kd_net_data *opened);
void kd_net_data_close(kd_net_data *opened);
/* Every label of a sparse loss lies in its range. */
kd_status kd_net_check_labels(kd_net *net, kd_dataset *set);

/* replica.c: a replica for these types of data and at least this batch. batch 0: any. training: the batch is
 * one of training. Collective. */
kd_status kd_net_prepare(kd_net *net, const kd_dataset *set, bool labels, int64_t batch, bool training);
void kd_net_drop_replica(kd_net *net);
kd_status kd_net_copy_logs(kd_net *net, const kd_log_entry *entries, int count);

/* hooks.c: callbacks of kd_fit. */
extern const kd_callback_kind kd_hook_callback, kd_history_callback;
typedef struct kd_hook_options {
  kd_net *net;
  kd_hooks hooks;
} kd_hook_options;

#endif
