/** The thread that renders a chat template: a checkpoint's template is a program of somebody else, which may never end. */

import { isMainThread, parentPort, workerData } from "node:worker_threads";

import { reasonOf } from "../../../profiler-ui/trace/errors";

/** What the thread is given. */
export interface RenderThreadData {
  readonly source: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The text, or why the template gives none. */
export type Rendered = { readonly text: string } | { readonly refused: string };

/** What is used of the library; its declarations do not resolve from CommonJS. */
interface LibraryModule {
  readonly Template: new (source: string) => { render(variables: Readonly<Record<string, unknown>>): string };
}

async function run({ source, variables }: RenderThreadData): Promise<void> {
  const { Template } = (await import("@huggingface/jinja")) as unknown as LibraryModule;
  let rendered: Rendered;
  try {
    rendered = { text: new Template(source).render(variables) };
  } catch (error) {
    rendered = { refused: reasonOf(error) };
  }
  parentPort?.postMessage(rendered);
}

if (!isMainThread) void run(workerData as RenderThreadData);
