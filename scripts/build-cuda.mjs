// npm run build:cuda: NVIDIA's compiler where the machine has none, then the engine with CUDA.
import { ensureBuilt } from "./ensure.mjs";
import { fail } from "./lib.mjs";
import { ensureNvcc } from "./nvcc.mjs";

if (!ensureNvcc()) fail("Install CUDA 12 or newer, or Python 3 with pip and a way to PyPI.");
await ensureBuilt();
