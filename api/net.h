/* What a kd_net is made of; the public functions are described in include/kdist.h.
 *
 * A net is a configuration: the functions that add layers write the text of one, kd_compile reads it as
 * `kdist fit` reads a file. So there is one path from a description to a model, with the same checks, and
 * kd_net_ini shows it. The replica is created when the first data tell types and batch size, and created anew
 * when they change; weights and slots are carried over. */
#ifndef KD_API_NET_H
#define KD_API_NET_H

/* First: the macros of kdist.h would replace names in other headers. */
#include "launch/session.h"

#include "kdist.h"

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

/* What training has made, in host memory (carry.c). */
typedef struct kd_net_saved {
  float *weights; /* weights, then what stateful layers keep; NULL: nothing */
  float *slots;   /* of each trainable weight: slots, and the accumulated gradient; NULL: none */
  size_t weights_bytes, slots_bytes;
  kd_loss_scale scale; /* with slots */
} kd_net_saved;

/* What kd_train_step has prepared for data of one layout. */
typedef struct kd_net_step {
  kd_pool *pool;     /* NULL: nothing */
  kd_data layout;    /* types and shapes that it is for */
  kd_dataset *set;   /* names the fields in messages */
  int n_feeds;       /* inputs, then labels */
  const int *fields; /* per feed: its field of `set` */
  int *place;        /* per field: its number in kd_data.read */
  void **feed;
  void **staging; /* per feed: rows that were read, for data without an array */
  size_t *staging_bytes;
  int64_t *rows; /* their numbers */
  int64_t capacity;
} kd_net_step;

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
  kd_session session; /* config, comm, model, device; with a replica: goals, objective, setup, replica */
  kd_pool *feed_pool; /* types and shapes that the replica is fed with */
  kd_pool *goal_pool; /* goals, objective, totals, log_room: made of the labels' types */
  kd_net_saved saved;
  int64_t iteration; /* steps done */
  int64_t epoch;     /* epochs that kd_fit has done, by its numbers */
  bool rate_set;     /* the learning rate is no longer the configuration's */
  bool began;        /* has trained, or loaded a state: the optimizer of a saved model has had its turn */

  kd_trainer *running; /* in kd_fit */
  kd_net_step step;
  kd_totals totals; /* of kd_evaluate and kd_train_step */
  kd_net_logs logs;
  kd_log_entry *log_room;
  kd_pool *history_pool;
  kd_history history;
};

/* --- runtime.c --- */
/* The ranks of this process. Collective at the first call. */
kd_status kd_runtime_join(kd_comm **comm);
void kd_runtime_count_nets(int change);

/* --- net.c --- */
void kd_net_fail(kd_net *net, kd_status status);
const char *kd_net_text(kd_net *net);
/* "a, b:1" of tensors of the net; NULL after an error, which the net keeps. */
const char *kd_net_tensors(kd_net *net, int n, const kd_out *tensors);
/* Adds a layer. call: ", mask=a" behind its inputs, or "". */
kd_out kd_net_add(kd_net *net, const char *type, const char *options, int n, const kd_out *inputs,
                  const char *call);

/* --- compile.c --- */
/* The net has a model and no callback runs; compiles it when nobody has. `function` is named in errors.
 * Collective. */
kd_status kd_net_ready(kd_net *net, const char *function);
/* The same for functions that hooks may call. */
kd_status kd_net_look(kd_net *net, const char *function);
/* What follows from the present model is released: replica, device, configuration. Collective. */
void kd_net_release(kd_net *net);

/* --- call.c: what one kd_fit, kd_evaluate or kd_predict works with --- */
typedef struct kd_net_call {
  kd_net *net;
  const kd_data *data[3]; /* by kd_part; NULL: none, or that of the configuration */
  void (*adjust)(const void *numbers,
                 kd_run_config *config); /* the call's own numbers over the configuration's */
  const void *numbers;
  kd_config config; /* the net's with such numbers, and a list of errors of its own */
  kd_data_maker maker;
  kd_session session;
} kd_net_call;
/* Fill data, adjust and numbers between begin and open. End it in every case. */
void kd_call_begin(kd_net *net, kd_purpose purpose, const char *function, kd_net_call *call);
/* Opens the data, checks them against the model, makes goals and objective. Collective. */
kd_status kd_call_open(kd_net_call *call);
void kd_call_end(kd_net_call *call);

/* --- data.c --- */
/* make of kd_data_maker; the context is the kd_net_call. */
kd_dataset *kd_data_make(void *call, kd_part part, const kd_data_source *wanted, kd_diag *diag);
/* Outputs get the weights of samples that the data have, in place of [data] sample_weight. */
void kd_data_adjust(const kd_data *data, kd_pool *pool, kd_run_config *config);
/* The number of a data set's field in kd_data.read, by its name; its description. */
int kd_data_place(const kd_model *model, const char *name);
const kd_array *kd_data_array(const kd_data *data, int place);
/* kd_data.read of one field, one call of any data at a time. */
kd_status kd_data_read(const kd_data *data, int place, int64_t count, const int64_t *rows, void *out);

/* --- replica.c --- */
/* A replica for the call's data and batches; call NULL: any replica, for its weights. training: one that can
 * train with just this batch size. Collective. */
kd_status kd_net_prepare(kd_net *net, kd_net_call *call, bool training);
/* KD_ERR_USAGE when no output has a loss. */
kd_status kd_net_check_loss(const kd_net *net, const char *function);
/* The mean over all steps of totals becomes what kd_metric shows. */
void kd_net_show_totals(kd_net *net);

/* --- carry.c --- */
/* Parts of each trainable weight beside itself: slots, and the accumulated gradient. */
int kd_saved_parts(const kd_net *net);
/* Memory for the weights, with slots for the parts too. The caller frees it, also after a failure. */
kd_status kd_saved_alloc(const kd_net *net, bool slots, kd_net_saved *saved);
void kd_saved_free(kd_net_saved *saved);
/* Visits what is in `saved`, in the order in which it lies there. part: KD_PART_WEIGHT or a slot of weight
 * `number`, or KD_SAVED_KEPT: what number `number` of the model's kept states is. */
enum { KD_SAVED_KEPT = -2 };
typedef kd_status (*kd_saved_visit)(void *context, int part, int number, float *values);
kd_status kd_saved_weights(const kd_net *net, const kd_net_saved *saved, kd_saved_visit visit, void *context);
kd_status kd_saved_slots(const kd_net *net, const kd_net_saved *saved, kd_saved_visit visit, void *context);
/* Whether there is a replica with slots. */
bool kd_net_trains(const kd_net *net);
/* A copy of what the replica has; its slots if it trains. The caller frees it. Collective. */
kd_status kd_net_take(kd_net *net, kd_net_saved *saved);
/* The replica's content goes to net->saved, and the replica goes. Collective. */
kd_status kd_net_set_aside(kd_net *net);
/* net->saved goes into the new replica; slots wait there for one that trains. */
kd_status kd_net_restore(kd_net *net);
/* For another optimizer. */
void kd_net_drop_slots(kd_net *net);

/* --- step.c --- */
void kd_step_release(kd_net *net);

/* --- callbacks.c --- */
/* The callbacks of one kd_fit: those of the text or the configuration, the caller's hooks, the history.
 * Errors are in call->config.diag. */
void kd_net_callbacks(kd_net_call *call, const kd_fit_args *args, kd_fit_spec *fit);

#endif
