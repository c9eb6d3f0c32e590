/** Progress of slow work: a bar under the running cell, or a line that a terminal rewrites. At most ten updates a second. */

import { cellHost, type CellHost, type MimeBundle } from "./display";
import { escapeHtml } from "./draw/table";

/** What `onProgress` callbacks get. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** Where progress is shown. `end` leaves the final state. */
export interface ProgressView {
  update(progress: Progress): void;
  end(): void;
}

const INTERVAL_MS = 100;
const BAR = 30;

/** Bar under the running cell, once the work has lasted long enough to see; undefined outside notebooks. */
export function cellProgress(label: string): ProgressView | undefined {
  const host = cellHost();
  if (!host) return undefined;
  return throttled(host.console ? lineSink(label) : cellSink(host, label));
}

/** Line on a terminal's stderr; undefined when stderr is not a terminal. */
export function terminalProgress(label: string): ProgressView | undefined {
  return process.stderr.isTTY ? throttled(lineSink(label)) : undefined;
}

interface Sink {
  show(progress: Progress): void;
  end(): void;
}

/** A line that is drawn over: it never gets shorter. */
function lineSink(label: string): Sink {
  return {
    show: (progress) => void process.stderr.write(`\r${line(label, progress)}`),
    end: () => void process.stderr.write("\n"),
  };
}

function cellSink(host: CellHost, label: string): Sink {
  const displayId = `stateline-progress-${nextDisplay++}`;
  let shown = false;
  return {
    show(progress) {
      const bundle = drawBar(label, progress);
      if (shown) host.update(bundle, displayId);
      else host.display(bundle, displayId);
      shown = true;
    },
    end: () => undefined,
  };
}

let nextDisplay = 0;

/** The first update waits one interval, so that quick work shows nothing; the last one always shows if any did. */
function throttled(sink: Sink): ProgressView {
  let due = performance.now() + INTERVAL_MS;
  let shown = false;
  let pending: Progress | undefined;
  return {
    update(progress) {
      pending = progress;
      if (performance.now() < due) return;
      due = performance.now() + INTERVAL_MS;
      sink.show(progress);
      shown = true;
      pending = undefined;
    },
    end() {
      if (!shown) return;
      if (pending) sink.show(pending);
      sink.end();
    },
  };
}

function share({ done, total }: Progress): number {
  return total > 0 ? Math.min(1, done / total) : 1;
}

function line(label: string, progress: Progress): string {
  const filled = Math.round(BAR * share(progress));
  const percent = String(Math.floor(100 * share(progress))).padStart(3);
  return `${label} ${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${percent} %`;
}

function drawBar(label: string, progress: Progress): MimeBundle {
  const percent = Math.floor(100 * share(progress));
  return {
    "text/plain": line(label, progress),
    "text/html":
      `<div style="display:flex;align-items:center;gap:8px"><span>${escapeHtml(label)}</span>` +
      `<div style="width:240px;height:10px;background-color:rgba(138,148,160,0.3);border-radius:5px"><div style="width:${percent}%;height:10px;background-color:#2a78c6;border-radius:5px"></div></div>` +
      `<span>${percent} %</span></div>`,
  };
}
