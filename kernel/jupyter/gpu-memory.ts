/** Memory of NVIDIA's GPUs, as nvidia-smi says: the front process loads no driver. */
import { execFile } from "node:child_process";

export interface GpuMemory {
  readonly index: number;
  readonly name: string;
  /** Bytes, also of other processes. */
  readonly used: number;
  readonly total: number;
}

const QUERY = ["--query-gpu=index,name,memory.used,memory.total", "--format=csv,noheader,nounits"];
const PATIENCE_MS = 5000;
const MIB = 1024 * 1024;

/** Empty where there is no GPU, or no driver that answers. */
export function gpuMemory(): Promise<readonly GpuMemory[]> {
  return new Promise((resolve) => {
    execFile("nvidia-smi", QUERY, { timeout: PATIENCE_MS }, (error, stdout) =>
      resolve(error === null ? stdout.split("\n").flatMap(readLine) : []),
    );
  });
}

/** `0, NVIDIA H100 80GB HBM3, 1024, 81559`; a figure that a GPU does not tell is `[N/A]`. */
function readLine(line: string): GpuMemory[] {
  const [index = "", name = "", used = "", total = ""] = line.split(", ");
  const figures = { index: Number(index), used: Number(used) * MIB, total: Number(total) * MIB };
  return index !== "" && Object.values(figures).every(Number.isFinite) ? [{ name, ...figures }] : [];
}
