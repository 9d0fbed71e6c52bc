#include "device/cuda/program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/memory.h"
#include "device/cuda/program_steps.h"

static const char *const type_name[KD_N_DTYPES] = {
    [KD_F32] = "float", [KD_BF16] = "unsigned short", [KD_F16] = "unsigned short", [KD_F64] = "double",
    [KD_I32] = "int",   [KD_I64] = "long long",       [KD_U8] = "unsigned char",   [KD_U32] = "unsigned int",
};

/* %s is the element that is read. */
static const char *const load_form[KD_N_DTYPES] = {
    [KD_F32] = "%s",        [KD_BF16] = "kd_from_bf16(%s)", [KD_F16] = "kd_from_f16(%s)",
    [KD_F64] = "(float)%s", [KD_I32] = "(float)%s",         [KD_I64] = "(float)%s",
    [KD_U8] = "(float)%s",  [KD_U32] = "(float)%s",
};

static const char *const store_name[KD_N_DTYPES] = {
    [KD_F32] = "",          [KD_BF16] = "kd_to_bf16", [KD_F16] = "kd_to_f16", [KD_F64] = "(double)",
    [KD_I32] = "kd_to_i32", [KD_I64] = "kd_to_i64",   [KD_U8] = "kd_to_u8",   [KD_U32] = "kd_to_u32",
};

typedef struct writer {
  FILE *out;
  const kd_launch *launch;
  const kd_pointwise_attr *attr;
  int64_t count, row; /* elements of all, of one row of axis 0 */
  bool read[KD_MAX_INPUTS];
} writer;

/* --- what is read ---------------------------------------------------------------------------------- */

static bool is_random(const kd_pw_step *step) {
  return step->op == KD_PW_UNIFORM || step->op == KD_PW_NORMAL;
}

/* Inputs that are numbers for some step or output; the words of random states are none. */
static void find_read(writer *w) {
  const kd_pointwise_attr *attr = w->attr;
  for (int s = 0; s < attr->n_steps; s++)
    for (int k = 0; !is_random(&attr->step[s]) && k < kd_pw_operands(attr->step[s].op); k++)
      if (attr->step[s].arg[k] < attr->n_inputs) w->read[attr->step[s].arg[k]] = true;
  for (int o = 0; o < attr->n_outputs; o++)
    if (attr->output[o] < attr->n_inputs) w->read[attr->output[o]] = true;
}

/* The input that an output is a plain copy of, -1: none. Copies keep all bits of types that float has not. */
static int copied_input(const kd_pointwise_attr *attr, int output) {
  int at = attr->output[output];
  while (at >= attr->n_inputs && attr->step[at - attr->n_inputs].op == KD_PW_COPY)
    at = attr->step[at - attr->n_inputs].arg[0];
  return at < attr->n_inputs ? at : -1;
}

/* --- places ---------------------------------------------------------------------------------------- */

/* One axis of an input, or several that it walks evenly: i / inner % size * stride. */
typedef struct axis {
  int64_t inner, size, stride;
} axis;

static int find_axes(const kd_shape *full, const kd_shape *x, axis *axes) {
  int64_t inner = 1, stride = 1;
  int n = 0;
  for (int d = full->rank - 1; d >= 0; d--) {
    int own = d - (full->rank - x->rank);
    int64_t size = full->dim[d], here = own >= 0 && x->dim[own] > 1 ? stride : 0;
    if (own >= 0) stride *= x->dim[own];
    if (size > 1 && here) {
      axis *last = n ? &axes[n - 1] : NULL;
      if (last && last->inner * last->size == inner && last->stride * last->size == here)
        last->size *= size;
      else
        axes[n++] = (axis){inner, size, here};
    }
    inner *= size;
  }
  return n;
}

static void write_place(const writer *w, int input) {
  axis axes[KD_MAX_RANK];
  int n = find_axes(&w->attr->shape, &w->launch->input[input].shape, axes);
  if (n == 0) fprintf(w->out, "0");
  for (int a = n - 1; a >= 0; a--) {
    if (axes[a].inner == 1)
      fprintf(w->out, "i");
    else
      fprintf(w->out, "i / %" PRId64, axes[a].inner);
    if (axes[a].inner * axes[a].size < w->count) fprintf(w->out, " %% %" PRId64, axes[a].size);
    if (axes[a].stride != 1) fprintf(w->out, " * %" PRId64, axes[a].stride);
    if (a > 0) fprintf(w->out, " + ");
  }
}

/* --- lines ----------------------------------------------------------------------------------------- */

static void write_parameters(const writer *w) {
  const kd_launch *l = w->launch;
  fprintf(w->out, "extern \"C\" __global__ void " KD_PROGRAM_NAME "(");
  for (int i = 0; i < l->n_inputs; i++)
    fprintf(w->out, "%sconst %s *x%d", i ? ", " : "", type_name[l->input[i].dtype], i);
  for (int o = 0; o < l->n_outputs; o++)
    fprintf(w->out, "%s%s *y%d", o || l->n_inputs ? ", " : "", type_name[l->output[o].dtype], o);
  fprintf(w->out, ") {\n");
}

static void write_loads(const writer *w) {
  for (int i = 0; i < w->launch->n_inputs; i++) {
    if (!w->read[i]) continue;
    char element[32];
    snprintf(element, sizeof element, "x%d[p%d]", i, i);
    fprintf(w->out, "    const kd_place p%d = ", i);
    write_place(w, i);
    fprintf(w->out, ";\n    const float v%d = ", i);
    fprintf(w->out, load_form[w->launch->input[i].dtype], element);
    fprintf(w->out, ";\n");
  }
}

static void write_steps(const writer *w) {
  for (int s = 0; s < w->attr->n_steps; s++) {
    fprintf(w->out, "    const float v%d = ", w->attr->n_inputs + s);
    kd_program_step(w->out, &w->attr->step[s], w->row);
    fprintf(w->out, ";\n");
  }
}

/* All is read before anything is written: results may lie over operands. */
static void write_stores(const writer *w) {
  for (int o = 0; o < w->launch->n_outputs; o++) {
    kd_dtype dtype = w->launch->output[o].dtype;
    int copied = copied_input(w->attr, o);
    if (copied >= 0 && w->launch->input[copied].dtype == dtype)
      fprintf(w->out, "    const %s w%d = x%d[p%d];\n", type_name[dtype], o, copied, copied);
    else
      fprintf(w->out, "    const %s w%d = %s(v%d);\n", type_name[dtype], o, store_name[dtype],
              w->attr->output[o]);
  }
  for (int o = 0; o < w->launch->n_outputs; o++) fprintf(w->out, "    y%d[i] = w%d;\n", o, o);
}

char *kd_cuda_program_text(const kd_launch *launch) {
  char *text = NULL;
  size_t size = 0;
  writer w = {.launch = launch, .attr = launch->attr, .out = open_memstream(&text, &size)};
  if (!w.out) kd_out_of_memory(size);
  w.count = kd_shape_count(&w.attr->shape);
  w.row = w.attr->shape.rank ? kd_shape_span(&w.attr->shape, 1, w.attr->shape.rank) : 1;
  find_read(&w);
  fprintf(w.out, "typedef %s kd_place;\n%s", w.count <= INT32_MAX / 2 ? "unsigned int" : "long long",
          kd_program_prelude);
  write_parameters(&w);
  fprintf(w.out,
          "  const kd_place first = (kd_place)blockIdx.x * %d + threadIdx.x;\n"
          "#pragma unroll\n"
          "  for (int k = 0; k < %d; k++) {\n"
          "    const kd_place i = first + k * %d;\n"
          "    if (i >= %" PRId64 ") continue;\n",
          KD_PROGRAM_THREADS * KD_PROGRAM_ELEMENTS, KD_PROGRAM_ELEMENTS, KD_PROGRAM_THREADS, w.count);
  write_loads(&w);
  write_steps(&w);
  write_stores(&w);
  fprintf(w.out, "  }\n}\n");
  bool failed = ferror(w.out) != 0;
  if (fclose(w.out) != 0 || failed) kd_out_of_memory(size);
  char *copy = kd_strdup(text);
  free(text);
  return copy;
}
