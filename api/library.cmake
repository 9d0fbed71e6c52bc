# libkdist as programs use it: shared and static, with headers, pkg-config and CMake package files. Both export the
# functions of include/kdist*.h and nothing else.
include(CMakePackageConfigHelpers)

add_library(kdist_shared SHARED $<TARGET_OBJECTS:kdist_api>)
target_link_libraries(kdist_shared PRIVATE kdist_launch)
target_link_options(kdist_shared PRIVATE -Wl,--no-undefined)
target_include_directories(kdist_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(kdist_shared PROPERTIES OUTPUT_NAME kdist EXPORT_NAME kdist
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

# The static library is one object whose inner names are local, so that they cannot clash with a program's.
set(objects "")
foreach(part api launch trainer io comm layers device vector_base vector_v3 vector_v4)
  list(APPEND objects $<TARGET_OBJECTS:kdist_${part}>)
endforeach()
set(static_library ${CMAKE_BINARY_DIR}/libkdist.a)
add_custom_command(OUTPUT ${static_library}
  COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o kdist_whole.o ${objects}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden kdist_whole.o
  COMMAND ${CMAKE_COMMAND} -E rm -f ${static_library}
  COMMAND ${CMAKE_AR} crs ${static_library} kdist_whole.o
  COMMAND ${CMAKE_COMMAND} -E rm -f kdist_whole.o
  DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM COMMENT "Linking C static library libkdist.a")
add_custom_target(kdist_static ALL DEPENDS ${static_library})

# What programs that link the static library need besides.
set(KDIST_STATIC_LIBS ${HDF5_LDFLAGS} ${ZIP_LDFLAGS} ${JSON_LDFLAGS} ${PROTOBUF_C_LDFLAGS} ${XXHASH_LDFLAGS} ${ZLIB_LIBRARIES} ${DNNL_LIBRARY}
  ${MPI_C_LIBRARIES} ${OpenMP_C_LIBRARIES} -lpthread -lmvec -lm)
list(JOIN KDIST_STATIC_LIBS " " KDIST_STATIC_LINE)
file(RELATIVE_PATH KDIST_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # so that the prefix may be moved
configure_file(${CMAKE_CURRENT_LIST_DIR}/kdist.pc.in ${CMAKE_BINARY_DIR}/kdist.pc @ONLY)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kdist)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/kdistConfig.cmake.in ${CMAKE_BINARY_DIR}/kdistConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/kdistConfigVersion.cmake COMPATIBILITY SameMinorVersion)

file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/kdist*.h)
install(FILES ${headers} TYPE INCLUDE)
install(TARGETS kdist_shared EXPORT kdistTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${static_library} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/kdist.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(EXPORT kdistTargets NAMESPACE kdist:: DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/kdistConfig.cmake ${CMAKE_BINARY_DIR}/kdistConfigVersion.cmake
  DESTINATION ${package_dir})
