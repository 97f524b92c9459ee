#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# header.sh FOLDER CC: does each public header compile alone, as C11 and as C++17, without a warning?
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r "$1" "$folder/include" # away from everything it could lean on
cd "$folder/include"
warnings="-I. -Wall -Wextra -Wpedantic -Werror"
for header in xception.h xception/*.h; do
    printf '#include <%s>\n#include <%s>\n#include <xception.h>\n' "$header" "$header" >alone.c
    cp alone.c alone.cpp
    "$2" -std=c11 $warnings -fsyntax-only alone.c
    "$2" -x c++ -std=c++17 $warnings -fsyntax-only alone.cpp
done
# and it can fail
echo 'int missing = undeclared;' >>alone.c
if "$2" -std=c11 $warnings -fsyntax-only alone.c 2>/dev/null; then
    echo "a planted fault was not seen"
    exit 1
fi
