/**
 * The addon as TypeScript sees it: plain data in, promises and typed arrays out.
 *
 * Everything here is internal to `kernel/api`; `native/addon` implements it one class a file.
 */

/** Rows `begin`, `begin + step`, … below `end` of a stored tensor. */
export interface RowRun {
  readonly begin: number;
  readonly end: number;
  readonly step: number;
}

/** What one rank holds of a stored tensor. No runs: the rank holds nothing of it. */
export interface RankSlice {
  readonly rows: readonly RowRun[];
  readonly columnBegin: number;
  readonly columnEnd: number;
}

/** Role of a tensor in the model, as native/model/weights names it. */
export type TensorRole =
  | "embed"
  | "norm"
  | "in_proj.x"
  | "in_proj.x.bias"
  | "in_proj.z"
  | "in_proj.z.bias"
  | "conv1d"
  | "conv1d.bias"
  | "x_proj"
  | "dt_proj"
  | "dt_proj.bias"
  | "A_log"
  | "D"
  | "out_proj"
  | "out_proj.bias"
  | "norm_f"
  | "lm_head"
  | "attention_norm"
  | "q_proj"
  | "k_proj"
  | "v_proj"
  | "o_proj"
  | "mlp.norm"
  | "mlp.gate"
  | "mlp.up"
  | "mlp.down"
  | "hybrid_linear";

/** A tensor the engine reads: where its bytes are and which part each rank holds. Vectors are [n, 1]. */
export interface EngineTensor {
  readonly role: TensorRole;
  /** -1 outside layers. */
  readonly layer: number;
  /** Index into `EngineSpec.files`. */
  readonly file: number;
  /** Of the tensor's first byte, from the file's start. */
  readonly byteOffset: number;
  readonly dtype: "F32" | "F16" | "BF16";
  readonly rows: number;
  readonly columns: number;
  readonly ranks: readonly RankSlice[];
}

export type ComputeType = "f32" | "bf16" | "int8" | "f16";
export type CpuComputeType = Exclude<ComputeType, "f16">;
/** How sums travel between GPUs. */
export type GpuLink = "auto" | "peer" | "nccl";
export type WireType = "f32" | "f16" | "bf16" | "int8";

/** Sums of at least `fromBytes`, counted as f32, take this wire, up to the next step. The first is from 0. */
export interface WireStep {
  readonly fromBytes: number;
  readonly wireType: WireType;
}

export interface EngineSpec {
  readonly files: readonly string[];
  readonly tensors: readonly EngineTensor[];
  readonly hidden: number;
  readonly inner: number;
  readonly mixerHeads: number;
  readonly states: number;
  readonly taps: number;
  readonly dtRank: number;
  readonly layers: number;
  /** Rows of the embedding, which is the width of the logits. */
  readonly vocabulary: number;
  readonly epsilon: number;
  /** Of the norms without weights on dt, B and C; 0: there are none. */
  readonly ssmEpsilon: number;
  /** Of the attention; 0: there is none. */
  readonly hybridLayers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Most tokens of a sequence, of which hybrid layers keep keys and values; any number without hybrid layers. */
  readonly contextLength: number;
  readonly ranks: number;
  readonly threadsPerRank: number;
  readonly device: "cpu" | "cuda";
  /** GPU of each rank; empty: a GPU a rank. */
  readonly gpus: readonly number[];
  readonly gpuLink: GpuLink;
  readonly computeType: ComputeType;
  /** Wires of the sums of h values by their size; the one after x_proj stays f32 (design 4). */
  readonly wires: readonly WireStep[];
  /** Values that share a scale on an int8 wire. */
  readonly quantisationGroup: number;
  /** Compute the gate's half of in_proj while x_proj's sum is in flight, instead of after it. */
  readonly overlap: boolean;
  /** Longest step: longer prompts are prefilled in chunks of this many tokens. */
  readonly maxTokens: number;
  /** Sequences whose state is kept. */
  readonly slots: number;
  /** Of states kept for later requests that begin alike; 0: none are. */
  readonly cacheBytes: number;
  /** Tokens between the states kept of a prompt. */
  readonly cacheInterval: number;
  /** Compare all ranks' bits after each AllReduce and fail with E_RANKS_DIVERGED when they differ. */
  readonly verifyCollectives: boolean;
  /** That a rank waits in a collective for the others. */
  readonly collectiveTimeoutMs: number;
}

/** Every job names itself so that it can be cancelled, and says whom its spans belong to. */
export interface JobTag {
  readonly job: number;
  /** Notebook cell, -1 if none. */
  readonly cell: number;
  /** Request, -1 if none. */
  readonly request: number;
}

export interface ForwardJob extends JobTag {
  readonly tokens: Int32Array;
  /** That the tokens go on from; an empty one unless given. */
  readonly state?: NativeState;
  /** Tokens a step, 1 ≤ chunk ≤ maxTokens. */
  readonly chunk: number;
}

export interface HiddenJob extends ForwardJob {
  /** -1 the embedding, l below the number of layers the residual stream behind layer l, that number the final norm. */
  readonly layers: Int32Array;
}

/** Where a generation's next token comes from. temperature 0: the largest logit, the lowest id on a tie. */
export interface Sampling {
  readonly temperature: number;
  /** 0: all. */
  readonly topK: number;
  /** 1: all. */
  readonly topP: number;
  /** Least probability relative to the likeliest token's; 0: all. */
  readonly minP: number;
  /** Divides the positive logits of tokens that were seen, multiplies the negative ones; 1: none. */
  readonly repetitionPenalty: number;
  /** Any integer 0 ≤ seed < 2^53. */
  readonly seed: number;
  /** Likeliest tokens reported beside the chosen one; -1: none, not even that one's. */
  readonly logprobs: number;
}

export interface GenerateJob extends ForwardJob {
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
  /** What came before `tokens`, for the repetition penalty; empty where there is none. */
  readonly seenTokens: Int32Array;
  /** A token of these ends the generation; it is reported. */
  readonly stopTokens: Int32Array;
  /** Give the state the job ends in: after the prompt and all new tokens but the last. */
  readonly keepState: boolean;
  /** Begin with a kept state of an earlier request, and keep some for later ones. */
  readonly useCache: boolean;
  /** Least time between two calls of onTokens, but for the last. */
  readonly newsIntervalMs: number;
}

export interface GenerateResult {
  readonly tokens: Int32Array;
  readonly finish: "length" | "stop" | "cancelled";
  /** From the job's start on the engine to the first token. */
  readonly ttftNs: number;
  readonly prefillNs: number;
  /** From the first token to the last. */
  readonly decodeNs: number;
  /** Of the prompt, that an earlier request had computed. */
  readonly cachedTokens: number;
  /** Sent by all ranks together. */
  readonly wireBytes: number;
  /** If keepState asked for it, and the job was not cancelled in its prefill. */
  readonly state?: NativeState;
}

declare const nativeState: unique symbol;

/** State of a sequence, the same for every number of ranks: opaque, never written to, freed when nobody holds it. */
export interface NativeState {
  readonly [nativeState]: never;
}

/** What a state holds. d: inner channels, K: conv width, N: states. */
export interface StateArrays {
  /** That the state has seen. */
  readonly tokens: number;
  /** [layers, K-1, d]: the convolution's last inputs, oldest first. */
  readonly conv: Float32Array;
  /** [layers, N, d] */
  readonly ssm: Float32Array;
  /** [hybrid layers, tokens, kv heads, head dim] */
  readonly keys: Float32Array;
  /** As keys. */
  readonly values: Float32Array;
}

/** Spans as columns; `name`, `kind`, `phase`, `wireType` and `algorithm` are indices into the addon's `spanNames`. */
export interface SpanColumns {
  readonly count: number;
  /** Spans that did not fit since the last drain. */
  readonly lost: number;
  /** Nanoseconds of the host's monotonic clock, the one of process.hrtime. */
  readonly startNs: BigInt64Array;
  readonly durNs: BigInt64Array;
  readonly flops: BigInt64Array;
  readonly bytes: BigInt64Array;
  readonly wireBytes: BigInt64Array;
  readonly seq: BigInt64Array;
  readonly step: Int32Array;
  readonly tokens: Int32Array;
  readonly sequences: Int32Array;
  readonly cell: Int32Array;
  readonly request: Int32Array;
  readonly layer: Int16Array;
  readonly group: Int16Array;
  readonly rank: Uint16Array;
  readonly stream: Uint16Array;
  readonly name: Uint8Array;
  readonly kind: Uint8Array;
  readonly phase: Uint8Array;
  readonly wireType: Uint8Array;
  readonly algorithm: Uint8Array;
}

/** Texts of the coded span columns, by code. Code 0 of wireType and algorithm is "". */
export interface SpanNames {
  readonly name: readonly string[];
  readonly kind: readonly string[];
  readonly phase: readonly string[];
  readonly wireType: readonly string[];
  readonly algorithm: readonly string[];
}

export interface EngineMemory {
  /** By rank. */
  readonly weights: readonly number[];
  readonly state: readonly number[];
  readonly activations: readonly number[];
  readonly wire: readonly number[];
}

/**
 * Why the prefix cache had nothing: the call went without it, the prompt has one token, nothing is kept, the prompt
 * parts from all that is known before the first kept state, what would have served was dropped for lack of room, or
 * the prompt begins a known one and ends before that one's first kept state.
 */
export type CacheMiss = "bypassed" | "tooShort" | "empty" | "diverged" | "evicted" | "noState";

/** What the prefix cache holds now, and what it has done since the model was loaded. */
export interface CacheStats {
  /** Bytes it may hold: `cacheBytes` of loadModel. */
  readonly budget: number;
  readonly bytes: number;
  readonly states: number;
  /** Tokens between the states kept of a prompt. */
  readonly interval: number;
  /** Hits, partial hits and misses. */
  readonly lookups: number;
  /** All of the prompt that was known was reused. */
  readonly hits: number;
  /** More was known, but a state kept only of an earlier token. */
  readonly partialHits: number;
  /** Of prompts. */
  readonly tokensReused: number;
  readonly tokensComputed: number;
  /** States kept so far, and dropped to make room. */
  readonly kept: number;
  readonly evictions: number;
  /** States that found no room. */
  readonly tooLarge: number;
  readonly misses: Readonly<Record<CacheMiss, number>>;
  /** `token`: the first of that prompt which was not known; behind its last where all were. */
  readonly lastMiss?: { readonly reason: CacheMiss; readonly token: number };
}

export interface NativeEngine {
  /** Logits after every token: [tokens × vocabulary], row major. */
  forward(job: ForwardJob): Promise<Float32Array>;
  /** Hidden states behind the job's layers: [layers × tokens × hidden], row major. */
  hidden(job: HiddenJob): Promise<Float32Array>;
  /** Natural-log loss of each token but the first given the ones before it: [tokens - 1]. */
  score(job: ForwardJob): Promise<Float32Array>;
  /**
   * `onTokens` gets new tokens in order, several at once when JavaScript is behind. Log-probabilities, where asked for:
   * as many ids and values a token, the chosen one's first, then the likeliest ones'.
   */
  generate(
    job: GenerateJob,
    onTokens: (tokens: Int32Array, logprobIds?: Int32Array, logprobs?: Float32Array) => void,
  ): Promise<GenerateResult>;
  /** The job ends after the step it is in: generate resolves as "cancelled", the others reject E_ABORTED. */
  cancel(job: number): void;
  /** Switches recording; a job sees the switch at its next step. `capacity`: spans kept per rank until drained. */
  record(on: boolean, capacity: number): void;
  drain(): SpanColumns;
  /** Spans that wait in the fullest rank's buffer; what does not fit its capacity is lost. */
  buffered(): number;
  /** Nanoseconds of the host that recording a span costs: measured when called, on GPUs with what their events cost so far. */
  spanCost(): number;
  /** What messages between ranks travel over; empty for one rank. */
  link(): string;
  memory(): EngineMemory;
  cacheStats(): CacheStats;
  /** By rank: ns that the times of a GPU's spans may be off the host's clock; -1 where the host stamps them. */
  clockErrors(): readonly number[];
  /** Ends after the running job; queued jobs reject E_CLOSED. Idempotent. */
  close(): Promise<void>;
}

export interface AllReduceTimerSpec {
  readonly ranks: number;
  /** Of the engine in question: decides whether waiting ranks spin. */
  readonly threadsPerRank: number;
  /** Values that share a scale on an int8 wire. */
  readonly group: number;
  /** Of a message, by size. */
  readonly values: Int32Array;
  readonly wires: readonly { readonly wireType: WireType }[];
  /** Each takes all sizes and wires in turn. */
  readonly rounds: number;
  /** Milliseconds after which no round begins; 0: all do. */
  readonly mostMs: number;
}

export interface CudaInfo {
  readonly compiled: boolean;
  /** That kernels were compiled for. */
  readonly architectures: readonly string[];
  /** By ordinal. `problem`: why one says nothing of itself; empty where it does. */
  readonly gpus: readonly {
    readonly name: string;
    readonly memoryBytes: number;
    readonly architecture: string;
    readonly problem: string;
  }[];
  /** Why there are no GPUs to compute on; empty where there are. */
  readonly problem: string;
  /** The CUDA that the driver serves; empty where there is none. */
  readonly driver: string;
  readonly driverProblem: string;
  /** Its version; empty where there is none. */
  readonly nccl: string;
  readonly ncclProblem: string;
  /** Its version; empty where there is none. */
  readonly cublas: string;
  readonly cublasFile: string;
  readonly cublasProblem: string;
}

export interface CpuInfo {
  /** The table in use: sse2, avx2, avx512 or avx512bf16; STATELINE_ISA overrides. */
  readonly isa: string;
  /** Tables this machine can run. */
  readonly isas: readonly string[];
  /** Cores this process may keep busy: fewer than the machine's where its affinity or its container limits it. */
  readonly cores: number;
}

/** What this machine does at best with some threads. */
export interface Floors {
  /** Memory larger than any cache, from end to end. */
  readonly readBytesPerSecond: number;
  /** Products of each type, from registers alone. */
  readonly flopsPerSecond: Readonly<Record<CpuComputeType, number>>;
  /** States of a scan brought one token further, from registers alone. */
  readonly statesPerSecond: number;
}

/**
 * The compiled addon. Native failures reject with an Error that has `code` (string) and `details` (plain object);
 * `kernel/api/errors` turns them into StatelineError with the caller's stack.
 */
export interface NativeAddon {
  readonly spanNames: SpanNames;
  cpuInfo(): CpuInfo;
  cudaInfo(): CudaInfo;
  /** Medians of a few samples, on threads of their own: some 0.2 s. */
  measureFloors(threads: number, job: number): Promise<Floors>;
  /** Maps the files, packs each rank's slices on its own threads; `onProgress` gets bytes done and total. */
  loadEngine(spec: EngineSpec, job: number, onProgress: (done: number, total: number) => void): Promise<NativeEngine>;
  /** Nanoseconds of one AllReduce among ranks that are threads of this process: [sizes × wires × rounds that were begun, one at least]. */
  measureAllReduce(spec: AllReduceTimerSpec, job: number): Promise<Float64Array>;
  /** Cancels a load or a measurement that is under way; it rejects E_ABORTED. */
  cancel(job: number): void;
  /** Copies what a state holds. */
  stateArrays(state: NativeState): StateArrays;
  /** A state of these values; a job refuses sizes that are not its model's with E_STATE_MISMATCH. */
  stateOf(arrays: StateArrays): NativeState;
  /** From now on what C code of this process prints reaches file descriptor 1 at once. */
  unbufferStdout(): void;
}
