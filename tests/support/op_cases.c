#include "support/op_case.h"

#define OP_CASE(...) CASE(__VA_ARGS__)
#define OP_BENCH(...)
const op_case op_cases[] = {
#include "ops/cases.def"
};
#undef OP_CASE
#undef OP_BENCH

#define OP_CASE(...)
#define OP_BENCH(...) CASE(__VA_ARGS__)
const op_case op_benches[] = {
#include "ops/cases.def"
};

const int n_op_cases = sizeof op_cases / sizeof op_cases[0];
const int n_op_benches = sizeof op_benches / sizeof op_benches[0];
