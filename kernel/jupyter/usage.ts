/** Memory and processor of the kernel's two processes, and memory of the GPUs, for the resource views of JupyterLab and VS Code (usage_request). */
import { readFileSync } from "node:fs";
import { cpus, freemem, hostname, totalmem } from "node:os";
import { gpuMemory } from "./gpu-memory";
import type { Content } from "./wire";

interface Times {
  readonly at: number;
  /** Milliseconds of processor time. */
  readonly kernel: number;
  readonly hostBusy: number;
  readonly hostAll: number;
}

/** What `ps` counts a tick as, on every Linux of today. */
const MS_PER_TICK = 10;
const KIB = 1024;

/** Shares are of the time since the last question. */
export class Usage {
  #last: Times | undefined;

  /** @param worker Process id of the worker, if there is one. */
  async reply(worker: number | undefined): Promise<Content> {
    const gpus = await gpuMemory();
    const last = this.#last;
    const now = times(worker);
    this.#last = now;
    const share = (part: number, whole: number): number => (whole > 0 ? Math.max(0, (100 * part) / whole) : 0);
    const total = totalmem();
    const available = availableBytes();
    return {
      status: "ok",
      hostname: hostname(),
      pid: worker ?? process.pid,
      kernel_cpu: last === undefined ? 0 : share(now.kernel - last.kernel, now.at - last.at),
      kernel_memory: process.memoryUsage.rss() + (worker === undefined ? 0 : residentBytes(worker)),
      cpu_count: cpus().length,
      host_cpu_percent: last === undefined ? 0 : share(now.hostBusy - last.hostBusy, now.hostAll - last.hostAll),
      host_virtual_memory: {
        total,
        available,
        percent: share(total - available, total),
        used: total - available,
        free: freemem(),
      },
      gpus,
    };
  }
}

function times(worker: number | undefined): Times {
  const own = process.cpuUsage();
  let hostBusy = 0;
  let hostAll = 0;
  for (const { times: core } of cpus()) {
    const all = core.user + core.nice + core.sys + core.irq + core.idle;
    hostAll += all;
    hostBusy += all - core.idle;
  }
  return {
    at: performance.now(),
    kernel: (own.user + own.system) / 1000 + (worker === undefined ? 0 : processorMs(worker)),
    hostBusy,
    hostAll,
  };
}

/** On Linux from /proc; elsewhere another process's figures are not known here. */
function procFile(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(procFile(`${pid}/status`))?.[1] ?? 0) * KIB;
}

function availableBytes(): number {
  const kib = /MemAvailable:\s+(\d+)/.exec(procFile("meminfo"))?.[1];
  return kib === undefined ? freemem() : Number(kib) * KIB;
}

function processorMs(pid: number): number {
  // Behind the program's name, which may have blanks: fields 14 and 15 of the line are user and system time.
  const fields = procFile(`${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * MS_PER_TICK;
}
