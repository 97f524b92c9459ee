# SPDX-License-Identifier: Apache-2.0
# One static library a folder of src/, so that a test links just what it tests.
# xc_module(NAME SOURCES file... USES library...) is called in each folder's CMakeLists.txt.
function(xc_module name)
    cmake_parse_arguments(M "" "" "SOURCES;USES" ${ARGN})
    add_library(xc_${name} STATIC ${M_SOURCES})
    target_include_directories(xc_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                 ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(xc_${name} PUBLIC xc_flags ${M_USES})
    set_property(GLOBAL APPEND PROPERTY XC_MODULES xc_${name})
endfunction()
