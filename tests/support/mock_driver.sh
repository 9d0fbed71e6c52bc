# A driver for tests on machines without one; sourced behind program.sh.
command -v cc >/dev/null || { echo "skipped: no C compiler"; exit 77; }

# mock_driver FOLDER VERSION DEVICES ERROR: $work/FOLDER/libcuda.so.1, whose cuInit gives the error.
mock_driver() {
  mkdir -p "$work/$1"
  cat >"$work/$1/driver.c" <<C
int cuDriverGetVersion(int *version) { *version = $2; return 0; }
int cuInit(unsigned flags) { return flags ? 1 : $4; }
int cuDeviceGetCount(int *count) { *count = $3; return 0; }
C
  cc -shared -fPIC "$work/$1/driver.c" -o "$work/$1/libcuda.so.1"
}
