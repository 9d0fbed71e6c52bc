/* A Scan of ONNX as a loop of TensorFlow: a frame of Enter, Merge, Switch, NextIteration and Exit around the
 * nodes of one step. So there is no library of functions. */
#include "io/saved_model/tf.h"

#define INT32   TENSORFLOW__DATA_TYPE__DT_INT32
#define BOOL    TENSORFLOW__DATA_TYPE__DT_BOOL
#define VARIANT TENSORFLOW__DATA_TYPE__DT_VARIANT

/* What goes around: the number of the step, lists of results, states. */
typedef struct variable {
  kd_tf_edge start;       /* outside */
  kd_tf_edge merge, here; /* in the loop: before the question whether it goes on, and in a step */
  const char *next;       /* the name of the node that gives the next value */
  kd_tf_edge after;       /* the next value */
  kd_tf_edge end;         /* outside again */
} variable;

enum { FIXED = 1, MAX_VARIABLES = FIXED + 2 * KD_ONNX_BODY_VALUES };

typedef struct loop {
  kd_tf *t;
  const kd_onnx_op *op;
  const kd_onnx_block *body;
  int n_scanned, n_states, n_results; /* results are lists of one tensor for each step */
  kd_tf_edge steps;
  kd_tf_frame frame;
  int n_variables;
  variable variable[MAX_VARIABLES]; /* the step, lists, states */
} loop;

static variable *list_of(loop *l, int i) {
  return &l->variable[FIXED + i];
}

static variable *state_of(loop *l, int i) {
  return &l->variable[FIXED + l->n_results + i];
}

/* --- before ---------------------------------------------------------------------------------------- */

/* The number of steps, as a scalar: the second size of what is scanned. */
static kd_tf_edge count_steps(loop *l) {
  kd_tf *t = l->t;
  kd_tf_edge scanned = kd_tf_in(t, l->op, l->n_states);
  kd_tf_edge steps = kd_tf_squeeze(t, kd_tf_axis(t, kd_tf_sizes(t, scanned), 1), 0, NULL);
  return kd_tf_cast(t, steps, INT32);
}

/* A list for results of two axes of any sizes. */
static kd_tf_edge make_list(loop *l) {
  kd_tf *t = l->t;
  kd_tf_edge list = KD_TF(t, "TensorListReserve", VARIANT, kd_tf_int32s(t, 2, (int32_t[]){-1, -1}), l->steps);
  kd_tf_set_type(t, "element_dtype", TENSORFLOW__DATA_TYPE__DT_FLOAT);
  kd_tf_set_type(t, "shape_type", INT32);
  return list;
}

static void make_starts(loop *l) {
  l->n_variables = FIXED + l->n_results + l->n_states;
  l->variable[0].start = kd_tf_int(l->t, 0);
  for (int i = 0; i < l->n_results; i++) list_of(l, i)->start = make_list(l);
  for (int i = 0; i < l->n_states; i++) state_of(l, i)->start = kd_tf_in(l->t, l->op, i);
}

/* --- the frame ------------------------------------------------------------------------------------- */

static void enter(loop *l, variable *v, int number) {
  kd_tf *t = l->t;
  kd_tf_edge inside = kd_tf_typed(t, "Enter", 0, 1, &v->start);
  kd_tf_set_text(t, "frame_name", l->frame.name);
  inside.inside = true;
  v->next = kd_tf_unique(t, kd_pool_printf(t->pool, "%s/next_%d", l->frame.name, number));
  v->merge = (kd_tf_edge){inside.name, inside.type, true};
}

static void merge(loop *l, variable *v) {
  kd_tf_edge next = {v->next, v->start.type, true};
  v->merge = KD_TF_T(l->t, "Merge", v->merge, next);
  kd_tf_set_int(l->t, "N", 2);
}

static kd_tf_edge goes_on(loop *l) {
  kd_tf *t = l->t;
  kd_tf_edge less = kd_tf_typed(t, "Less", BOOL, 2, (kd_tf_edge[]){l->variable[0].merge, l->steps});
  return KD_TF(t, "LoopCond", BOOL, less);
}

static void divide(loop *l, variable *v, kd_tf_edge on) {
  kd_tf_edge out = KD_TF_T(l->t, "Switch", v->merge, on);
  v->end = out;
  v->here = kd_tf_output(l->t, out, 1);
}

static void begin(loop *l) {
  kd_tf *t = l->t;
  for (int i = 0; i < l->n_variables; i++) enter(l, &l->variable[i], i);
  t->frame = &l->frame;
  for (int i = 0; i < l->n_variables; i++) merge(l, &l->variable[i]);
  kd_tf_edge on = goes_on(l);
  for (int i = 0; i < l->n_variables; i++) divide(l, &l->variable[i], on);
}

/* The names of these nodes are those that the merges have been told. */
static void finish(loop *l) {
  kd_tf *t = l->t;
  const char *base = t->base;
  for (int i = 0; i < l->n_variables; i++) {
    variable *v = &l->variable[i];
    t->base = v->next;
    (void)KD_TF_T(t, "NextIteration", v->after);
    t->base = base;
    v->end = KD_TF_T(t, "Exit", v->end);
    v->end.inside = false;
  }
  t->frame = NULL;
}

/* --- one step -------------------------------------------------------------------------------------- */

/* The step that comes now, from the start or from the end. */
static kd_tf_edge place(loop *l, bool backwards) {
  kd_tf *t = l->t;
  kd_tf_edge step = l->variable[0].here;
  if (!backwards) return step;
  return KD_TF_T(t, "Sub", KD_TF_T(t, "Sub", l->steps, kd_tf_int(t, 1)), step);
}

static kd_status make_body(loop *l) {
  kd_tf *t = l->t;
  const char *base = t->base;
  const int64_t *in = kd_tf_attribute(l->op, "scan_input_directions")->ints;
  const int64_t *out = kd_tf_attribute(l->op, "scan_output_directions")->ints;
  for (int i = 0; i < l->n_states; i++) t->edge[l->body->inputs[i]] = state_of(l, i)->here;
  for (int i = 0; i < l->n_scanned; i++) {
    kd_tf_edge whole = kd_tf_in(t, l->op, l->n_states + i);
    t->edge[l->body->inputs[l->n_states + i]] = kd_tf_gather(t, whole, place(l, in[i]), 1);
  }
  KD_TRY(kd_tf_translate_all(t, l->body));
  t->base = base;
  for (int i = 0; i < l->n_states; i++) state_of(l, i)->after = t->edge[l->body->outputs[i]];
  for (int i = 0; i < l->n_results; i++) {
    kd_tf_edge item = t->edge[l->body->outputs[l->n_states + i]];
    variable *list = list_of(l, i);
    list->after = KD_TF(t, "TensorListSetItem", VARIANT, list->here, place(l, out[i]), item);
    kd_tf_set_type(t, "element_dtype", item.type);
  }
  l->variable[0].after = KD_TF_T(t, "AddV2", l->variable[0].here, kd_tf_int(t, 1));
  return KD_OK;
}

/* --- behind ---------------------------------------------------------------------------------------- */

/* (steps, batch, units) of a list as (batch, steps, units). */
static kd_tf_edge stacked(loop *l, kd_tf_edge list) {
  kd_tf *t = l->t;
  kd_tf_type type = TENSORFLOW__DATA_TYPE__DT_FLOAT;
  kd_tf_edge y = KD_TF(t, "TensorListStack", type, list, kd_tf_int32s(t, 2, (int32_t[]){-1, -1}));
  kd_tf_set_type(t, "element_dtype", type);
  return kd_tf_transpose(t, y, 3, (int64_t[]){1, 0, 2});
}

kd_status kd_tf_op_scan(kd_tf *t, const kd_onnx_op *op) {
  loop l = {.t = t, .op = op, .body = kd_tf_attribute(op, "body")->body};
  l.n_scanned = (int)kd_tf_attribute_int(op, "num_scan_inputs", 0);
  l.n_states = op->n_inputs - l.n_scanned;
  l.n_results = op->n_outputs - l.n_states;
  l.frame.name = kd_tf_unique(t, kd_pool_printf(t->pool, "%s/loop", t->base));
  l.steps = count_steps(&l);
  make_starts(&l);
  begin(&l);
  KD_TRY(make_body(&l));
  finish(&l);
  for (int i = 0; i < l.n_states; i++) t->edge[op->outputs[i]] = state_of(&l, i)->end;
  for (int i = 0; i < l.n_results; i++)
    t->edge[op->outputs[l.n_states + i]] = stacked(&l, list_of(&l, i)->end);
  return KD_OK;
}
