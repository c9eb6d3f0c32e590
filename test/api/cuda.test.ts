/**
 * The engine on CUDA as programs see it, on machines without a GPU: `npm test` builds an addon whose kernels run on the CPU
 * (native/test/simt), two GPUs by name.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { loadModel, profile, type LoadOptions } from "../../kernel/api/index";
import { cli, cliJson } from "../support/cli";
import { difference, goldenCase, root, temporaryFolder } from "../support/fixtures";

const addonFile = join(root, "build/cmake/stateline_simt.node");
process.env["STATELINE_ADDON"] = addonFile;

/** A GPU a rank, unless `options` say otherwise. */
function onGpus(ranks: number, options: LoadOptions = {}): LoadOptions {
  return { tensorParallel: ranks, device: "cuda", computeType: "f32", verifyCollectives: true, ...options };
}

const containing = (text: string): unknown => expect.stringContaining(text);

jest.setTimeout(300_000);

test.each(
  ["mamba-odd", "falcon-odd", "zamba-odd"].flatMap((name) => [1, 2].map((ranks): [string, number] => [name, ranks])),
)("%s on %i GPUs gives the reference's logits and tokens", async (name, ranks) => {
  const golden = await goldenCase(name);
  const model = await loadModel(golden.directory, onGpus(ranks));
  try {
    expect(model.device).toBe("cuda");
    for (const { tokens, logits, greedy } of golden.prompts.slice(0, 1)) {
      const error = difference(await model.logits(tokens, { chunk: 7 }), logits);
      expect(error.max).toBeLessThanOrEqual(golden.toleranceF32);
      const maxNewTokens = Math.min(greedy.length, 8);
      const result = await model.generate(tokens, { maxNewTokens, stopTokens: [] });
      expect(result.tokens).toEqual(greedy.slice(0, maxNewTokens));
    }
  } finally {
    await model.close();
  }
});

test("four ranks on one GPU give the reference's logits", async () => {
  const golden = await goldenCase("zamba-odd");
  const model = await loadModel(golden.directory, onGpus(4, { gpus: [0, 0, 0, 0] }));
  try {
    const [{ tokens, logits } = { tokens: [], logits: new Float32Array() }] = golden.prompts;
    expect(difference(await model.logits(tokens), logits).max).toBeLessThanOrEqual(golden.toleranceF32);
  } finally {
    await model.close();
  }
});

test("a run on GPUs says that events stamped it and how far they may be off", async () => {
  const golden = await goldenCase("mamba-odd");
  const model = await loadModel(golden.directory, onGpus(2));
  try {
    const options = { maxNewTokens: 3, stopTokens: [] };
    const run = await profile(() => model.generate(golden.prompts[0]?.tokens ?? [], options), {
      runs: temporaryFolder(),
    });
    expect(run.info.device).toBe("cuda");
    expect(run.info.clocks.map(({ method }) => method)).toEqual(["cuda-events", "cuda-events"]);
    for (const { errorNs } of run.info.clocks) expect(errorNs).toBeGreaterThan(0);
    expect(run.info.gpus).toEqual(["0: SIMT runner", "1: SIMT runner"]);
    expect(run.info.link).toBe("peer memory of GPUs, with native atomics");
    expect(run.info.decodeSteps).toContain("not as the CUDA graphs");
  } finally {
    await model.close();
  }
});

const library = (name: string): string => join(root, "build/cmake/native/test", name);
const cublas = library("simt_engine/libfake_cublas.so");
const oldCublas = library("simt_engine/system/libcublas.so.13");
const nccl = (kind: string): string => library(`simt_nccl/libfake_nccl_${kind}.so`);

test.each<[string, Record<string, string>, object]>([
  [
    "the GPUs, and the versions of what serves them",
    { STATELINE_CUBLAS: cublas, STATELINE_NCCL: nccl("WORKING") },
    {
      cuda: { compiled: true, gpus: ["SIMT runner, 8.59 GB", "SIMT runner, 8.59 GB"], todo: null },
      driver: { available: true, version: "13.0", todo: null },
      cublas: { available: true, version: "13.1.0", library: cublas, todo: null },
      nccl: { available: true, version: "2.27.3", todo: null },
    },
  ],
  [
    "a driver that is missing",
    { STATELINE_SIMT_DRIVER: "0" },
    {
      cuda: { gpus: [], todo: containing("no NVIDIA driver") },
      driver: { available: false, version: null, todo: containing("install one that serves CUDA 13.0") },
    },
  ],
  [
    "a driver that is too old",
    { STATELINE_SIMT_DRIVER: "12080" },
    {
      driver: { available: false, version: "12.8", todo: containing("this build needs 13.0; install a newer driver") },
    },
  ],
  [
    "a driver without GPUs",
    { STATELINE_SIMT_DEVICES: "0" },
    { driver: { available: true, todo: null }, cuda: { todo: containing("check CUDA_VISIBLE_DEVICES") } },
  ],
  [
    "a GPU that does not answer",
    { STATELINE_SIMT_SILENT: "0" },
    { cuda: { gpus: ["uncorrectable ECC error encountered", "SIMT runner, 8.59 GB"] } },
  ],
  [
    "libraries that are missing",
    { STATELINE_CUBLAS: "off", STATELINE_NCCL: "/nowhere/libnccl.so.2" },
    {
      cublas: { available: false, version: null, todo: containing("pip install nvidia-cublas") },
      nccl: { available: false, version: null, todo: containing("pip install nvidia-nccl-cu13") },
    },
  ],
  [
    "libraries that are too old",
    { STATELINE_CUBLAS: oldCublas, STATELINE_NCCL: nccl("OLD") },
    {
      cublas: {
        available: false,
        todo: containing("is cuBLAS 11.10.3, and 12.0 is the oldest that serves; pip install"),
      },
      nccl: { available: false, todo: containing("is the oldest that serves; install NCCL: pip install") },
    },
  ],
])("doctor tells %s", async (_, env, expected) => {
  // A process of its own: Jest's changes of the environment do not reach the addon.
  const health = await cliJson<object>(["doctor"], { env: { STATELINE_ADDON: addonFile, ...env } });
  expect(health).toMatchObject(expected);
});

test("doctor prints a reason once, at the first line that it concerns", async () => {
  const { stdout } = await cli(["doctor"], { env: { STATELINE_ADDON: addonFile, STATELINE_SIMT_DRIVER: "0" } });
  expect(stdout).toMatch(/^driver +no +this machine has no NVIDIA driver[^]*^cuda +compiled, no GPU *$/m);
});

test.each<[string, LoadOptions, string, string]>([
  ["more ranks than GPUs", { tensorParallel: 4, device: "cuda" }, "E_GPU_COUNT", "ranks share one where gpus says so"],
  ["a GPU that is not there", { device: "cuda", gpus: [7] }, "E_OPTION", "gpus must lie in 0 to 1, got 7"],
  ["int8 arithmetic", { device: "cuda", computeType: "int8" }, "E_COMPUTE_TYPE", "available: auto, f32, bf16, f16"],
])("%s is refused: %o", async (_, options, code, message) => {
  const { directory } = await goldenCase("mamba-odd");
  await expect(loadModel(directory, options)).rejects.toMatchObject({
    code: expect.stringContaining(code) as unknown,
    message: expect.stringContaining(message) as unknown,
  });
});

test.each<[string, Record<string, string>, string]>([
  ["no driver", { STATELINE_SIMT_DRIVER: "0" }, "this machine has no NVIDIA driver"],
  ["an old driver", { STATELINE_SIMT_DRIVER: "12080" }, "the NVIDIA driver serves CUDA 12.8, this build needs 13.0"],
  ["no GPU", { STATELINE_SIMT_DEVICES: "0" }, "the NVIDIA driver sees no GPU"],
  [
    "too little memory",
    { STATELINE_SIMT_MEMORY: "200000" },
    "of its 1 MiB left (this process holds a step's inputs 1 MiB): use more ranks",
  ],
  ["a kernel that fails", { STATELINE_SIMT_FAILS: "700" }, "an illegal memory access was encountered"],
  ["memory that errs", { STATELINE_SIMT_FAILS: "214" }, "uncorrectable ECC error encountered"],
  ["a launch that takes too long", { STATELINE_SIMT_FAILS: "702" }, "the launch timed out and was terminated"],
  ["no NCCL", { STATELINE_NCCL: "/nowhere/libnccl.so.2" }, "install NCCL: pip install nvidia-nccl-cu13"],
])("%s is told in one line", async (_, env, message) => {
  const { directory } = await goldenCase("mamba-odd");
  const device = ["--device", "cuda", "--gpu-link", "STATELINE_NCCL" in env ? "nccl" : "auto"];
  const args = ["generate", "--model", directory, "--tokens", "1,2,3", "--max-new-tokens", "1", ...device];
  const { code, stderr } = await cli(args, { env: { STATELINE_ADDON: addonFile, ...env } });
  expect([code, stderr.trim().split("\n")]).toEqual([1, [expect.stringContaining(message)]]);
});

test("after a kernel that fails on a GPU the model closes, and the process computes on", async () => {
  const { directory } = await goldenCase("mamba-odd");
  const script = `
    const { loadModel } = require(${JSON.stringify(join(root, "dist/kernel/api/index.js"))});
    const load = (options) => loadModel(${JSON.stringify(directory)}, { computeType: "f32", ...options });
    (async () => {
      const gpus = await load({ device: "cuda", tensorParallel: 2 });
      const { code, details } = await gpus.logits([1, 2, 3]).catch((error) => error);
      await gpus.close();
      const cpu = await load({ device: "cpu" });
      const logits = await cpu.logits([1, 2, 3]);
      await cpu.close();
      console.log(JSON.stringify({ code, cuda: details.cuda, finite: logits.every(Number.isFinite) }));
    })();`;
  // A process of its own: Jest's changes of the environment do not reach the addon.
  const env = { ...process.env, STATELINE_ADDON: addonFile, STATELINE_SIMT_FAILS: "700" };
  const printed = execFileSync(process.execPath, ["-e", script], { env, encoding: "utf8" });
  expect(JSON.parse(printed)).toEqual({ code: "E_CUDA", cuda: "cudaErrorIllegalAddress", finite: true });
});
