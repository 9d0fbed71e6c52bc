#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "comm/comm.h"
#include "device/plugin.h"
#include "io/library.h"
#include "launch/commands.h"

static void print_nccl(const kd_device_sums *sums) {
  const char *text = sums ? sums->describe() : NULL;
  if (text)
    printf("  nccl       %s\n", text);
  else
    printf("  nccl       not usable: %s\n", sums ? kd_status_text() : "the plug-in was built without nccl.h");
}

/* Whether device = cuda would work, and if not, why. */
static void print_cuda(void) {
  const kd_plugin *plugin;
  kd_device device;
  int count = 0;
  char text[256];
  kd_status status = kd_cuda_count(&count);
  if (status == KD_OK) status = kd_cuda_plugin(&plugin);
  if (status != KD_OK) {
    printf("  cuda       not usable: %s\n", kd_status_text());
    return;
  }
  plugin->libraries(text, sizeof text);
  printf("  cuda       %d device%s: %s\n", count, count == 1 ? "" : "s", text);
  print_nccl(plugin->backend->sums);
  for (int i = 0; i < count; i++) {
    status = kd_device_open("cuda", i, 0, true, &device);
    if (status != KD_OK) {
      printf("  cuda:%d     not usable: %s\n", i, kd_status_text());
      continue;
    }
    printf("  cuda:%d     usable: %s\n", i, device.backend->describe(&device));
    kd_device_close(&device);
  }
}

static kd_status run_info(kd_cli *cli) {
  (void)cli;
  struct utsname system;
  kd_device device;
  int ranks;
  printf("kdist %s\n", KDIST_VERSION);
  if (uname(&system) == 0)
    printf("  host       %s, %s %s\n", system.nodename, system.sysname, system.release);
  printf("  cores      %ld online\n", sysconf(_SC_NPROCESSORS_ONLN));
  KD_TRY(kd_device_open("cpu", 0, 0, true, &device));
  printf("  cpu        usable: %s\n", device.backend->describe(&device));
  printf("  bfloat16   %s\n", device.backend->multiplies(KD_BF16)
                                  ? "products by instructions of the processor"
                                  : "products as float32 of rounded factors: slower than float32");
  kd_device_close(&device);
  print_cuda();
  printf("  mpi        usable: %s\n", kd_comm_library());
  printf("  files      usable: %s\n", kd_io_library());
  KD_TRY(kd_comm_promised_size(&ranks));
  printf("  ranks      %d\n", ranks);
  return KD_OK;
}

const kd_command kd_command_info = {
    .name = "info",
    .arguments = "",
    .help = "versions, devices, and what is usable here",
    .run = run_info,
};
