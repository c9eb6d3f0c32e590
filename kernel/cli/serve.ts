/** `stateline serve`: the profiler on a folder of runs, until Ctrl+C. */

import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";

import { Command } from "commander";

import { RunError } from "../../profiler-ui/trace/errors";
import type { ProfilerServer, ServerOptions } from "../../profiler-ui/server/index";
import type { FolderRunSource } from "../api/index";
import { api, server } from "./lazy";
import { integerFromZero, withJson, type OutputFlags } from "./options";
import { aborted, interruptible, note, printJson, printLine } from "./output";

interface Flags extends OutputFlags {
  readonly port: number;
  readonly host: string;
  readonly open?: boolean;
  readonly frameOrigin?: readonly string[];
}

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("the profiler, in the browser")
    .argument("[runs]", "folder of runs (default: $STATELINE_RUNS or runs)")
    .option("--port <number>", "0 takes a free one", integerFromZero, 0)
    .option("--host <address>", "address to bind", "127.0.0.1")
    .option(
      "--frame-origin <origin...>",
      "pages that may show timelines in a frame (default: notebooks on this machine)",
    )
    .option("--open", "open the browser");
  return withJson(command).action((runs: string | undefined, flags: Flags) =>
    interruptible((signal) => serve(runs, flags, signal)),
  );
}

async function serve(runs: string | undefined, flags: Flags, signal: AbortSignal): Promise<void> {
  if (runs !== undefined) await checkFolder(runs);
  const source = new (api().FolderRunSource)(runs);
  const { port: wanted, host, frameOrigin: frameOrigins } = flags;
  const options = { source, port: wanted, host, ...(frameOrigins && { frameOrigins }) };
  await serving(options, signal, ({ url, token, port }) => {
    if (flags.json) printJson({ url, token, port });
    else printLine(`Profiler of ${source.folder}: ${url}`);
    if (flags.open) openBrowser(url);
  });
}

/** Serves a folder of runs, announced to notebooks, until the signal. `opened` says where. */
export async function serving(
  options: ServerOptions & { readonly source: FolderRunSource },
  signal: AbortSignal,
  opened: (profiler: ProfilerServer) => void,
): Promise<void> {
  const profiler = await server().startServer(options);
  try {
    const withdraw = await options.source.announce(profiler.url);
    try {
      opened(profiler);
      await aborted(signal);
    } finally {
      await withdraw();
    }
  } finally {
    await profiler.close();
  }
}

/** @throws RunError `E_RUNS_UNREADABLE` where a folder that was named is not there */
export async function checkFolder(runs: string): Promise<void> {
  const found = await stat(runs).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new RunError("E_RUNS_UNREADABLE", `there is no folder ${runs}; \`stateline generate --record\` makes runs`, {
    folder: runs,
  });
}

export function openBrowser(url: string): void {
  const command = process.platform === "darwin" ? "open" : process.platform === "win32" ? "explorer" : "xdg-open";
  const child = spawn(command, [url], { stdio: "ignore", detached: true });
  child.on("error", (error) => note(`cannot open a browser (${error.message}); open the address by hand`));
  child.unref();
}
