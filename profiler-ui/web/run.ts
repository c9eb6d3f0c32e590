/** `/runs/<id>`: one run: what it was, where its time went, when everything happened. */

import { formatBytes, formatShare, formatSpeed, formatTime } from "../trace/format";
import type { RunInfo } from "../trace/run";
import { servedSpeed, type ServedSpeed } from "../trace/served";
import type { RunSummary } from "../trace/summary";
import { analysisView } from "./analysis-view";
import { fetchAnalysis, fetchRun, fetchSummary } from "./api";
import { CollectivesView } from "./collectives-view";
import { byId, el } from "./dom";
import { fail, runOfPage, startPage } from "./page";
import { factList, shortWiresOf, statusBadge, tagBadges, titleOf } from "./run-facts";
import { statRow, type Stat } from "./stats";
import { barLegend, collectiveTable, kindsOf, opTable, rankTable } from "./summary-view";
import { exportMenu } from "./export-menu";
import { sqlView } from "./sql-view";
import { notesEditor } from "./notes";
import { Tabs } from "./tabs";
import { TimelinePane } from "./timeline/pane";

startPage(async () => {
  const id = decodeURIComponent(location.pathname.split("/")[2] ?? "");
  const run = await runOfPage(id);
  byId("crumbs").replaceChildren(
    el("a", { href: "/" }, "Runs"),
    el("span", { "aria-hidden": "true" }, "/"),
    el("span", {}, titleOf(run)),
  );
  let shown = run;
  const main = byId("main");
  const stats = el("div", {}, el("p", { class: "muted" }, "Adding up…"));
  const pane = new TimelinePane([run]);
  const timelineHost = el(
    "div",
    {},
    run.events > 0
      ? pane.element
      : el(
          "p",
          { class: "state muted" },
          run.status === "recording" ? "Nothing is written yet; spans appear as they come." : "This run has no spans.",
        ),
  );
  const ranks = el("div");
  const tables = el("div");
  const requests = el("div");
  const showTables = async (): Promise<void> => {
    const summary = await fetchSummary(id);
    stats.replaceChildren(statRow(statsOf(shown, summary)));
    ranks.replaceChildren(
      el("div", { class: "heading" }, el("h2", {}, "Time by rank"), barLegend(kindsOf([summary]))),
      rankTable(summary),
    );
    tables.replaceChildren(
      ...(summary.collectives.length > 0 ? [el("h2", {}, "Collectives"), collectiveTable(summary.collectives)] : []),
      el("h2", {}, "Ops"),
      opTable(summary),
    );
  };
  let collectives: CollectivesView | undefined;
  const charts = el("div", { class: "charts" }, el("p", { class: "muted" }, "Adding up…"));
  const analyse = (): void => {
    fetchAnalysis(id).then(
      (analysis) => charts.replaceChildren(...analysisView(analysis)),
      (error: unknown) => fail(charts, error),
    );
  };
  const tabs = new Tabs([
    {
      name: "timeline",
      label: "Timeline",
      open: (panel) => panel.replaceChildren(hiddenHeading("Timeline"), timelineHost, ranks, tables, requests),
    },
    {
      name: "collectives",
      label: "Collectives",
      open: (panel) => {
        collectives = new CollectivesView(id, panel, {
          show: (group, seq) => {
            tabs.show("timeline");
            void pane.showCollective(group, seq);
          },
          align: (alignment) => void pane.align(alignment),
        });
        void collectives.open();
      },
      renew: () => void collectives?.renew(),
    },
    {
      name: "analysis",
      label: "Analysis",
      open: (panel) => {
        panel.replaceChildren(hiddenHeading("Analysis"), charts);
        analyse();
      },
      renew: analyse,
    },
    { name: "sql", label: "SQL", open: (panel) => panel.replaceChildren(sqlView(id)) },
  ]);
  const heading = el("div", { class: "heading" });
  const about = el("div");
  const describe = (): void => {
    document.title = `${titleOf(shown)} · Stateline`;
    heading.replaceChildren(
      el("h1", {}, titleOf(shown)),
      ...statusBadge(shown),
      ...tagBadges(shown),
      el("span", { class: "grow" }),
      ...notesEditor(shown, (notes) => {
        shown = { ...shown, ...notes };
        describe();
      }),
      compareLink(shown),
      exportMenu(shown),
    );
    requests.replaceChildren(...requestList(shown));
    about.replaceChildren(factList(shown), ...(shown.notes ? [el("p", { class: "run-notes" }, shown.notes)] : []));
  };
  describe();
  main.replaceChildren(heading, about, stats, tabs.element);
  main.removeAttribute("aria-busy");
  tabs.start();
  // The timeline's questions come first: it is what is looked at first.
  const sum = (): Promise<void> => showTables().catch((error: unknown) => fail(stats, error));
  if (run.events > 0) await pane.load(() => void sum());
  else stats.replaceChildren();
  // A run that is recorded grows: what is new is drawn, the window stays where it is. What fails, as when the run changes
  // while it is asked for, is tried again.
  for (let failures = 0; shown.status === "recording" || failures > 0;) {
    await new Promise((resolve) => setTimeout(resolve, GROWTH));
    // What is being written about the run would vanish with the heading.
    if (heading.querySelector("dialog[open]")) continue;
    const now = await fetchRun(id).catch(() => shown);
    if (now.events === shown.events && now.status === shown.status && failures === 0) continue;
    if (now.events > 0 && !pane.element.isConnected) timelineHost.replaceChildren(pane.element);
    shown = now;
    describe();
    try {
      if (now.events > 0) await Promise.all([pane.load(), showTables()]);
      tabs.renew();
      failures = 0;
    } catch (error) {
      if (++failures === MOST_FAILURES) throw error;
    }
  }
});

/** What the tab says to those who see it heads the panel for those who hear it. */
function hiddenHeading(text: string): HTMLElement {
  return el("h2", { class: "hidden" }, text);
}

/** To the choice of the other run; int8 is compared with what came before it. */
function compareLink(run: RunInfo): HTMLElement {
  const place = shortWiresOf(run).includes("int8") ? "b" : "a";
  return el("a", { class: "button", href: `/compare?${place}=${encodeURIComponent(run.id)}` }, "Compare");
}

/** Milliseconds between looks at a run that is being recorded. */
const GROWTH = 2000;

/** Looks in a row that may fail before the page says so. */
const MOST_FAILURES = 5;

function statsOf(run: RunInfo, summary: RunSummary): Stat[] {
  const served = servedSpeed(run.requests);
  const steps = summary.ranks.reduce((sum, { stepNs }) => sum + stepNs, 0) / Math.max(1, summary.ranks.length);
  return [
    ...(served ? servedStats(served) : stepStats(summary)),
    {
      label: "exposed AllReduce",
      title: "Mean over ranks of the AllReduce time that no compute hides",
      value: formatTime(summary.exposedNs),
    },
    {
      label: "of step time",
      title: "Exposed AllReduce over step time",
      value: formatShare(steps === 0 ? 0 : summary.exposedNs / steps),
    },
    { label: "on the wire", title: "Sent by all ranks together", value: formatBytes(summary.wireBytes) },
  ];
}

function servedStats({ requests, firstTokenNs, prefill, decode }: ServedSpeed): Stat[] {
  const whose = requests === 1 ? "by the request's clock" : `median of ${requests} requests, by their clocks`;
  return [
    { label: "first token", title: `From the request to its first token, ${whose}`, value: formatTime(firstTokenNs) },
    { label: "prefill", title: `Prompt tokens until the first token, ${whose}`, value: formatSpeed(prefill) },
    { label: "decode", title: `New tokens after the first, ${whose}`, value: formatSpeed(decode) },
  ];
}

/** Without requests there are only steps to tell of. */
function stepStats({ phases }: RunSummary): Stat[] {
  return phases
    .filter(({ tokens }) => tokens > 0)
    .map(({ phase, tokensPerSecond, tokens, steps }) => ({
      label: `${phase} steps`,
      title: `${tokens} tokens in ${steps} ${steps === 1 ? "step" : "steps"}, time between steps left out`,
      value: formatSpeed(tokensPerSecond),
    }));
}

function requestList(run: RunInfo): Node[] {
  if (run.requests.length === 0) return [];
  return [
    el("h2", {}, run.requests.length === 1 ? "Request" : "Requests"),
    ...run.requests.map(({ prompt, text }) =>
      el("blockquote", { class: "request" }, el("span", { class: "muted" }, prompt), text),
    ),
  ];
}
