# SPDX-License-Identifier: Apache-2.0
# What goes where? Headers, both libraries, pkg-config file and CMake package, command, man pages, completions. The helper of
# imports is installed by tools/import.
install(FILES include/xception.h TYPE INCLUDE)
install(DIRECTORY include/xception TYPE INCLUDE)
install(TARGETS xception_static DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS xception_shared EXPORT xceptionConfig DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS xception DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_BINARY_DIR}/completion/xception
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/completion/_xception
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/completion/xception.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# find_package(xception): the shared library as xception::xception.
include(CMakePackageConfigHelpers)
write_basic_package_version_file(xceptionConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT xceptionConfig NAMESPACE xception:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/xception)
install(FILES ${PROJECT_BINARY_DIR}/xceptionConfigVersion.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/xception)

# Static linking needs the libraries of others: "PkgConfig::X" is a package, the rest are flags.
set(XC_PC_REQUIRES "")
set(XC_PC_LIBS "")
foreach(external ${XC_EXTERNALS})
    if(external MATCHES "^PkgConfig::(.*)$")
        string(APPEND XC_PC_REQUIRES " ${${CMAKE_MATCH_1}_MODULE_NAME}")
    elseif(external STREQUAL "Threads::Threads")
        string(APPEND XC_PC_LIBS " -pthread")
    else()
        string(APPEND XC_PC_LIBS " -l${external}")
    endif()
endforeach()
string(STRIP "${XC_PC_REQUIRES}" XC_PC_REQUIRES)
string(STRIP "${XC_PC_LIBS}" XC_PC_LIBS)
cmake_path(APPEND XC_PC_LIBDIR "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND XC_PC_INCLUDEDIR "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(cmake/xception.pc.in xception.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/xception.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
