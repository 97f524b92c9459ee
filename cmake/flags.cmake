# SPDX-License-Identifier: Apache-2.0
# What is every file of ours compiled with? Never -ffast-math, never contraction of a*b + c: the
# same source must give the same bits. Kernels add their instruction set in src/kernel.
add_library(xc_flags INTERFACE)
target_compile_definitions(xc_flags INTERFACE _GNU_SOURCE)
target_compile_options(xc_flags INTERFACE
    -ffp-contract=off -fno-fast-math
    -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2
    -fstack-protector-strong -fstack-clash-protection
    $<$<BOOL:${XC_WERROR}>:-Werror>)
target_link_options(xc_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g")
if(XC_SANITIZE)
    set(CMAKE_C_FLAGS_RELEASE "-O2") # with assertions
endif()

if(XC_SANITIZE)
    target_compile_options(xc_flags INTERFACE -g1 -fsanitize=${XC_SANITIZE} -fno-sanitize-recover=all
                                              -fno-omit-frame-pointer)
    target_link_options(xc_flags INTERFACE -fsanitize=${XC_SANITIZE})
else() # sanitizers replace the checked functions by their own
    target_compile_options(xc_flags INTERFACE
        $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
endif()
if(XC_FUZZ)
    target_compile_options(xc_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(XC_COVERAGE)
    target_compile_options(xc_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(xc_flags INTERFACE --coverage)
endif()
