/* Descriptions of GPUs as cuDNN takes them, so that plans can be made where there is none. Made from data
 * sheets and one machine; a GPU's own is what cuDNN says of it. */
#ifndef KD_CUDA_DEVICES_H
#define KD_CUDA_DEVICES_H

#define DEVICE(name, capability, processors, shared, shared_most, per_processor, threads, clock,             \
               memory_clock, cache, bytes)                                                                   \
  "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"        \
  "\"multiProcessorCount\":" #processors ",\"warpSize\":32,\"maxSharedMemoryPerBlock\":" #shared             \
  ",\"maxSharedMemoryPerBlockOptin\":" #shared_most ",\"reservedSharedMemoryPerBlock\":1024,"                \
  "\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":" #per_processor                                             \
  ",\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":" #threads ",\"pciDeviceId\":9013,\"isTccDriver\":0,"    \
  "\"supportCoopLaunch\":1,\"smClockRateKHz\":" #clock ",\"memClockRateKHz\":" #memory_clock                 \
  ",\"l2CacheSize\":" #cache ",\"deviceName\":\"" name "\",\"deviceVer\":" #capability                       \
  ",\"driverVer\":13000,\"totalGlobalMem\":" #bytes ",\"cudaDeviceId\":0}"

static const struct {
  const char *name, *json;
} devices[] = {
    {"h200",
     DEVICE("NVIDIA H200", 900, 132, 49152, 232448, 32, 2048, 1980000, 3201000, 62914560, 150000000000)},
    {"a100", DEVICE("NVIDIA A100-SXM4-80GB", 800, 108, 49152, 166912, 32, 2048, 1410000, 1593000, 41943040,
                    85000000000)},
    {"a10", DEVICE("NVIDIA A10", 860, 72, 49152, 101376, 16, 1536, 1695000, 6251000, 6291456, 24000000000)},
    {"t4", DEVICE("Tesla T4", 750, 40, 49152, 65536, 16, 1024, 1590000, 5001000, 4194304, 16000000000)},
};

#endif
