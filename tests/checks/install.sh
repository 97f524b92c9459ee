#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD CC: is what `make install` puts in a folder enough to build and run a program,
# with either library, and to run the command?
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder" >/dev/null
cd "$folder"
cat >program.c <<'END'
#include <stdio.h>
#include <xception.h>
#include <xception/evaluate.h>
int main(void)
{
    return puts(xc_version()) < 0;
}
END
pc=$(find . -name xception.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
config="pkg-config --define-variable=prefix=$folder"
library=$($config --variable=libdir xception)

"$2" program.c $($config --cflags --libs xception) -o shared
"$2" program.c $($config --cflags xception) "$library/libxception.a" \
    $($config --static --libs xception | sed 's/-lxception//') -o static
want=$($config --modversion xception)

cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(program LANGUAGES C)
find_package(xception ${want%.*} REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE xception::xception)
END
cmake -S . -B found -DCMAKE_PREFIX_PATH="$folder" -DCMAKE_C_COMPILER="$2" >/dev/null
cmake --build found >/dev/null

for answer in "$(LD_LIBRARY_PATH=$library ./shared)" "$(./static)" "$(./found/program)"; do
    [ "$answer" = "$want" ] || { echo "got $answer, not $want"; exit 1; }
done
readelf -d shared | grep -q "NEEDED.*\[libxception.so.${want%.*}\]"
readelf -d "$library/libxception.so.${want%.*}" | grep -q "SONAME.*\[libxception.so.${want%.*}\]"
readelf -d bin/xception | grep -q 'FLAGS.*NOW'
readelf -h bin/xception | grep -q 'Type:.*DYN' # position independent
./bin/xception --version >/dev/null
