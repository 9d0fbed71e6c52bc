/* Blocks of fibers. */
#include "cuda/emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

enum { WARP = 32, STACK = 64 << 10, MOST_THREADS = 1024 };

static emulated_thread outside;
emulated_thread *kd_emulated = &outside;

/* Saves the callee's registers on the stack and goes on at the other one. */
extern "C" void emulate_switch(void **from, void *to);
asm(".text\n"
    ".globl emulate_switch\n"
    ".type emulate_switch, @function\n"
    "emulate_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size emulate_switch, . - emulate_switch\n");

struct barrier {
  int waiting = 0, expected = 0;
  unsigned generation = 0;
};

struct fiber {
  emulated_thread place;
  void *stack_pointer;
  char *stack;
  bool done;
  float given[2]; /* of shuffles, by turns */
  unsigned shuffles;
};

static fiber fibers[MOST_THREADS];
static barrier block_barrier, warp_barrier[MOST_THREADS / WARP];
static void *scheduler;
static int current, block_threads;
static bool progress;
static const std::function<void()> *body;

static void yield() {
  int mine = current;
  emulate_switch(&fibers[mine].stack_pointer, scheduler);
  current = mine;
}

static void fiber_main() {
  (*body)();
  fibers[current].done = true;
  progress = true;
  yield();
}

static void fiber_start(fiber *f) {
  if (!f->stack) f->stack = (char *)aligned_alloc(64, STACK);
  void **top = (void **)(void *)(f->stack + STACK);
  *--top = NULL; /* as if called: the stack is 8 off 16 */
  *--top = (void *)fiber_main;
  for (int i = 0; i < 6; i++) *--top = NULL;
  f->stack_pointer = top;
  f->done = false;
  f->shuffles = 0;
}

static void meet(barrier *b) {
  unsigned generation = b->generation;
  if (++b->waiting == b->expected) {
    b->waiting = 0;
    b->generation++;
    progress = true;
    return;
  }
  while (b->generation == generation) yield();
}

void emulate_sync_block() {
  meet(&block_barrier);
}

int emulate_lane() {
  return current % WARP;
}

float emulate_shuffle(float value, int lane) {
  fiber *f = &fibers[current];
  unsigned turn = f->shuffles++ % 2;
  int first = current / WARP * WARP;
  f->given[turn] = value;
  meet(&warp_barrier[current / WARP]);
  return fibers[first + lane].given[turn];
}

static void fail(const char *text) {
  fprintf(stderr, "emulated kernel, block %u: %s\n", kd_emulated->block.x, text);
  abort();
}

static void run_block(const emulated_thread &place, bool reverse) {
  int n = block_threads;
  block_barrier = barrier();
  block_barrier.expected = n;
  for (int w = 0; w * WARP < n; w++) {
    warp_barrier[w] = barrier();
    warp_barrier[w].expected = n - w * WARP < WARP ? n - w * WARP : WARP;
  }
  for (int i = 0; i < n; i++) {
    fiber_start(&fibers[i]);
    fibers[i].place = place;
    fibers[i].place.thread = {(unsigned)i % place.block_size.x, (unsigned)i / place.block_size.x, 0};
  }
  for (int left = n; left > 0;) {
    progress = false;
    for (int k = 0; k < n; k++) {
      int i = reverse ? n - 1 - k : k;
      if (fibers[i].done) continue;
      current = i;
      kd_emulated = &fibers[i].place;
      emulate_switch(&scheduler, fibers[i].stack_pointer);
      if (fibers[i].done) left--;
    }
    if (!progress) fail("threads wait at a barrier that others have left out");
  }
}

void emulate_run(emulated_size blocks, emulated_size threads, const std::function<void()> &thread) {
  const char *order = getenv("KD_EMULATE");
  bool reverse = order && strcmp(order, "reverse") == 0;
  block_threads = (int)(threads.x * threads.y * threads.z);
  if (block_threads > MOST_THREADS || blocks.x == 0) fail("a launch of a size that CUDA refuses");
  body = &thread;
  emulated_thread place = {};
  place.block_size = threads;
  place.grid_size = blocks;
  int64_t count = (int64_t)blocks.x * blocks.y;
  for (int64_t k = 0; k < count; k++) {
    int64_t b = reverse ? count - 1 - k : k;
    place.block = {(unsigned)(b % blocks.x), (unsigned)(b / blocks.x), 0};
    run_block(place, reverse);
  }
  kd_emulated = &outside;
}
