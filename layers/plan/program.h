/* Pointwise programs joined from those of several nodes. */
#ifndef KD_PLAN_PROGRAM_H
#define KD_PLAN_PROGRAM_H

#include "layers/graph/graph.h"

/* A program under construction. Operands are numbered apart from the final ones: inputs from 0, steps from
 * KD_MAX_INPUTS, since the number of inputs is known only at the end. */
typedef struct kd_program {
  const kd_graph *graph;
  kd_pointwise_attr attr;
  kd_sym input[KD_MAX_INPUTS];
  kd_sym output[KD_MAX_OUTPUTS];
  int *operand; /* per tensor of the graph: its operand number, or -1; owned by the caller */
  const bool
      *repeat; /* per node of the graph: computed again by each program that reads it; see kd_repeats_find */
  int n_repeated, repeated[KD_MAX_STEPS]; /* nodes that were computed again */
  bool full; /* a limit of device/pointwise.h was passed: the program is of no use */
} kd_program;

/* Which nodes are computed again where they are read, in backward too, since that costs less than keeping
 * them: those that only draw uniform random numbers (their inputs are the random state, scalars that are fed,
 * and other draws; a dropout mask is one), and a product or sum of a constant and a tensor that is kept
 * anyway (gelu's x / sqrt(2)). */
bool *kd_repeats_find(const kd_graph *graph, const bool *keep, const bool *needed);

/* operand: room for graph->n_syms entries, all -1; they are -1 again after kd_program_clear. */
void kd_program_begin(kd_program *program, const kd_graph *graph, const kd_shape *shape, int *operand,
                      const bool *repeat);
/* Joins the steps of a POINTWISE node. Inputs that earlier joined nodes computed are used directly; constants
 * become steps and draws are repeated; casts to float32 of stored tensors are passed over, since loading an
 * input converts it. A step that is there already is used again. */
void kd_program_join(kd_program *program, const kd_node *node);
/* Makes a joined result an output of the program. */
void kd_program_output(kd_program *program, kd_sym sym);
/* Drops steps and inputs that no output needs and gives the operands their final numbers. False when full, or
 * when the random state would be read as a number too. */
bool kd_program_finish(kd_program *program);
/* Forgets the operands of the joined nodes, which are given, and of repeated draws. */
void kd_program_clear(kd_program *program, int n_nodes, const int *nodes);

#endif
