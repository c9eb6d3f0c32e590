/** `stateline bench`: what this machine does, one file a benchmark. */

import { Command } from "commander";

import { allReduceBenchCommand } from "./bench/all-reduce";
import { cpuBenchCommand } from "./bench/cpu";
import { throughputBenchCommand } from "./bench/throughput";

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure this machine")
    .addCommand(allReduceBenchCommand())
    .addCommand(cpuBenchCommand())
    .addCommand(throughputBenchCommand());
}
