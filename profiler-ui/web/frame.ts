/** `/frame/<id>`: one run's timeline alone, for notebooks to show in a frame. */

import { byId, el } from "./dom";
import { runOfPage, startPage } from "./page";
import { TimelinePane } from "./timeline/pane";

document.documentElement.classList.add("framed");

startPage(async () => {
  const run = await runOfPage(decodeURIComponent(location.pathname.split("/")[2] ?? ""));
  const main = byId("main");
  main.removeAttribute("aria-busy");
  if (run.events === 0) main.replaceChildren(el("p", { class: "state muted" }, "This run has no spans."));
  else {
    const pane = new TimelinePane([run]);
    main.replaceChildren(pane.element);
    await pane.load();
  }
});
