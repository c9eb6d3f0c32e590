/** When and where figures were taken. */

import { cpus } from "node:os";

import { addon } from "../addon";
import type { CpuInfo } from "../native";

export interface Provenance {
  /** Year-month-day, UTC. */
  readonly date: string;
  /** The processor, and how many cores of it this process may keep busy. */
  readonly machine: string;
  readonly isa: CpuInfo["isa"];
}

export function provenance(): Provenance {
  const { isa, cores } = addon().cpuInfo();
  const machine = `${cpus()[0]?.model.trim() ?? "unknown"} × ${cores}`;
  return { date: new Date().toISOString().slice(0, 10), machine, isa };
}
