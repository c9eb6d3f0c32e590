/** Stateline's public API: `import * as stateline from "stateline"`. */

export { loadModel, type LoadOptions } from "./model/load";
export { Model, type LogitsOptions } from "./model/model";
export type { GenerateOptions, Generation, SamplingOptions, TokenPiece } from "./model/generation";
export { Session, type SessionOptions } from "./session/session";
export type { Snapshot } from "./session/snapshot";
export { logprobTable, type Likelihood, type TokenLogprobs } from "./model/logprobs";
export type { EmbeddingsOptions, HiddenStatesOptions } from "./model/hidden";
export type { Perplexity, PerplexityOptions } from "./model/perplexity";
export type { ChatPrompt, Prompt } from "./model/prompt";
export type { ChatMessage, ChatOptions } from "./text/chat";
export { makeModel, type MadeModel, type MakeModelOptions } from "./random/make";
export type { AllReduceChoice, AllReduceOption } from "./model/all-reduce";
export type { ModelConfig } from "./families/family";
export type { Tokenizer } from "./text/tokenizer";
export type { Progress } from "./progress";

export type { PlannedTensor, ShardPlan } from "./plan/plan";
export type { Split } from "./plan/split";
export type { CacheMiss, CacheStats, EngineMemory, NativeState, RankSlice, RowRun, StateArrays } from "./native";

export { profile, type ProfileModelOptions, type ProfileOptions } from "./runs/profile";
export { profileByTurns, type ProfileByTurnsOptions } from "./runs/by-turns";
export { compare, listRuns, openRun, type Comparison, type RunsOptions } from "./runs/open";
export { importRun, type ImportOptions } from "./runs/import/index";
export { Run, type ExportFormat, type Timeline } from "./runs/run";
export type { Chart } from "./draw/chart";
export type { RunCharts } from "./draw/charts";
export type { ComparisonCharts } from "./draw/comparison-charts";
export { FolderRunSource } from "./runs/source";
export type { SqlOptions, SqlResult } from "./runs/sql";
export type { EventColumns } from "../../profiler-ui/trace/events";
export type { RunComparison } from "../../profiler-ui/trace/compare";
export type { RunInfo, RunRequest } from "../../profiler-ui/trace/run";
export type { RunSummary } from "../../profiler-ui/trace/summary";

export {
  benchAllReduce,
  type AllReduceBenchOptions,
  type AllReduceCurve,
  type AllReducePoint,
} from "./bench/all-reduce";
export type { Crossover } from "./bench/crossover";
export { benchCpu, type CpuBench, type CpuBenchOptions } from "./bench/cpu";
export type { OpTime } from "./bench/op-times";
export {
  benchThroughput,
  type ThroughputBench,
  type ThroughputBenchOptions,
  type ThroughputPoint,
} from "./bench/throughput";
export type { ThroughputSetup } from "./bench/setup";
export { doctor, type Health } from "./doctor";
export { Comm, openComm, registerCommTarget, type CommContent, type CommData, type CommMessage } from "./comms";
export { clearOutput, displaySymbol, plainText, type CellHost, type MimeBundle } from "./display";

export {
  AbortedError,
  CheckpointError,
  CollectiveError,
  DeviceError,
  OptionError,
  RunError,
  ShardError,
  StatelineError,
} from "./errors";
