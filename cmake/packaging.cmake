# What is installed, and Debian's packages of it: `kiln` (the program, its manual, completion, configs) and `libkiln-dev`
# (the library for find_package(kiln)). cmake --preset package && cmake --build --preset package && cpack --preset package
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The program writes its own manual and completions.
set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
set(texts kiln.1 kiln.bash _kiln kiln.fish)
set(kiln.1_command manual)
set(kiln.bash_command completion bash)
set(_kiln_command completion zsh)
set(kiln.fish_command completion fish)
foreach(text IN LISTS texts)
  add_custom_command(OUTPUT ${generated}/${text} DEPENDS kiln_binary
    COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
    COMMAND kiln_binary ${${text}_command} > ${generated}/${text} VERBATIM)
endforeach()
list(TRANSFORM texts PREPEND ${generated}/ OUTPUT_VARIABLE generated_files)
add_custom_target(kiln_texts ALL DEPENDS ${generated_files})

install(TARGETS kiln_binary RUNTIME COMPONENT kiln)
install(FILES ${generated}/kiln.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT kiln)
install(FILES ${generated}/kiln.bash RENAME kiln COMPONENT kiln
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${generated}/_kiln DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT kiln)
install(FILES ${generated}/kiln.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT kiln)
install(DIRECTORY configs data DESTINATION ${CMAKE_INSTALL_DATADIR}/kiln COMPONENT kiln
  FILES_MATCHING PATTERN "*.json" PATTERN "tales.txt" PATTERN "chat*.jsonl" PATTERN "__pycache__" EXCLUDE)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT kiln)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT kiln
  FILES_MATCHING PATTERN "*.md" PATTERN "example" EXCLUDE)

install(TARGETS kiln kiln_settings EXPORT kiln ARCHIVE COMPONENT libkiln-dev)
install(DIRECTORY include/kiln DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libkiln-dev)
set(package_files ${CMAKE_INSTALL_LIBDIR}/cmake/kiln)
install(EXPORT kiln NAMESPACE kiln:: FILE kiln-targets.cmake DESTINATION ${package_files} COMPONENT libkiln-dev)
configure_package_config_file(cmake/kiln-config.cmake.in kiln-config.cmake INSTALL_DESTINATION ${package_files})
write_basic_package_version_file(kiln-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kiln-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/kiln-config-version.cmake
  DESTINATION ${package_files} COMPONENT libkiln-dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "kiln's developers")
set(CPACK_PACKAGE_CONTACT "kiln's developers <kiln@localhost>")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
set(CPACK_COMPONENTS_ALL kiln libkiln-dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_KILN_PACKAGE_NAME kiln)
set(CPACK_DEBIAN_LIBKILN-DEV_PACKAGE_NAME libkiln-dev)
set(CPACK_DEBIAN_LIBKILN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBKILN-DEV_PACKAGE_DEPENDS
  "libeigen3-dev, libfmt-dev, libspdlog-dev, nlohmann-json3-dev, libpcre2-dev, libxxhash-dev, zlib1g-dev, libzstd-dev, librsvg2-dev, mpi-default-dev")
set(CPACK_COMPONENT_KILN_DESCRIPTION "Trains GPT-style transformers, from raw text to a model that other tools load")
set(CPACK_COMPONENT_LIBKILN-DEV_DESCRIPTION "The library that kiln is made of")
include(CPack)
