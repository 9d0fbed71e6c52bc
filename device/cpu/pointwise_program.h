/* A pointwise program bound to shapes and addresses, as the tile interpreter runs it.
 *
 * The program's elements are cut into tiles of at most 256. Each operand number (input or step) is a
 * register: a pointer to the tile's values, which lie in place (float32 tensors) or in a slot, a scratch tile
 * that is reused as soon as its value is dead. Tiles of 256 floats with operands in place were within 5 to 12
 * % of hand-written loops; 64 were 38 % and 1024 were 90 % slower. */
#ifndef KD_CPU_POINTWISE_PROGRAM_H
#define KD_CPU_POINTWISE_PROGRAM_H

#include "device/cpu/cpu.h"

enum { KD_TILE = 256, KD_MAX_REGISTERS = KD_MAX_INPUTS + KD_MAX_STEPS, KD_NO_SLOT = -1 };

/* How the elements are cut. The dimensions are those of the program with neighbours merged where every
 * operand allows it. */
typedef struct kd_tiling {
  int rank; /* at least 1 */
  int64_t dim[KD_MAX_RANK];
  int64_t count, inner, rows; /* elements; last dimension; count / inner */
  bool by_rows;               /* a tile is several whole rows; else it is a piece of one row */
  int64_t rows_per_tile;      /* by_rows */
  int64_t piece, pieces;      /* else: elements of a piece, pieces of a row */
  int64_t tiles;
} kd_tiling;

/* One tile: elements start .. start+n-1, which begin in `row` at `column`. */
typedef struct kd_tile {
  int64_t start, n, row, column;
} kd_tile;

typedef enum kd_access {
  KD_ACCESS_NONE,   /* no step reads it, or it is the rng tensor */
  KD_ACCESS_DIRECT, /* read in place */
  KD_ACCESS_LOAD,   /* converted or repeated into a slot for each tile */
  KD_ACCESS_ONCE, /* equal for all tiles: scalars, and vectors over the last axis when tiles are whole rows */
} kd_access;

typedef struct kd_pw_input {
  kd_access access;
  bool dense;                  /* not broadcast */
  int64_t stride[KD_MAX_RANK]; /* in elements, over the tiling's dimensions; 0: broadcast */
  size_t size;                 /* bytes of an element */
  kd_load_fn *load;
  const char *data;
} kd_pw_input;

typedef struct kd_pw_command {
  kd_step_fn *run; /* NULL: random */
  uint8_t out, a, b, c;
  bool normal; /* random: NORMAL, else UNIFORM; a is the rng input */
  uint32_t node;
} kd_pw_command;

typedef struct kd_pw_output {
  int reg, index; /* register that holds it; which output of the launch */
  bool direct;    /* the step writes to the tensor itself */
  bool raw;       /* a copy of an input of the same type: bytes are moved */
  size_t size;
  kd_store_fn *store;
  char *data;
} kd_pw_output;

/* A number that is equal for all elements: an input, or the value when there is none. */
typedef struct kd_pw_scalar {
  const kd_pw_input *input;
  float value;
} kd_pw_scalar;

typedef struct kd_pw_adam {
  kd_adam_step step; /* its numbers are filled when it runs */
  kd_pw_scalar rise_m, rise_v, alpha, epsilon;
} kd_pw_adam;

struct kd_pw_program;
/* Runs tiles begin .. end-1 of a whole program in place of its steps. */
typedef void kd_pw_whole_fn(const struct kd_pw_program *program, int64_t begin, int64_t end);

typedef struct kd_pw_program {
  kd_tiling tiling;
  int64_t row_elements; /* random numbers: elements of one row of axis 0 of the program's shape */
  const kd_vector_table *vector;
  int n_inputs, n_outputs, n_registers, n_slots;
  kd_pw_input input[KD_MAX_INPUTS];
  kd_pw_output output[KD_MAX_OUTPUTS];
  int n_constants;
  uint8_t constant_reg[KD_MAX_STEPS];
  float constant[KD_MAX_STEPS];
  int n_once, n_each; /* commands run before the first tile, and for each tile */
  kd_pw_command once[KD_MAX_STEPS], each[KD_MAX_STEPS];
  int16_t slot[KD_MAX_REGISTERS]; /* KD_NO_SLOT: in place */
  kd_pw_whole_fn *whole;          /* NULL: the steps run */
  kd_pw_adam adam;                /* of a program that is Adam's update */
  kd_gelu_step gelu;              /* of one that is gelu or its gradient */
} kd_pw_program;

/* pointwise_tiling.c: merges dimensions and cuts tiles. input[i].access tells which inputs count (not NONE).
 */
void kd_tiling_make(const kd_launch *launch, kd_pw_input *input, kd_tiling *tiling);
kd_tile kd_tiling_tile(const kd_tiling *tiling, int64_t index);
/* Offset in elements of a row's first element in an operand. */
int64_t kd_tiling_offset(const kd_tiling *tiling, const int64_t *stride, int64_t row);

/* pointwise_slots.c: decides which outputs are written in place and gives slots to registers. Addresses must
 * be known. KD_ERR_INTERNAL when an output overlaps an input in a way that cannot be run. */
kd_status kd_pw_assign(kd_pw_program *program);

/* pointwise_load.c: brings an input's values of a tile into a slot. */
void kd_pw_load(const kd_pw_program *program, const kd_pw_input *input, const kd_tile *tile, float *slot);

/* pointwise_match.c: expressions in prefix notation, as "+m*-gmb" for m + (g - m) b. Lower-case letters are
 * registers, the same one wherever a letter stands; E is erf, N minus, R a root, S a square, X exp. */
enum { KD_PW_NAMES = 26 };
typedef struct kd_pw_match {
  const kd_pw_program *program;
  int reg[KD_PW_NAMES]; /* the register that each letter stands for; -1: none yet */
} kd_pw_match;
kd_pw_match kd_pw_match_start(const kd_pw_program *program);
bool kd_pw_matches(kd_pw_match *match, const char *text, int reg);
int kd_pw_named(const kd_pw_match *match, char letter);
/* The command that gives a register for each tile, or NULL. */
const kd_pw_command *kd_pw_producer(const kd_pw_program *program, int reg);
/* Whether a register is a float32 tensor read in place, and its values. */
bool kd_pw_is_tensor(const kd_pw_program *program, int reg);
const float *kd_pw_values(const kd_pw_program *program, int reg);
bool kd_pw_constant(const kd_pw_program *program, int reg, float *value);
/* The place of an output that is float32; NULL when there is none. */
float *kd_pw_place(const kd_pw_program *program, int reg);

/* pointwise_adam.c, pointwise_gelu.c: how to run a program that is Adam's update, or gelu or its gradient;
 * NULL when it is not. Addresses must be known. */
kd_pw_whole_fn *kd_pw_adam_find(const kd_pw_program *program, kd_pw_adam *adam);
kd_pw_whole_fn *kd_pw_gelu_find(const kd_pw_program *program, kd_gelu_step *step);

#endif
