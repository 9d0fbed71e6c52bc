#include "device/cpu/isa.h"

#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <dnnl.h>

static const char *const names[KD_N_ISAS] = {"base", "v3", "v4"};

/* --- probes: a virtual machine may announce instructions that it traps ---------------------------- */

static sigjmp_buf probe_return;

static void probe_trapped(int signal_number) {
  siglongjmp(probe_return, signal_number);
}

static void probe_v3(void) {
  __asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\tvcvtph2ps %%xmm0, %%ymm0\n\t"
                   "vfmadd231ps %%ymm0, %%ymm0, %%ymm0\n\tvpbroadcastd %%xmm0, %%ymm0\n\tvzeroupper" ::
                       : "xmm0");
}

/* Only registers 0 to 15: the others cannot be named as clobbered in code compiled without AVX-512. */
static void probe_v4(void) {
  __asm__ volatile("vpxord %%zmm0, %%zmm0, %%zmm0\n\tvscalefps %%zmm0, %%zmm0, %%zmm0\n\t"
                   "vpmovqd %%zmm0, %%ymm0\n\tvcvtqq2ps %%ymm0, %%xmm0\n\tvpmovzxbw %%ymm0, %%zmm0\n\t"
                   "vplzcntd %%zmm0, %%zmm0\n\tvzeroupper" ::
                       : "xmm0");
}

/* A configuration of palette 1 with one tile of 16 rows of 64 bytes. */
static void probe_amx(void) {
  _Alignas(64) unsigned char config[64] = {[0] = 1, [16] = 64, [48] = 16};
  __asm__ volatile("ldtilecfg %0\n\ttilezero %%tmm0\n\ttilerelease" ::"m"(config));
}

static bool probe_runs(void (*probe)(void)) {
  struct sigaction trap = {.sa_handler = probe_trapped}, old_ill, old_segv;
  sigemptyset(&trap.sa_mask);
  sigaction(SIGILL, &trap, &old_ill);
  sigaction(SIGSEGV, &trap, &old_segv);
  bool runs = false;
  if (sigsetjmp(probe_return, 1) == 0) {
    probe();
    runs = true;
  }
  sigaction(SIGILL, &old_ill, NULL);
  sigaction(SIGSEGV, &old_segv, NULL);
  return runs;
}

/* --- choice ---------------------------------------------------------------------------------------- */

static bool announces_v3(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}

static bool announces_v4(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

static pthread_once_t found = PTHREAD_ONCE_INIT;
static kd_isa available;

/* __builtin_cpu_supports reads XGETBV too, so registers that the system does not save count as absent. */
static void find_available(void) {
  __builtin_cpu_init();
  available = KD_ISA_BASE;
  if (announces_v3() && probe_runs(probe_v3)) available = KD_ISA_V3;
  if (available == KD_ISA_V3 && announces_v4() && probe_runs(probe_v4)) available = KD_ISA_V4;
}

kd_isa kd_isa_available(void) {
  pthread_once(&found, find_available);
  return available;
}

kd_status kd_isa_choose(kd_isa *isa) {
  *isa = kd_isa_available();
  const char *wish = getenv("KDIST_ISA");
  if (!wish || !wish[0]) return KD_OK;
  for (int i = 0; i < KD_N_ISAS; i++) {
    if (strcmp(wish, names[i]) != 0) continue;
    KD_CHECK((kd_isa)i <= *isa, KD_ERR_USAGE, "KDIST_ISA=%s: this processor offers %s at most", wish,
             names[*isa]);
    *isa = (kd_isa)i;
    return KD_OK;
  }
  return kd_fail(KD_ERR_USAGE, "KDIST_ISA is not one of base, v3, v4");
}

const char *kd_isa_name(kd_isa isa) {
  return names[isa];
}

/* --- oneDNN ---------------------------------------------------------------------------------------- */

static bool announces_amx(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1);
}

/* Linux gives the tile registers to a process only on request (arch_prctl ARCH_REQ_XCOMP_PERM). */
static bool amx_usable(void) {
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, TILE_LEAF = 0x1d };
  unsigned palettes, b, c, d;
  if (!__get_cpuid_count(TILE_LEAF, 0, &palettes, &b, &c, &d) || palettes == 0) return false;
  if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0) return false;
  return probe_runs(probe_amx);
}

static kd_isa onednn_isa;

static void limit_onednn(void) {
  if (onednn_isa == KD_ISA_BASE)
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
  else if (onednn_isa == KD_ISA_V3)
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
  else if (announces_amx() && !amx_usable())
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
}

void kd_isa_limit_onednn(kd_isa isa) {
  static pthread_once_t limited = PTHREAD_ONCE_INIT;
  onednn_isa = isa;
  pthread_once(&limited, limit_onednn);
}

/* --- tables ---------------------------------------------------------------------------------------- */

#define KD_VECTOR(result, name, ...) .name = kd_##name##_base,
static const kd_vector_table table_base = {
#include "device/cpu/vector.def"
};
#undef KD_VECTOR

#define KD_VECTOR(result, name, ...) .name = kd_##name##_v3,
static const kd_vector_table table_v3 = {
#include "device/cpu/vector.def"
};
#undef KD_VECTOR

#define KD_VECTOR(result, name, ...) .name = kd_##name##_v4,
static const kd_vector_table table_v4 = {
#include "device/cpu/vector.def"
};
#undef KD_VECTOR

const kd_vector_table *kd_isa_table(kd_isa isa) {
  static const kd_vector_table *const tables[KD_N_ISAS] = {&table_base, &table_v3, &table_v4};
  return tables[isa];
}
