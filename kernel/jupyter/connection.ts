/** The connection file: which addresses to listen on and with which key messages are signed. */
import { readFileSync } from "node:fs";
import { reasonOf, StatelineError } from "../../profiler-ui/trace/errors";

/** A kernel that cannot be started, installed or reached. */
export class KernelError extends StatelineError {}

export const channels = ["shell", "iopub", "stdin", "control", "hb"] as const;
export type Channel = (typeof channels)[number];

export interface ConnectionInfo {
  readonly transport: "tcp" | "ipc";
  readonly ip: string;
  readonly ports: Readonly<Record<Channel, number>>;
  /** Empty: messages are not signed. */
  readonly key: string;
  /** Like `sha256`. */
  readonly hash: string;
}

/** Reads a connection file as Jupyter writes it. @throws KernelError `E_CONNECTION_FILE` */
export function readConnectionFile(path: string): ConnectionInfo {
  const refuse = (reason: string): never => {
    throw new KernelError(
      "E_CONNECTION_FILE",
      `connection file ${path} ${reason}; Jupyter writes it when it starts a kernel`,
      {
        path,
      },
    );
  };
  let file: Record<string, unknown> = {};
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (error) {
    refuse(`cannot be read (${reasonOf(error)})`);
  }
  const text = (key: string, fallback: string): string => {
    const value = file[key] ?? fallback;
    return typeof value === "string" ? value : refuse(`has ${key} ${JSON.stringify(value)}, not a text`);
  };
  const transport = text("transport", "tcp");
  if (transport !== "tcp" && transport !== "ipc") return refuse(`has transport ${transport}, not tcp or ipc`);
  const scheme = text("signature_scheme", "hmac-sha256");
  if (!scheme.startsWith("hmac-")) return refuse(`has signature_scheme ${scheme}, not hmac-…`);
  const port = (channel: Channel): number => {
    const value = file[`${channel}_port`];
    if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
    return refuse(`has ${channel}_port ${String(value)}, not a port`);
  };
  return {
    transport,
    ip: text("ip", "127.0.0.1"),
    ports: {
      shell: port("shell"),
      iopub: port("iopub"),
      stdin: port("stdin"),
      control: port("control"),
      hb: port("hb"),
    },
    key: text("key", ""),
    hash: scheme.slice("hmac-".length),
  };
}

/** ZeroMQ address of a channel: `tcp://ip:port`, `ipc://path-port`. */
export function address({ transport, ip, ports }: ConnectionInfo, channel: Channel): string {
  return `${transport}://${ip}${transport === "tcp" ? ":" : "-"}${ports[channel]}`;
}
