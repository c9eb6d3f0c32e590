# stateline.node: the only target that sees Node's headers. They come with node-api-headers and node-addon-api,
# whether cmake-js drives CMake or a plain `cmake` does.

set(NODE_INCLUDES ${CMAKE_JS_INC})
if(NOT NODE_INCLUDES)
  execute_process(
    COMMAND node -p "require('node-api-headers').include_dir"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE NODE_INCLUDES OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
execute_process(
  COMMAND node -p "require('node-addon-api').include_dir"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE NODE_ADDON_API OUTPUT_STRIP_TRAILING_WHITESPACE)
get_filename_component(NODE_ADDON_API ${NODE_ADDON_API} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})

file(GLOB ADDON_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
add_library(stateline_addon MODULE ${ADDON_SOURCES} ${CMAKE_JS_SRC})
target_include_directories(stateline_addon SYSTEM PRIVATE ${NODE_INCLUDES} ${NODE_ADDON_API})
target_compile_definitions(stateline_addon PRIVATE NAPI_VERSION=8 NAPI_CPP_EXCEPTIONS)
target_compile_options(stateline_addon PRIVATE -Wall -Wextra)
target_link_libraries(stateline_addon PRIVATE ${STATELINE_CUDA_OBJECTS} stateline_engine ${CMAKE_JS_LIB})
if(STATELINE_SANITIZE STREQUAL "" AND NOT APPLE)
  target_link_options(stateline_addon PRIVATE -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL)
endif()
if(APPLE)
  target_link_options(stateline_addon PRIVATE -undefined dynamic_lookup)
endif()
set_target_properties(stateline_addon PROPERTIES
  OUTPUT_NAME stateline PREFIX "" SUFFIX ".node"
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_SOURCE_DIR}/build/Release)
