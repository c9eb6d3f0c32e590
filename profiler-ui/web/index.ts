/** `/`: the runs, to open one or put two side by side. */

import { reasonOf } from "../trace/errors";
import { formatCount, formatSpeed, formatTime } from "../trace/format";
import type { RunListing } from "../trace/listing";
import { deleteRun, fetchRuns, restoreRun } from "./api";
import { byId, el, figure } from "./dom";
import { importer } from "./import";
import { startPage } from "./page";
import { dateOf, ranksOf, shortWiresOf, statusBadge, tagBadges, titleOf, wiresOf } from "./run-facts";
import { table, type Column } from "./table";

/** Milliseconds between looks for runs that came, grew or went. */
const LOOK = 2500;

startPage(async () => {
  const main = byId("main");
  let runs = await fetchRuns();
  let list: RunList | null = null;
  const toast = el("div", { class: "toast", role: "status", hidden: true });
  const dismiss = (): void => void (toast.hidden = true);
  const say = (...content: readonly (Node | string)[]): void => {
    const close = el("button", { type: "button", class: "quiet icon", "aria-label": "Dismiss", onclick: dismiss }, "×");
    toast.replaceChildren(...content, close);
    toast.hidden = false;
  };
  const failed = (error: unknown): void => say(reasonOf(error));
  const imports = importer({
    begun: (files) => say(`Importing ${files.length === 1 ? (files[0]?.name ?? "") : `${files.length} files`}…`),
    done: (id) => {
      say("Imported.", el("a", { href: `/runs/${encodeURIComponent(id)}` }, "Open the run"));
      void look().catch(failed);
    },
    failed,
  });
  document.body.append(toast, imports.field);
  const show = (): void => {
    if (runs.length === 0) {
      list = null;
      main.replaceChildren(emptyState(imports.button));
    } else if (list) list.update(runs);
    else {
      list = listOf(runs, { look, say, failed, importButton: imports.button });
      main.replaceChildren(...list.nodes);
    }
  };
  const look = async (): Promise<void> => {
    const now = await fetchRuns();
    if (JSON.stringify(now) === JSON.stringify(runs)) return;
    runs = now;
    show();
  };
  show();
  main.removeAttribute("aria-busy");
  // A server that is away for a while is asked again; what is shown stays.
  setInterval(() => {
    if (!document.hidden) void look().catch(() => undefined);
  }, LOOK);
});

interface RunList {
  readonly nodes: readonly Node[];
  readonly update: (runs: readonly RunListing[]) => void;
}

interface ListTools {
  /** Looks for runs that came or went. */
  readonly look: () => Promise<void>;
  readonly say: (...content: readonly (Node | string)[]) => void;
  readonly failed: (error: unknown) => void;
  readonly importButton: Node;
}

function emptyState(importButton: Node): HTMLElement {
  return el(
    "section",
    { class: "state" },
    el("h2", {}, "No runs yet"),
    el("p", {}, "A run is what the ranks did while a model worked: every op, every AllReduce. Record one with"),
    el(
      "pre",
      {},
      'stateline generate --model models/tiny-mamba --tp 2 \\\n  --prompt "Once upon a time" --max-new-tokens 32 --record',
    ),
    el(
      "p",
      {},
      "or in a notebook with ",
      el("code", {}, "stateline.profile(…)"),
      ". It appears here while it is recorded.",
    ),
    el("p", {}, "Traces of other tools can be dropped here: ", importButton),
  );
}

function listOf(first: readonly RunListing[], { look, say, failed, importButton }: ListTools): RunList {
  let runs = first;
  const chosen: string[] = [];
  const count = el("p", { class: "muted", role: "status" });
  const host = el("div");
  const compare = el("button", { type: "button", class: "primary", disabled: true }, "Compare two runs");
  compare.addEventListener("click", () => {
    const [a = "", b = ""] = chosen;
    location.assign(`/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`);
  });
  const choose = (id: string, on: boolean): void => {
    if (on) chosen.push(id);
    else chosen.splice(chosen.indexOf(id), 1);
    // A third one takes the place of the first.
    const dropped = chosen.length > 2 ? chosen.shift() : undefined;
    for (const box of host.querySelectorAll<HTMLInputElement>("input[type=checkbox]"))
      if (box.value === dropped) box.checked = false;
    compare.disabled = chosen.length !== 2;
    compare.textContent = chosen.length === 1 ? "Choose a second run" : "Compare two runs";
  };
  const search = el("input", {
    type: "search",
    placeholder: "Search runs",
    "aria-label": "Search runs",
    autocomplete: "off",
  });
  const show = (): void => {
    const words = search.value.toLowerCase().split(/\s+/);
    const found = runs.filter((run) => words.every((word) => textOf(run).includes(word)));
    count.textContent =
      found.length === runs.length
        ? `${runs.length} ${runs.length === 1 ? "run" : "runs"}`
        : `${found.length} of ${runs.length} runs`;
    host.replaceChildren(
      found.length > 0
        ? runTable(found, chosen, choose, (run) => void remove(run))
        : el("p", { class: "state muted" }, `No run matches “${search.value}”.`),
    );
  };
  const remove = async (run: RunListing): Promise<void> => {
    try {
      await deleteRun(run.id);
      if (chosen.includes(run.id)) choose(run.id, false);
      const undo = el("button", { type: "button", class: "quiet" }, "Undo");
      undo.addEventListener("click", () => {
        restoreRun(run.id)
          .then(look)
          .then(() => {
            say(`“${titleOf(run)}” is back.`);
            host.querySelector<HTMLElement>(`[href="${addressOf(run)}"]`)?.focus();
          }, failed);
      });
      await look();
      say(`“${titleOf(run)}” is deleted.`, undo);
      undo.focus();
    } catch (error) {
      failed(error);
    }
  };
  search.addEventListener("input", show);
  show();
  return {
    nodes: [
      el(
        "div",
        { class: "heading" },
        el("h1", {}, "Runs"),
        count,
        el("span", { class: "grow" }),
        search,
        importButton,
        compare,
      ),
      host,
    ],
    update: (now) => {
      runs = now;
      show();
    },
  };
}

function runTable(
  runs: readonly RunListing[],
  chosen: readonly string[],
  choose: (id: string, on: boolean) => void,
  remove: (run: RunListing) => void,
): HTMLElement {
  const firstToken = (run: RunListing): number => run.firstTokenNs ?? NaN;
  const decode = (run: RunListing): number => run.decode ?? NaN;
  const columns: Column<RunListing>[] = [
    {
      label: "run",
      by: titleOf,
      cell: (run) => {
        const box = el("input", {
          type: "checkbox",
          value: run.id,
          "aria-label": `Choose ${titleOf(run)} to compare`,
          checked: chosen.includes(run.id),
        });
        box.addEventListener("change", () => choose(run.id, box.checked));
        return el(
          "span",
          { class: "run-name" },
          box,
          el("a", { href: addressOf(run) }, titleOf(run)),
          ...statusBadge(run),
          ...tagBadges(run),
        );
      },
    },
    { label: "model", text: true, cell: (run) => run.model.name, by: (run) => run.model.name },
    { label: "ranks", cell: (run) => figure(String(run.tensorParallel)), by: (run) => run.tensorParallel },
    { label: "compute", text: true, cell: (run) => run.computeType, by: (run) => run.computeType },
    {
      label: "AllReduce",
      text: true,
      cell: (run) => el("span", { class: "run-wires" }, shortWiresOf(run)),
      by: shortWiresOf,
    },
    {
      label: "first token",
      cell: (run) => figure(formatTime(firstToken(run))),
      by: firstToken,
    },
    {
      label: "decode",
      cell: (run) => figure(formatSpeed(decode(run))),
      by: decode,
    },
    { label: "length", cell: (run) => figure(formatTime(run.durationNs)), by: (run) => run.durationNs },
    { label: "spans", cell: (run) => figure(formatCount(run.events)), by: (run) => run.events },
    {
      label: "recorded",
      cell: (run) => el("time", { datetime: run.createdAt, class: "figure" }, dateOf(run)),
      by: (run) => run.createdAt,
    },
    {
      label: "",
      cell: (run) =>
        el(
          "button",
          {
            type: "button",
            class: "quiet small row-action",
            "aria-label": `Delete ${titleOf(run)}`,
            title: "Delete; it can be undone",
            disabled: run.status === "recording",
            onclick: () => remove(run),
          },
          "Delete",
        ),
    },
  ];
  return table(runs, { caption: "Recorded runs", columns });
}

function addressOf({ id }: RunListing): string {
  return `/runs/${encodeURIComponent(id)}`;
}

function textOf(run: RunListing): string {
  return [
    run.id,
    run.label,
    run.model.name,
    ranksOf(run),
    run.computeType,
    wiresOf(run),
    run.device,
    run.status,
    run.notes ?? "",
    ...(run.tags ?? []),
    run.prompts,
  ]
    .join(" ")
    .toLowerCase();
}
