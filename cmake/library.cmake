# SPDX-License-Identifier: Apache-2.0
# The folders of src/ as the library that programs link. All of it is linked once into a single
# relocatable object in which hidden names become local; the archive holds that object and the
# shared library is made from it, so both export the same: what the public header marks XC_API.
get_property(modules GLOBAL PROPERTY XC_MODULES)
set(archives "")
set(XC_EXTERNALS "") # the libraries of others that the modules asked for
foreach(module ${modules})
    list(APPEND archives $<TARGET_FILE:${module}>)
    get_target_property(uses ${module} INTERFACE_LINK_LIBRARIES)
    list(APPEND XC_EXTERNALS ${uses})
endforeach()
list(FILTER XC_EXTERNALS EXCLUDE REGEX "xc_")
list(REMOVE_DUPLICATES XC_EXTERNALS)

set(whole ${PROJECT_BINARY_DIR}/xception-all.o)
set(prelinked ${PROJECT_BINARY_DIR}/xception.o)
add_custom_command(OUTPUT ${prelinked}
    COMMAND ${CMAKE_LINKER} -r -o ${whole} --whole-archive ${archives}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole} ${prelinked}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${whole}
    DEPENDS ${modules}
    COMMENT "Linking the modules into xception.o"
    VERBATIM)
add_custom_target(xception_prelinked DEPENDS ${prelinked})

foreach(kind STATIC SHARED)
    string(TOLOWER xception_${kind} target)
    add_library(${target} ${kind} ${prelinked})
    add_dependencies(${target} xception_prelinked)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME xception
                                               ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
                                               LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
target_link_libraries(xception_static PUBLIC ${XC_EXTERNALS})
target_link_libraries(xception_shared PRIVATE xc_flags ${XC_EXTERNALS})
target_link_options(xception_shared PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/xception.map)
if(NOT XC_SANITIZE AND NOT XC_COVERAGE) # those leave their runtime to the program
    target_link_options(xception_shared PRIVATE -Wl,--no-undefined)
endif()
set_target_properties(xception_shared PROPERTIES VERSION ${PROJECT_VERSION}
                                                 SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                                                 EXPORT_NAME xception
                                                 LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/xception.map)
