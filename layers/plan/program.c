#include "layers/plan/program.h"

#include <string.h>

void kd_program_begin(kd_program *program, const kd_graph *graph, const kd_shape *shape, int *operand,
                      const bool *repeat) {
  *program = (kd_program){.graph = graph, .operand = operand, .repeat = repeat, .attr.shape = *shape};
}

static bool is_random(const kd_pw_step *step) {
  return step->op == KD_PW_UNIFORM || step->op == KD_PW_NORMAL;
}

static const kd_pointwise_attr *pointwise_producer(const kd_graph *graph, kd_sym sym) {
  const kd_node *node = kd_producer(graph, sym, false);
  return node && node->op == KD_OP_POINTWISE && node->n_outputs == 1 ? node->attr : NULL;
}

/* Steps are compared by all their bits: equal constants, equal random draws. */
static int add_step(kd_program *program, kd_pw_step step) {
  kd_pointwise_attr *attr = &program->attr;
  for (int s = 0; s < attr->n_steps; s++)
    if (memcmp(&attr->step[s], &step, sizeof step) == 0) return KD_MAX_INPUTS + s;
  if (attr->n_steps == KD_MAX_STEPS) {
    program->full = true;
    return 0;
  }
  attr->step[attr->n_steps] = step;
  return KD_MAX_INPUTS + attr->n_steps++;
}

static int add_input(kd_program *program, kd_sym sym) {
  kd_pointwise_attr *attr = &program->attr;
  for (int i = 0; i < attr->n_inputs; i++)
    if (program->input[i] == sym) return i;
  if (attr->n_inputs == KD_MAX_INPUTS) {
    program->full = true;
    return 0;
  }
  program->input[attr->n_inputs] = sym;
  return attr->n_inputs++;
}

/* The tensor that a chain of casts to float32 reads. */
static kd_sym skip_casts(const kd_graph *graph, kd_sym sym) {
  for (;;) {
    const kd_pointwise_attr *attr = pointwise_producer(graph, sym);
    bool cast = attr && attr->n_inputs == 1 && attr->n_steps == 1 && attr->step[0].op == KD_PW_COPY;
    if (!cast || graph->syms[sym].dtype != KD_F32) return sym;
    kd_sym from = kd_producer(graph, sym, false)->input[0];
    if (!kd_shape_equal(&graph->syms[from].shape, &graph->syms[sym].shape)) return sym;
    sym = from;
  }
}

static bool repeat_node(kd_program *program, kd_sym sym) {
  const kd_sym_info *info = &program->graph->syms[sym];
  bool drawn = info->node >= 0 && program->repeat[info->node] && info->dtype == KD_F32 &&
               kd_shape_equal(&info->shape, &program->attr.shape);
  if (!drawn || program->full || program->n_repeated == KD_MAX_STEPS) return false;
  program->repeated[program->n_repeated++] = info->node;
  kd_program_join(program, &program->graph->nodes[info->node]);
  return program->operand[sym] >= 0;
}

static int find_operand(kd_program *program, kd_sym sym) {
  const kd_graph *graph = program->graph;
  if (program->operand[sym] >= 0) return program->operand[sym];
  const kd_pointwise_attr *attr = pointwise_producer(graph, sym);
  if (attr && attr->n_steps == 1 && attr->step[0].op == KD_PW_CONST && graph->syms[sym].dtype == KD_F32)
    return add_step(program, attr->step[0]);
  if (repeat_node(program, sym)) return program->operand[sym];
  return add_input(program, skip_casts(graph, sym));
}

static kd_pw rounding_step(kd_dtype dtype) {
  return dtype == KD_BF16 ? KD_PW_TO_BF16 : dtype == KD_F16 ? KD_PW_TO_F16 : KD_PW_COPY;
}

/* The operand that holds a result as its readers would load it: half types are rounded by a step, unless the
 * value is an input of that type. */
static int rounded(kd_program *program, int operand, kd_dtype dtype) {
  if (!kd_dtype_is_half(dtype)) return operand;
  if (operand < KD_MAX_INPUTS && program->graph->syms[program->input[operand]].dtype == dtype) return operand;
  return add_step(program, (kd_pw_step){.op = (uint8_t)rounding_step(dtype), .arg = {(uint8_t)operand}});
}

/* The operand before the rounding that a store does by itself. */
static int unrounded(const kd_program *program, int operand, kd_dtype dtype) {
  if (operand < KD_MAX_INPUTS || !kd_dtype_is_half(dtype)) return operand;
  const kd_pw_step *step = &program->attr.step[operand - KD_MAX_INPUTS];
  return step->op == rounding_step(dtype) ? step->arg[0] : operand;
}

void kd_program_join(kd_program *program, const kd_node *node) {
  const kd_pointwise_attr *attr = node->attr;
  int number[KD_MAX_INPUTS + KD_MAX_STEPS];
  for (int i = 0; i < attr->n_inputs; i++) number[i] = find_operand(program, node->input[i]);
  for (int s = 0; s < attr->n_steps && !program->full; s++) {
    kd_pw_step step = attr->step[s];
    for (int a = 0; a < kd_pw_operands(step.op); a++) step.arg[a] = (uint8_t)number[step.arg[a]];
    number[attr->n_inputs + s] = step.op == KD_PW_COPY ? step.arg[0] : add_step(program, step);
  }
  for (int o = 0; o < attr->n_outputs && !program->full; o++) {
    kd_sym result = node->output[o];
    program->operand[result] = rounded(program, number[attr->output[o]], program->graph->syms[result].dtype);
  }
}

void kd_program_output(kd_program *program, kd_sym sym) {
  kd_pointwise_attr *attr = &program->attr;
  if (program->full || attr->n_outputs == KD_MAX_OUTPUTS) {
    program->full = true;
    return;
  }
  kd_dtype dtype = program->graph->syms[sym].dtype;
  int operand = unrounded(program, program->operand[sym], dtype);
  if (operand < KD_MAX_INPUTS) /* an input as it is: outputs come from steps */
    operand = add_step(program, (kd_pw_step){.op = KD_PW_COPY, .arg = {(uint8_t)operand}});
  program->output[attr->n_outputs] = sym;
  attr->output_dtype[attr->n_outputs] = dtype;
  attr->output[attr->n_outputs++] = (uint8_t)operand;
}

/* The random state is read as words, all other inputs as numbers: one input cannot be both. */
static bool reads_words_as_numbers(const kd_pointwise_attr *attr) {
  bool words[KD_MAX_INPUTS] = {false}, numbers[KD_MAX_INPUTS] = {false};
  for (int s = 0; s < attr->n_steps; s++) {
    const kd_pw_step *step = &attr->step[s];
    for (int a = 0; a < kd_pw_operands(step->op); a++)
      if (step->arg[a] < KD_MAX_INPUTS) (is_random(step) ? words : numbers)[step->arg[a]] = true;
  }
  for (int i = 0; i < attr->n_inputs; i++)
    if (words[i] && numbers[i]) return true;
  return false;
}

bool kd_program_finish(kd_program *program) {
  kd_pointwise_attr *attr = &program->attr;
  if (program->full || reads_words_as_numbers(attr)) return false;
  bool used[KD_MAX_INPUTS + KD_MAX_STEPS] = {false};
  for (int o = 0; o < attr->n_outputs; o++) used[attr->output[o]] = true;
  for (int s = attr->n_steps - 1; s >= 0; s--)
    for (int a = 0; used[KD_MAX_INPUTS + s] && a < kd_pw_operands(attr->step[s].op); a++)
      used[attr->step[s].arg[a]] = true;

  uint8_t number[KD_MAX_INPUTS + KD_MAX_STEPS];
  int n_inputs = 0, n_steps = 0;
  for (int i = 0; i < attr->n_inputs; i++) {
    if (!used[i]) continue;
    program->input[n_inputs] = program->input[i];
    number[i] = (uint8_t)n_inputs++;
  }
  for (int s = 0; s < attr->n_steps; s++) {
    if (!used[KD_MAX_INPUTS + s]) continue;
    kd_pw_step step = attr->step[s];
    for (int a = 0; a < kd_pw_operands(step.op); a++) step.arg[a] = number[step.arg[a]];
    number[KD_MAX_INPUTS + s] = (uint8_t)(n_inputs + n_steps);
    attr->step[n_steps++] = step;
  }
  for (int o = 0; o < attr->n_outputs; o++) attr->output[o] = number[attr->output[o]];
  attr->n_inputs = n_inputs;
  attr->n_steps = n_steps;
  return true;
}

static void clear_node(kd_program *program, int number) {
  const kd_node *node = &program->graph->nodes[number];
  for (int o = 0; o < node->n_outputs; o++) program->operand[node->output[o]] = -1;
}

void kd_program_clear(kd_program *program, int n_nodes, const int *nodes) {
  for (int n = 0; n < n_nodes; n++) clear_node(program, nodes[n]);
  for (int n = 0; n < program->n_repeated; n++) clear_node(program, program->repeated[n]);
}
