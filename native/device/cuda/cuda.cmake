# CUDA kernels as objects, where an nvcc is found: STATELINE_HAS_CUDA, stateline_cuda_kernels and stateline_cudart.
#
# STATELINE_CUDA (a cache variable or the environment): AUTO builds them if there is an nvcc, ON insists, OFF does not.
# Looked for on PATH, in CUDA_HOME, and where `npm run build:cuda` puts one. The runtime is linked statically and opens
# the driver when it is first called, so what is linked loads on machines without one.

if(NOT "$ENV{STATELINE_CUDA}" STREQUAL "")
  set(STATELINE_CUDA "$ENV{STATELINE_CUDA}")
elseif(NOT DEFINED STATELINE_CUDA)
  set(STATELINE_CUDA AUTO)
endif()
set(STATELINE_HAS_CUDA OFF)

if(NOT STATELINE_CUDA STREQUAL "OFF")
  find_program(STATELINE_NVCC nvcc
    HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin ${CMAKE_SOURCE_DIR}/build/cuda/nvidia/cu13/bin /usr/local/cuda/bin)
  if(STATELINE_NVCC)
    set(STATELINE_HAS_CUDA ON)
  elseif(STATELINE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "STATELINE_CUDA is ON and no nvcc is on PATH, in CUDA_HOME or in build/cuda: "
      "install CUDA 12 or newer, or run `npm run build:cuda`")
  endif()
endif()

if(STATELINE_HAS_CUDA)
  # sm_90 runs on H100 and H200; PTX lets newer GPUs compile for themselves.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND "$ENV{CUDAARCHS}" STREQUAL "")
    set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90-real 90-virtual)
  endif()
  set(CMAKE_CUDA_COMPILER ${STATELINE_NVCC})
  # CMake 3.25 knows no later one for nvcc 13. Of programs that link kernels too, which would take C++'s 20.
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  enable_language(CUDA)

  # By hand: FindCUDAToolkit insists on the shared runtime, which the PyPI packages have under another name.
  get_filename_component(cuda_home ${CMAKE_CUDA_COMPILER} REALPATH)
  get_filename_component(cuda_home ${cuda_home}/../.. ABSOLUTE)
  find_library(STATELINE_CUDART cudart_static REQUIRED
    HINTS ${cuda_home}/lib64 ${cuda_home}/lib ${cuda_home}/targets/x86_64-linux/lib
    PATHS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES})
  find_path(STATELINE_CUDA_INCLUDE cuda_runtime_api.h REQUIRED
    HINTS ${cuda_home}/include ${cuda_home}/targets/x86_64-linux/include PATHS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  add_library(stateline_cudart INTERFACE)
  target_include_directories(stateline_cudart SYSTEM INTERFACE ${STATELINE_CUDA_INCLUDE})
  target_link_libraries(stateline_cudart INTERFACE ${STATELINE_CUDART} Threads::Threads ${CMAKE_DL_LIBS} rt)

  file(GLOB CUDA_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cu)
  add_library(stateline_cuda_kernels OBJECT ${CUDA_SOURCES})
  target_include_directories(stateline_cuda_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  # Keeps what ptxas says of registers and spills beside each object: scripts/cuda-table.mjs reads it.
  set(launcher sh ${CMAKE_CURRENT_LIST_DIR}/compile.sh ${CMAKE_CXX_COMPILER_LAUNCHER})
  set_target_properties(stateline_cuda_kernels PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}")
  target_compile_options(stateline_cuda_kernels PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v -Xcompiler=-Wall>)
  target_link_libraries(stateline_cuda_kernels PUBLIC stateline_cudart)
endif()
