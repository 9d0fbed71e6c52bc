#!/bin/bash
# The plug-in and the machine: what it exports and needs, that kdist needs none of it, and that device = cuda says which thing
# is missing. Drivers are mocks, so the answers do not depend on this machine.
. "$(dirname "$0")/../support/program.sh" || exit 1
. "$support/mock_driver.sh" || exit 1
unset LD_LIBRARY_PATH KDIST_CUDA_PLUGIN CUDA_VISIBLE_DEVICES
plugin=$(dirname "$KDIST")/libkdist_cuda.so

# The program: no library of NVIDIA.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
needed "$KDIST" | grep -iE 'cuda|cudnn|cublas|nvrtc|nccl' && fail "kdist itself needs a library of NVIDIA"

cat >model.ini <<'INI'
[input x]
shape = 4
[layer y]
type = Dense
units = 3
[data]
format = synthetic
samples = 8
[train]
loss = MeanSquaredError()
INI

# refuses FOLDER TEXT: with the driver in FOLDER, device = cuda ends with code 2 and the text, info says it, auto computes.
refuses() {
  local path=$work/$1
  LD_LIBRARY_PATH=$path expect 2 "$1" 0 check model.ini distributed.device=cuda && has err "device = cuda: $2"
  LD_LIBRARY_PATH=$path expect 0 "$1, info" 0 info && has out "cuda       not usable: $2"
  LD_LIBRARY_PATH=$path expect 0 "$1, auto" 0 check model.ini
}
mkdir none
[ -e /usr/lib/x86_64-linux-gnu/libcuda.so.1 ] || refuses none 'no NVIDIA driver: libcuda.so.1 is not on this machine'
mock_driver old 12040 1 0
refuses old 'the NVIDIA driver is too old: it knows CUDA 12.4, kdist needs 13.0'
mock_driver empty 13000 0 0
refuses empty 'no CUDA device: the NVIDIA driver is there but shows none'
CUDA_VISIBLE_DEVICES=none refuses empty "no CUDA device: the NVIDIA driver shows none (CUDA_VISIBLE_DEVICES is 'none')"
mock_driver without 13000 0 100
refuses without 'no CUDA device: the NVIDIA driver is there but shows none'
mock_driver broken 13000 1 999
refuses broken 'no CUDA device: the NVIDIA driver does not start (CUDA error 999)'
mock_driver stub 13000 1 34
refuses stub "no NVIDIA driver: libcuda.so.1 is the toolkit's stub"
mock_driver good 13000 1 0
KDIST_CUDA_PLUGIN=$work/absent.so refuses good 'a library is missing for CUDA:'
has err "absent.so" || has out "absent.so"
echo 'const char *kd_other(void) { return "x"; }' | cc -shared -fPIC -x c - -o other.so
KDIST_CUDA_PLUGIN=$work/other.so refuses good "'$work/other.so' is not a CUDA plug-in of kdist"
cat >version.c <<'C'
static const struct { int abi; const char *version; void *backend, *libraries; } plugin = {0, "0.0.1", 0, 0};
const void *kd_cuda_entry(const void *host) { (void)host; return &plugin; }
C
cc -shared -fPIC version.c -o version.so
KDIST_CUDA_PLUGIN=$work/version.so refuses good "'$work/version.so' is of kdist 0.0.1"
expect 2 "TF32 on the CPU" 0 check model.ini distributed.device=cpu train.tf32=true
has err '[train] tf32 = true has no effect on this device'
expect 2 "another device" 0 check model.ini distributed.device=gpu && has err 'device = gpu is unknown'

if [ -r "$plugin" ]; then
  exported=$(nm -D --defined-only "$plugin" | awk '{print $3}')
  [ "$exported" = kd_cuda_entry ] || fail "the plug-in exports: $exported"
  needed "$plugin" | grep -q 'libcuda\.so' && fail "the plug-in does not load without a driver"
  needed "$plugin" | grep -q 'libnccl' && fail "the plug-in does not load without NCCL"
  echo "plug-in: $(stat -c %s "$plugin") bytes"
  # It opens, and meets a driver that is none.
  LD_LIBRARY_PATH=$work/good expect 1 "mock driver" 0 check model.ini distributed.device=cuda
  has err 'device = cuda: CUDA: choosing the device'
  # NCCL: by its version, or with the loader's words.
  LD_LIBRARY_PATH=$work/good expect 0 "info" 0 info && grep -q 'nccl  *\(NCCL 2\.\|not usable: \)' out || fail "info tells nothing of NCCL"
  mock_driver damaged 13000 1 0
  : >damaged/libnccl.so.2
  if grep -q 'nccl  *NCCL 2' out; then
    LD_LIBRARY_PATH=$work/damaged expect 0 "info, damaged NCCL" 0 info && has out "not usable: no NCCL: $work/damaged/libnccl.so.2: file too short"
  fi
else
  LD_LIBRARY_PATH=$work/good expect 2 "no plug-in" 0 check model.ini distributed.device=cuda
  has err 'no CUDA plug-in: libkdist_cuda.so is not beside kdist'
fi
finish
