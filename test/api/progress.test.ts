/** Bars of progress under a cell: seldom enough to be no load, and the last one stays as the work ended. */

import { cellProgress } from "../../kernel/api/progress";
import type { CellHost } from "../../kernel/api/display";

const hostSymbol = Symbol.for("stateline.cellHost");

interface Shown {
  readonly how: "display" | "update";
  readonly id: string | undefined;
  readonly text: string;
}

/** What `work` shows under a cell; it is handed a clock that it moves itself. */
function shownBy(work: (wait: (ms: number) => void) => void): Shown[] {
  jest.useFakeTimers();
  const shown: Shown[] = [];
  const record =
    (how: Shown["how"]) =>
    (bundle: Readonly<Record<string, unknown>>, id?: string): void =>
      void shown.push({ how, id, text: String(bundle["text/plain"]) });
  const host: CellHost = {
    cell: 1,
    console: false,
    signal: new AbortController().signal,
    display: record("display"),
    update: record("update"),
    clear: () => undefined,
    sendComm: () => undefined,
  };
  Reflect.set(globalThis, hostSymbol, host);
  try {
    work((ms) => jest.advanceTimersByTime(ms));
  } finally {
    Reflect.deleteProperty(globalThis, hostSymbol);
    jest.useRealTimers();
  }
  return shown;
}

test("three seconds of work change one bar at most ten times a second, and leave it full", () => {
  const shown = shownBy((wait) => {
    const view = cellProgress("working");
    for (let done = 1; done <= 3000; done++) {
      wait(1);
      view?.update({ done, total: 3000 });
    }
    view?.end();
  });
  expect(shown.length).toBeGreaterThan(20);
  expect(shown.length).toBeLessThanOrEqual(31);
  expect(shown.map(({ how }) => how)).toEqual(["display", ...shown.slice(1).map(() => "update")]);
  expect(new Set(shown.map(({ id }) => id)).size).toBe(1);
  expect(shown.at(-1)?.text).toMatch(/^working █{30} 100 %$/);
});

test("work that fails half-way leaves how far it came; what is over at once shows nothing; two bars are two", () => {
  const half = shownBy((wait) => {
    const view = cellProgress("half");
    wait(150);
    view?.update({ done: 1, total: 10 });
    view?.update({ done: 5, total: 10 });
    view?.end();
  });
  expect(half.map(({ text }) => text)).toEqual([expect.stringContaining(" 10 %"), expect.stringContaining(" 50 %")]);
  const quick = shownBy(() => {
    const view = cellProgress("quick");
    view?.update({ done: 1, total: 1 });
    view?.end();
  });
  expect(quick).toEqual([]);
  const two = shownBy((wait) => {
    const views = [cellProgress("one"), cellProgress("two")];
    wait(200);
    for (const view of views) view?.update({ done: 1, total: 2 });
  });
  expect(new Set(two.map(({ id }) => id)).size).toBe(2);
});
