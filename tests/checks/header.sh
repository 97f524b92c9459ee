#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# header.sh HEADER CC: does the public header compile alone, as C11 and as C++17, without a warning?
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1" "$folder/xception.h" # away from everything it could lean on
cd "$folder"
printf '#include "xception.h"\n#include "xception.h"\n' >alone.c
cp alone.c alone.cpp
warnings="-Wall -Wextra -Wpedantic -Werror"
"$2" -std=c11 $warnings -fsyntax-only alone.c
"$2" -x c++ -std=c++17 $warnings -fsyntax-only alone.cpp
# and it can fail
echo 'int missing = undeclared;' >>alone.c
if "$2" -std=c11 $warnings -fsyntax-only alone.c 2>/dev/null; then
    echo "a planted fault was not seen"
    exit 1
fi
