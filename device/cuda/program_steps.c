#include "device/cuda/program_steps.h"

#include <inttypes.h>
#include <string.h>

/* NVRTC has no headers of its own; KD_EMULATED: a test compiles the text for the processor and brings the
 * conversions of half types. */
const char kd_program_prelude[] =
    "#ifndef KD_EMULATED\n"
    "static __device__ float kd_from_f16(unsigned short x) {\n"
    "  float y;\n"
    "  asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(y) : \"h\"(x));\n"
    "  return y;\n"
    "}\n"
    "static __device__ unsigned short kd_to_f16(float x) {\n"
    "  unsigned short y;\n"
    "  asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(y) : \"f\"(x));\n"
    "  return y;\n"
    "}\n"
    "#endif\n"
    "static __device__ float kd_from_bf16(unsigned short x) { return __uint_as_float((unsigned)x << 16); }\n"
    "static __device__ unsigned short kd_to_bf16(float x) {\n"
    "  unsigned b = __float_as_uint(x);\n"
    "  if ((b & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((b | 0x400000u) >> 16);\n"
    "  return (unsigned short)((b + 0x7fffu + (b >> 16 & 1)) >> 16);\n"
    "}\n"
    /* Beyond the range its ends, 0 for NaN. */
    "static __device__ int kd_to_i32(float x) {\n"
    "  if (x != x) return 0;\n"
    "  return x < -2147483648.0f ? -2147483647 - 1 : x >= 2147483648.0f ? 2147483647 : (int)x;\n"
    "}\n"
    "static __device__ long long kd_to_i64(float x) {\n"
    "  if (x != x) return 0;\n"
    "  return x < -9223372036854775808.0f  ? -9223372036854775807ll - 1\n"
    "         : x >= 9223372036854775808.0f ? 9223372036854775807ll\n"
    "                                       : (long long)x;\n"
    "}\n"
    "static __device__ unsigned kd_to_u32(float x) {\n"
    "  return x != x || x <= 0 ? 0u : x >= 4294967296.0f ? 4294967295u : (unsigned)x;\n"
    "}\n"
    "static __device__ unsigned char kd_to_u8(float x) {\n"
    "  return (unsigned char)(x != x || x <= 0 ? 0 : x >= 255 ? 255 : (int)x);\n"
    "}\n"
    "static __device__ float kd_mod(float a, float b) {\n"
    "  float rest = fmodf(a, b);\n"
    "  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;\n"
    "}\n"
    /* Philox 4x32-10 and the keys of device/base/rng.h. */
    "static __device__ unsigned long long kd_mix(unsigned long long key, unsigned long long word) {\n"
    "  unsigned long long z = key + 0x9E3779B97F4A7C15ull * (word + 1);\n"
    "  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;\n"
    "  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;\n"
    "  return z ^ (z >> 31);\n"
    "}\n"
    "struct kd_words { unsigned v[4]; };\n"
    "static __device__ kd_words kd_block(const unsigned *rng, unsigned node, unsigned long long row,\n"
    "                                    unsigned long long low) {\n"
    "  unsigned long long key = kd_mix((unsigned long long)node << 32 | rng[0],\n"
    "                                  (unsigned long long)rng[2] << 32 | rng[1]);\n"
    "  unsigned long long high = rng[3] + row;\n"
    "  unsigned c0 = (unsigned)low, c1 = (unsigned)(low >> 32), c2 = (unsigned)high, c3 = (unsigned)(high >> "
    "32);\n"
    "  unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);\n"
    "  for (int round = 0; round < 10; round++) {\n"
    "    unsigned long long p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;\n"
    "    unsigned n0 = (unsigned)(p1 >> 32) ^ c1 ^ k0, n2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;\n"
    "    c1 = (unsigned)p1;\n"
    "    c3 = (unsigned)p0;\n"
    "    c0 = n0;\n"
    "    c2 = n2;\n"
    "    k0 += 0x9E3779B9u;\n"
    "    k1 += 0xBB67AE85u;\n"
    "  }\n"
    "  return {{c0, c1, c2, c3}};\n"
    "}\n"
    "static __device__ float kd_unit(unsigned word) { return (float)(word >> 8) * 5.9604644775390625e-8f; }\n"
    "static __device__ float kd_uniform(const unsigned *rng, unsigned node, unsigned long long row,\n"
    "                                   unsigned long long e) {\n"
    "  kd_words w = kd_block(rng, node, row, e / 4);\n"
    "  int k = (int)(e % 4);\n"
    "  return kd_unit(k == 0 ? w.v[0] : k == 1 ? w.v[1] : k == 2 ? w.v[2] : w.v[3]);\n"
    "}\n"
    "static __device__ float kd_normal(const unsigned *rng, unsigned node, unsigned long long row,\n"
    "                                  unsigned long long e) {\n"
    "  kd_words w = kd_block(rng, node, row, e / 4);\n"
    "  float u0 = kd_unit(e % 4 < 2 ? w.v[0] : w.v[2]), u1 = kd_unit(e % 4 < 2 ? w.v[1] : w.v[3]);\n"
    "  float radius = sqrtf(-2.0f * logf(1.0f - u0)), angle = 6.283185307179586f * u1;\n"
    "  return e % 2 == 0 ? radius * cosf(angle) : radius * sinf(angle);\n"
    "}\n";

/* $0, $1, $2 are the operands. A NaN in either operand of max and min gives NaN. */
static const char *const form[KD_N_PW] = {
    [KD_PW_COPY] = "$0",
    [KD_PW_NEG] = "-$0",
    [KD_PW_ABS] = "fabsf($0)",
    [KD_PW_SIGN] = "$0 == 0 || $0 != $0 ? $0 : copysignf(1.0f, $0)",
    [KD_PW_SQUARE] = "$0 * $0",
    [KD_PW_SQRT] = "sqrtf($0)",
    [KD_PW_RSQRT] = "1.0f / sqrtf($0)",
    [KD_PW_RECIP] = "1.0f / $0",
    [KD_PW_EXP] = "expf($0)",
    [KD_PW_EXPM1] = "expm1f($0)",
    [KD_PW_LOG] = "logf($0)",
    [KD_PW_LOG1P] = "log1pf($0)",
    [KD_PW_TANH] = "tanhf($0)",
    [KD_PW_SIGMOID] = "1.0f / (1.0f + expf(-$0))",
    [KD_PW_SOFTPLUS] = "log1pf(expf(-fabsf($0))) + ($0 > 0 ? $0 : $0 != $0 ? $0 : 0.0f)",
    [KD_PW_ERF] = "erff($0)",
    [KD_PW_SIN] = "sinf($0)",
    [KD_PW_COS] = "cosf($0)",
    [KD_PW_FLOOR] = "floorf($0)",
    [KD_PW_ROUND] = "rintf($0)",
    [KD_PW_RELU] = "$0 < 0 ? 0.0f : $0",
    [KD_PW_NOT] = "$0 == 0 ? 1.0f : 0.0f",
    [KD_PW_FINITE] = "$0 - $0 == 0 ? 1.0f : 0.0f",
    [KD_PW_TO_BF16] = "kd_from_bf16(kd_to_bf16($0))",
    [KD_PW_TO_F16] = "kd_from_f16(kd_to_f16($0))",
    [KD_PW_ADD] = "$0 + $1",
    [KD_PW_SUB] = "$0 - $1",
    [KD_PW_MUL] = "$0 * $1",
    [KD_PW_DIV] = "$0 / $1",
    [KD_PW_MAX] = "$0 != $0 || $0 > $1 ? $0 : $1",
    [KD_PW_MIN] = "$0 != $0 || $0 < $1 ? $0 : $1",
    [KD_PW_POW] = "powf($0, $1)",
    [KD_PW_MOD] = "kd_mod($0, $1)",
    [KD_PW_LT] = "$0 < $1 ? 1.0f : 0.0f",
    [KD_PW_LE] = "$0 <= $1 ? 1.0f : 0.0f",
    [KD_PW_EQ] = "$0 == $1 ? 1.0f : 0.0f",
    [KD_PW_AND] = "$0 != 0 && $1 != 0 ? 1.0f : 0.0f",
    [KD_PW_OR] = "$0 != 0 || $1 != 0 ? 1.0f : 0.0f",
    [KD_PW_SELECT] = "$0 != 0 ? $1 : $2",
    [KD_PW_FMA] = "$0 * $1 + $2",
};

static void write_random(FILE *out, const kd_pw_step *step, int64_t row) {
  fprintf(out, "%s(x%d, %" PRIu32 "u, i / %" PRId64 ", i %% %" PRId64 ")",
          step->op == KD_PW_UNIFORM ? "kd_uniform" : "kd_normal", step->arg[0], step->imm.node, row, row);
}

void kd_program_step(FILE *out, const kd_pw_step *step, int64_t row) {
  if (step->op == KD_PW_CONST) {
    uint32_t bits;
    memcpy(&bits, &step->imm.value, sizeof bits);
    fprintf(out, "__uint_as_float(0x%08" PRIx32 "u)", bits);
    return;
  }
  if (step->op == KD_PW_UNIFORM || step->op == KD_PW_NORMAL) {
    write_random(out, step, row);
    return;
  }
  for (const char *at = form[step->op]; *at; at++) {
    if (*at == '$')
      fprintf(out, "v%d", step->arg[*++at - '0']);
    else
      fputc(*at, out);
  }
}
