/* Computing tensors of a graph for tests: by the plain reference, or by a plan on the CPU. */
#ifndef KD_TEST_COMPUTE_H
#define KD_TEST_COMPUTE_H

#include "layers/graph/graph.h"

typedef enum compute_engine { COMPUTE_REFERENCE, COMPUTE_PLAN } compute_engine;

/* fed[sym]: values of fed tensors as float (integers and random words too, converted to the tensor's type),
 * NULL where none are given. Fills results[i] with new arrays (release with kd_free); fails the test on
 * errors. */
void compute(const kd_graph *graph, compute_engine engine, const float *const *fed, int count,
             const kd_sym *wanted, float **results);

#endif
