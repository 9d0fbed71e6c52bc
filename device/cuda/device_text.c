#include "device/cuda/device_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/base/text.h"

enum { MOST_NAME = 64, MOST_WORD = 48, SIZES = 3 };

typedef struct member {
  const char *name;
  int count; /* numbers; 0: a name */
  double least, most;
} member;

#define COUNT 1, 1, 1 << 30
#define BYTES 1, 0, 1 << 30
static const member members[] = {
    {"maxGridSize", SIZES, 1, 0x1p31},
    {"maxBlockSize", SIZES, 1, 0x1p31},
    {"regsPerBlock", COUNT},
    {"multiProcessorCount", 1, 1, 4096},
    {"warpSize", 1, 32, 32},
    {"maxSharedMemoryPerBlock", BYTES},
    {"maxSharedMemoryPerBlockOptin", BYTES},
    {"reservedSharedMemoryPerBlock", BYTES},
    {"maxRegistersPerSM", COUNT},
    {"maxCtasPerSM", 1, 1, 1024},
    {"maxThreadsPerBlock", 1, 32, 65536},
    {"maxThreadsPerSM", 1, 32, 65536},
    {"pciDeviceId", 1, 0, 0x1p31},
    {"isTccDriver", 1, 0, 1},
    {"supportCoopLaunch", 1, 0, 1},
    {"smClockRateKHz", COUNT},
    {"memClockRateKHz", COUNT},
    {"l2CacheSize", BYTES},
    {"deviceName", 0, 0, 0},
    {"deviceVer", 1, 750, 2000},
    {"driverVer", 1, 0, 1000000},
    {"totalGlobalMem", 1, 1, 0x1p50},
    {"cudaDeviceId", 1, 0, 0},
};
enum { N_MEMBERS = sizeof members / sizeof *members };

typedef struct value {
  bool there;
  double number[SIZES];
  char name[MOST_NAME];
} value;

typedef struct reader {
  const char *at;
  value value[N_MEMBERS];
} reader;

static void skip_space(reader *r) {
  r->at += strspn(r->at, " \t\r\n");
}

static bool take(reader *r, char wanted) {
  skip_space(r);
  if (*r->at != wanted) return false;
  r->at++;
  return true;
}

/* Letters that need no escape. */
static bool read_name(reader *r, char *to, size_t room) {
  if (!take(r, '"')) return false;
  size_t n = 0;
  for (; *r->at >= ' ' && *r->at <= '~' && *r->at != '"' && *r->at != '\\' && n + 1 < room; n++)
    to[n] = *r->at++;
  to[n] = 0;
  return *r->at++ == '"';
}

/* Digits, with a point or a sign; nothing that strtod knows beyond that. */
static bool read_number(reader *r, double *number) {
  char *end;
  skip_space(r);
  size_t length = strspn(r->at, "-+.0123456789eE");
  *number = strtod(r->at, &end);
  bool good = length > 0 && end == r->at + length;
  r->at += length;
  return good;
}

/* Numbers in brackets, or one; the first `most` are kept. */
static bool read_numbers(reader *r, double *to, int most, int *count) {
  *count = 0;
  if (!take(r, '[')) {
    *count = 1;
    return read_number(r, to);
  }
  do {
    double number;
    if (!read_number(r, &number)) return false;
    if (*count < most) to[*count] = number;
    ++*count;
  } while (take(r, ','));
  return take(r, ']');
}

static int member_of(const char *name) {
  int m = 0;
  while (m < N_MEMBERS && !kd_streq(members[m].name, name)) m++;
  return m;
}

static kd_status read_member(reader *r) {
  char name[MOST_WORD], text[MOST_NAME];
  double number[SIZES] = {0};
  int count = 0;
  KD_CHECK(read_name(r, name, sizeof name) && take(r, ':'), KD_ERR_USAGE, "a member \"name\": is expected");
  skip_space(r);
  bool is_text = *r->at == '"';
  KD_CHECK(is_text ? read_name(r, text, sizeof text) : read_numbers(r, number, SIZES, &count), KD_ERR_USAGE,
           "the value of %s is no number, numbers in brackets, or a plain name", name);
  int m = member_of(name);
  if (m == N_MEMBERS) return KD_OK;
  value *v = &r->value[m];
  KD_CHECK(count == members[m].count && !v->there, KD_ERR_USAGE, "%s must stand once and have %d numbers",
           name, members[m].count);
  for (int i = 0; i < count; i++)
    KD_CHECK(number[i] >= members[m].least && number[i] <= members[m].most &&
                 number[i] == (double)(long long)number[i],
             KD_ERR_USAGE, "%s = %.15g is no whole number from %.15g to %.15g", name, number[i],
             members[m].least, members[m].most);
  v->there = true;
  memcpy(v->number, number, sizeof number);
  if (is_text) memcpy(v->name, text, sizeof text);
  return KD_OK;
}

static kd_status read_object(reader *r) {
  KD_CHECK(take(r, '{'), KD_ERR_USAGE, "a JSON object is expected: what cuDNN says of a device");
  do KD_TRY(read_member(r));
  while (take(r, ','));
  bool closed = take(r, '}');
  skip_space(r);
  KD_CHECK(closed && *r->at == 0, KD_ERR_USAGE, "the object does not end where it should");
  for (int m = 0; m < N_MEMBERS; m++)
    KD_CHECK(r->value[m].there, KD_ERR_USAGE, "%s is missing", members[m].name);
  return KD_OK;
}

static const char *text_of(kd_pool *pool, const reader *r) {
  const char *text = "";
  for (int m = 0; m < N_MEMBERS; m++) {
    const value *v = &r->value[m];
    const char *end = m + 1 < N_MEMBERS ? "," : "}";
    text = kd_pool_printf(pool, "%s%c\"%s\":", text, m ? ' ' : '{', members[m].name);
    if (members[m].count == 0)
      text = kd_pool_printf(pool, "%s\"%s\"%s", text, v->name, end);
    else if (members[m].count == 1)
      text = kd_pool_printf(pool, "%s%.0f%s", text, v->number[0], end);
    else
      text =
          kd_pool_printf(pool, "%s[%.0f,%.0f,%.0f]%s", text, v->number[0], v->number[1], v->number[2], end);
  }
  return text;
}

kd_status kd_device_text_read(kd_pool *pool, const char *text, kd_device_text *device) {
  reader r = {.at = text};
  KD_TRY(read_object(&r));
  *device = (kd_device_text){.name = kd_pool_strdup(pool, r.value[member_of("deviceName")].name),
                             .json = text_of(pool, &r),
                             .capability = (int)r.value[member_of("deviceVer")].number[0] / 10,
                             .bytes = r.value[member_of("totalGlobalMem")].number[0]};
  return KD_OK;
}
