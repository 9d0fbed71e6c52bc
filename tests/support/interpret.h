/* The plain reference of all primitives: a graph computed node by node on the host in double precision,
 * with the plainest loops. Slow and independent of the kernels, plans and fusion that it checks. */
#ifndef KD_TEST_INTERPRET_H
#define KD_TEST_INTERPRET_H

#include "layers/graph/graph.h"

/* values[sym] is an array of doubles, one per element, for every tensor of the graph. The caller fills the
 * entries of fed tensors (integers and random words as doubles); entries of computed tensors must be NULL and
 * are allocated here (release all of them with interpret_free). Values of integer type are truncated toward
 * 0, those of half types are rounded; float32 and float64 are never rounded. */
kd_status interpret(const kd_graph *graph, double **values);
/* Frees the computed entries and sets them to NULL; fed ones stay the caller's. */
void interpret_free(const kd_graph *graph, double **values);
/* Computes one node from values of its inputs into values of its outputs (allocated when NULL). */
kd_status interpret_node(const kd_graph *graph, const kd_node *node, double **values);
/* The nearest value of a half type, to even; infinities beyond its range. Other types: x. */
double round_to(kd_dtype dtype, double x);

#endif
