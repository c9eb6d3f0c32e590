/** Requests that are answered at once, also while a cell runs: one handler a message family, each giving a reply's content. */
import type { CellProcess } from "./cell-process";
import type { Comms } from "./comms";
import type { CompilerClient } from "./compiler-client";
import type { History } from "./history";
import { inspectionBundle } from "./inspection";
import { toCodePoints, toUtf16 } from "./text-offsets";
import type { Usage } from "./usage";
import { PROTOCOL_VERSION, type Content, type Message } from "./wire";

export interface RequestParts {
  readonly compiler: CompilerClient;
  readonly cells: CellProcess;
  readonly comms: Comms;
  readonly history: History;
  readonly usage: Usage;
  readonly versions: KernelVersions;
  readonly interrupt: () => void;
}

export interface KernelVersions {
  /** Of this package. */
  readonly kernel: string;
  /** Of the TypeScript that cells are written in. */
  readonly typescript: string;
}

type Handler = (message: Message, parts: RequestParts) => Content | Promise<Content>;

/** Handlers by message type; the reply's type is the request's with `_reply`. */
export const requestHandlers: Readonly<Record<string, Handler>> = {
  kernel_info_request: kernelInfo,
  complete_request: complete,
  inspect_request: inspect,
  is_complete_request: isComplete,
  history_request: ({ content }, { history }) => ({ status: "ok", history: history.find(content) }),
  comm_info_request: ({ content }, { comms }) => comms.info(content),
  interrupt_request: (_, { interrupt }) => {
    interrupt();
    return { status: "ok" };
  },
  usage_request: (_, { usage, cells }) => usage.reply(cells.pid),
};

function kernelInfo(_: Message, { versions }: RequestParts): Content {
  return {
    status: "ok",
    protocol_version: PROTOCOL_VERSION,
    implementation: "stateline",
    implementation_version: versions.kernel,
    language_info: {
      name: "typescript",
      version: versions.typescript,
      mimetype: "application/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: { name: "javascript", mode: "typescript", typescript: true },
      nbconvert_exporter: "script",
    },
    banner: `Stateline ${versions.kernel}: TypeScript ${versions.typescript} on Node ${process.versions.node}`,
    debugger: false,
    supported_features: [],
    help_links: [
      { text: "TypeScript", url: "https://www.typescriptlang.org/docs/" },
      { text: "Node.js", url: "https://nodejs.org/docs/latest-v20.x/api/" },
    ],
  };
}

async function complete({ content }: Message, { compiler }: RequestParts): Promise<Content> {
  const { code, offset } = position(content);
  const { start, end, matches } = await compiler.call("complete", { source: code, offset });
  const place = { start: toCodePoints(code, start), end: toCodePoints(code, end) };
  return {
    status: "ok",
    matches: matches.map(({ text }) => text),
    cursor_start: place.start,
    cursor_end: place.end,
    metadata: { _jupyter_types_experimental: matches.map((match) => ({ ...match, ...place })) },
  };
}

async function inspect({ content }: Message, { compiler }: RequestParts): Promise<Content> {
  const { code, offset } = position(content);
  const inspection = await compiler.call("inspect", { source: code, offset });
  if (inspection === undefined) return { status: "ok", found: false, data: {}, metadata: {} };
  return { status: "ok", found: true, data: inspectionBundle(inspection), metadata: {} };
}

async function isComplete({ content: { code } }: Message, { compiler }: RequestParts): Promise<Content> {
  if (typeof code !== "string") return { status: "unknown" };
  const answer = compiler.call("isComplete", { source: code });
  return answer.then(
    (completeness) => ({ ...completeness }),
    () => ({ status: "unknown" }), // the compiler has failed: the console decides
  );
}

/** Code and cursor of a request; without a cursor it is at the end. */
function position({ code, cursor_pos }: Content): { code: string; offset: number } {
  const text = typeof code === "string" ? code : "";
  return { code: text, offset: typeof cursor_pos === "number" ? toUtf16(text, cursor_pos) : text.length };
}
