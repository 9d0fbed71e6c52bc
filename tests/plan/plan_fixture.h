/* What tests of plans share: one graph with its bindings on a backend of plain loops, and what the marks did.
 */
#ifndef KD_TEST_PLAN_FIXTURE_H
#define KD_TEST_PLAN_FIXTURE_H

#include "layers/plan/plan.h"
#include "support/check.h"
#include "support/fake_backend.h"

enum { MOST = 16 };

typedef struct fixture {
  kd_device device;
  kd_graph *g;
  kd_binding bindings[MOST];
  kd_sym mark_sym[MOST];
  int mark_id[MOST];
  kd_plan_spec spec;
  kd_plan *plan;
  kd_pool *pool;
  int fired[MOST], runs_at[MOST], n_fired;
} fixture;

static inline kd_status on_mark(void *context, int mark) {
  fixture *f = context;
  f->runs_at[f->n_fired] = fake.run;
  f->fired[f->n_fired++] = mark;
  return KD_OK;
}

static inline fixture *begin(void) {
  fixture *f = kd_calloc(1, sizeof *f);
  f->device = fake_device();
  f->g = kd_graph_create();
  f->pool = kd_pool_create();
  f->spec = (kd_plan_spec){.graph = f->g,
                           .device = &f->device,
                           .bindings = f->bindings,
                           .mark_sym = f->mark_sym,
                           .mark_id = f->mark_id,
                           .on_mark = on_mark,
                           .mark_context = f,
                           .no_fusion = true,
                           .poison = true};
  return f;
}

static inline void end(fixture *f) {
  kd_plan_destroy(f->plan);
  assert_int_equal(fake.blocks, 0);
  kd_graph_destroy(f->g);
  kd_pool_destroy(f->pool);
  kd_free(f);
}

static inline void bind(fixture *f, kd_sym sym, void *address) {
  f->bindings[f->spec.n_bindings++] = (kd_binding){.sym = sym, .address = address};
}

static inline void mark(fixture *f, kd_sym sym, int id) {
  f->mark_sym[f->spec.n_marks] = sym;
  f->mark_id[f->spec.n_marks++] = id;
  if (id >= f->spec.n_mark_ids) f->spec.n_mark_ids = id + 1;
}

static inline void compile_and_run(fixture *f) {
  assert_ok(kd_plan_compile(&f->spec, &f->plan));
  assert_ok(kd_plan_run(f->plan, 1));
}

static const kd_shape vector4 = {.rank = 1, .dim = {4}};

static inline kd_sym input4(fixture *f, float *values) {
  kd_sym x = kd_input(f->g, KD_F32, vector4, 0, "x");
  bind(f, x, values);
  return x;
}

#endif
