/**
 * Modules that a command loads when it runs, so that `stateline --help` answers at once.
 *
 * `require`, since `import()` of our own files would need their extension, which the sources do not have under Jest.
 */

import type * as Api from "../api/index";
import type * as Profiling from "../api/runs/profile";
import type * as Progress from "../api/progress";
import type * as Notebooks from "./notebook/index";
import type * as Server from "../../profiler-ui/server/index";

/* eslint-disable @typescript-eslint/no-require-imports */

export function api(): typeof Api {
  return require("../api/index") as typeof Api;
}

export function server(): typeof Server {
  return require("../../profiler-ui/server/index") as typeof Server;
}

export function profiling(): typeof Profiling {
  return require("../api/runs/profile") as typeof Profiling;
}

export function progress(): typeof Progress {
  return require("../api/progress") as typeof Progress;
}

export function notebooks(): typeof Notebooks {
  return require("./notebook/index") as typeof Notebooks;
}
