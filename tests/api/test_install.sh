#!/bin/bash
# The installed library as a program meets it: files, exported names, both package files, shared and static, C and C++; the
# examples compile, run alone and on two ranks, and learn what they should.
. "$(dirname "$0")/../support/program.sh" || exit 1
source=$(cd "$support/../.." && pwd)
build=$(cd "$(dirname "$KDIST")/.." && pwd)
[ -e "$build/libkdist.so" ] || { echo "skipped: this build has no libkdist"; exit 77; }
prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >install.log || { cat install.log; exit 1; }
library=$(dirname "$(find "$prefix" -name libkdist.a)")
export PKG_CONFIG_PATH=$library/pkgconfig LD_LIBRARY_PATH=$library
flags="-Wall -Wextra -Werror"

# run TEXT COMMAND...: it must succeed.
run() {
  local text=$1
  shift
  timeout -k 5 $limit "$@" >out 2>&1 || { fail "$text: exit code $?"; tail -n 15 out; return 1; }
}

# example NAME PROGRAM: alone, and on two ranks.
example() {
  run "$1" "$2" && has out "$3"
  run "$1 on two ranks" mpirun -np 2 "$2" && has out "$3"
}
examples() { # TEXT FOLDER
  example "$1 spirals" "$2/spirals" "accuracy on new points"
  example "$1 waves" "$2/waves" "are the same"
}

files() {
  local file
  for file in include/kdist.h include/kdist_layers.h include/kdist_layers_dense.h include/kdist_types.h bin/kdist; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
  done
  for file in libkdist.a libkdist.so libkdist.so.0 pkgconfig/kdist.pc cmake/kdist/kdistConfig.cmake \
    cmake/kdist/kdistConfigVersion.cmake cmake/kdist/kdistTargets.cmake; do
    [ -s "$library/$file" ] || fail "lib/$file is not installed"
  done
  readelf -d "$library/libkdist.so" | grep -q 'SONAME.*\[libkdist\.so\.0\]' || fail "the soname is not libkdist.so.0"
}

# Both libraries define the functions of the headers for others to use, and nothing else.
names() {
  cc -E -P -I"$prefix/include" -x c "$prefix/include/kdist.h" | grep -oE '\bkd_[a-z0-9_]+\(' | tr -d '(' | sort -u >declared
  [ "$(wc -l <declared)" -gt 50 ] || fail "only $(wc -l <declared) functions are declared"
  nm -D --defined-only "$library/libkdist.so" | awk '{ print $3 }' | sort -u >shared
  nm -g --defined-only "$library/libkdist.a" | awk 'NF == 3 { print $3 }' | sort -u >static
  same declared shared "names of libkdist.so" || diff declared shared | head
  same declared static "names of libkdist.a" || diff declared static | head
}

by_pkg_config() {
  local name
  mkdir shared_programs static_programs
  for name in spirals waves; do
    run "compile $name" cc -std=c11 -pedantic $flags "$source/examples/c/$name.c" $(pkg-config --cflags --libs kdist) -lm \
      -o shared_programs/$name
    run "compile $name, static" cc -std=c11 $flags "$source/examples/c/$name.c" $(pkg-config --cflags kdist) \
      "$library/libkdist.a" $(pkg-config --static --libs kdist | sed 's/-lkdist//') -o static_programs/$name
  done
  readelf -d shared_programs/waves | grep -q 'NEEDED.*libkdist\.so\.0' || fail "waves does not use libkdist.so.0"
  readelf -d static_programs/waves | grep -q 'NEEDED.*libkdist' && fail "the static program uses the shared library"
  examples "shared" "$work/shared_programs"
  LD_LIBRARY_PATH= examples "static" "$work/static_programs"
}

by_cmake() {
  run "find_package" cmake -S "$source/examples/c" -B cmake_programs -DCMAKE_PREFIX_PATH="$prefix" || return
  run "build with kdist::kdist" cmake --build cmake_programs || return
  run "waves by CMake" cmake_programs/waves
  cp -r "$source/examples/c" with_static
  sed -i 's/kdist::kdist/kdist::static/' with_static/CMakeLists.txt
  run "find_package, static" cmake -S with_static -B cmake_static -DCMAKE_PREFIX_PATH="$prefix" || return
  run "build with kdist::static" cmake --build cmake_static || return
  LD_LIBRARY_PATH= run "waves by CMake, static" cmake_static/waves
}

# The program in the README is complete but for its data.
readme() {
  {
    sed -n '/^```c$/,/^```$/p' "$source/README.md" | grep '^#include'
    printf '#include <stdio.h>\nstatic unsigned char images[60000 * 784], labels[60000];\nint main(void) {\n'
    sed -n '/^```c$/,/^```$/p' "$source/README.md" | grep -v '^#include\|^```' | sed 's/60000/600/; s/epochs = 5/epochs = 1/'
    printf 'int trained = kd_history_length(net) == 1;\nkd_net_destroy(net);\nreturn !trained;\n}\n'
  } >readme.c
  run "the README's program" cc -std=c11 $flags readme.c $(pkg-config --cflags --libs kdist) -o readme && run "it runs" ./readme
}

cplusplus() {
  command -v c++ >/dev/null || { echo "skipped C++: no c++"; return; }
  cat >plain.cpp <<'CPP'
#include <kdist.h>
int main() {
  kd_net *net = nullptr;
  if (kd_net_create("net", &net) != KD_OK) return 1;
  const int64_t shape[] = {2};
  kd_net_input(net, "x", KD_F32, 1, shape);
  kd_net_append(net, "Dense", "units=4, activation=relu");
  kd_dense_args dense = {};
  dense.x = kd_net_last(net);
  dense.units = 1;
  kd_dense_call(dense);
  kd_compile_args compile = {};
  compile.net = net;
  compile.loss = "mse";
  if (kd_compile_call(compile) != KD_OK) return 2;
  const float x[] = {1, 2, 3, 4}, y[] = {1, 0};
  kd_data data = {};
  data.count = 2;
  data.x[0].data = x;
  data.y[0].data = y;
  if (kd_train_step(net, &data) != KD_OK) return 3;
  kd_net_destroy(net);
  return kd_finalize();
}
CPP
  cat >named.cpp <<'CPP'
#include <kdist.h>
int main() {
  kd_net *net = nullptr;
  if (kd_net_create("net", &net) != KD_OK) return 1;
  const int64_t shape[] = {8, 8, 1};
  kd_out x = kd_net_input(net, "x", KD_F32, 3, shape);
  x = kd_conv2d(x, 4, {3, 3}, .padding = "same", .activation = "relu");
  x = kd_dense(kd_flatten(x), 1, .no_bias = true);
  if (kd_compile(net, .optimizer = "adam", .loss = "mse") != KD_OK) return 2;
  int64_t count;
  if (kd_net_params(net, true, &count) != KD_OK || count != 4 * 9 + 4 + 256) return 3;
  kd_net_destroy(net);
  return kd_finalize();
}
CPP
  local use="$(pkg-config --cflags --libs kdist)" standard
  for standard in c++11 c++17; do
    run "header as $standard" c++ -std=$standard -pedantic $flags plain.cpp $use -o plain && run "$standard program" ./plain
  done
  run "macros in C++20" c++ -std=c++20 $flags -Wno-missing-field-initializers named.cpp $use -o named && run "C++20 program" ./named
}

files
names
by_pkg_config
by_cmake
readme
cplusplus
finish
