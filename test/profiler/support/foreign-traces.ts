/** Traces as other tools write them, small enough to count by hand. */

import initSqlJs from "sql.js";

type Row = Readonly<Record<string, unknown>>;

/**
 * A rank of two, as PyTorch's profiler writes it: two steps of 1 ms; in each a GEMM of 300 µs on stream 7 and, on stream 20, an
 * AllReduce that begins 100 µs before the GEMM ends. The other rank's AllReduce begins `lateUs` later.
 */
export function kinetoTrace(rank: number, lateUs = 0): string {
  const events: Row[] = [];
  const late = rank === 1 ? lateUs : 0;
  const kernel = (name: string, tid: number, ts: number, dur: number, correlation: number, args: Row = {}): void => {
    events.push({
      ...{ ph: "X", cat: "cuda_runtime", name: "cudaLaunchKernel", pid: 4242, tid: 4242, ts: ts - 50, dur: 5 },
      args: { correlation },
    });
    const where = { device: 0, stream: tid, correlation };
    events.push({ ph: "X", cat: "kernel", name, pid: 0, tid, ts, dur, args: { ...where, ...args } });
  };
  for (const step of [0, 1]) {
    const at = 1000 * step + 100;
    events.push({
      ...{
        ph: "X",
        cat: "user_annotation",
        name: `ProfilerStep#${step}`,
        pid: 4242,
        tid: 4242,
        ts: at - 90,
        dur: 1000,
      },
      args: {},
    });
    kernel("void cutlass::Kernel2<cutlass_80_gemm_f16>(cutlass::Params)", 7, at, 300, 10 * step + 1);
    kernel(
      "ncclDevKernel_AllReduce_Sum_f16_RING_LL(ncclDevKernelArgs)",
      20,
      at + 200 + late,
      400 - late,
      10 * step + 2,
      {
        ...{ "Collective name": "allreduce", dtype: "Half", "In msg nelems": 4096, "Out msg nelems": 4096 },
        ...{ "Group size": 2, "Process Group Name": "tp", Seq: 100 + step },
      },
    );
    events.push({ ph: "X", cat: "python_function", name: "forward", pid: 4242, tid: 4242, ts: at, dur: 900, args: {} });
  }
  return JSON.stringify({
    ...{ schemaVersion: 1, baseTimeNanoseconds: 1_750_000_000_000_000_000 },
    deviceProperties: [{ id: 0, name: "NVIDIA H100" }],
    traceEvents: events,
    distributedInfo: { backend: "nccl", rank, world_size: 2 },
  });
}

/** Two processes with a GPU each, as `nsys export --type sqlite` writes it; `more` is SQL on top. */
export async function nsysExport(more = ""): Promise<Uint8Array> {
  const SQL = await initSqlJs();
  const database = new SQL.Database();
  database.run(`
    CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO StringIds VALUES (1, 'void selective_scan_fwd_kernel<64>(SSMParams)'), (2, 'selective_scan_fwd_kernel'),
      (3, 'ncclDevKernel_AllReduce_Sum_bf16_TREE_LL(ncclDevKernelArgs)'), (4, 'ncclDevKernel_AllReduce_Sum_bf16_TREE_LL');
    CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL,
      streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, demangledName INTEGER NOT NULL, shortName INTEGER);
    CREATE TABLE NVTX_EVENTS (start INTEGER NOT NULL, end INTEGER, eventType INTEGER, text TEXT, textId INTEGER, globalTid INTEGER);
    CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs INTEGER);
    INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (1750000000000000000);`);
  for (const process of [100, 101]) {
    const pid = process * 16777216;
    const late = process === 101 ? 500 : 0;
    database.run(`
      INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1000, 9000, 0, 7, 1, ${pid}, 1, 2);
      INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (${10000 + late}, 14000, 0, 20, 2, ${pid}, 3, 4);
      INSERT INTO NVTX_EVENTS VALUES (500, 15000, 59, 'step 3', NULL, ${pid + process});
      INSERT INTO NVTX_EVENTS VALUES (500, NULL, 34, 'a mark', NULL, ${pid + process});`);
  }
  database.run(more);
  return database.export();
}
