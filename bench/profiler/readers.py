"""What other tools' own readers make of exports: Perfetto's published messages, Holistic Trace Analysis. Prints JSON.

readers.py RUN.pftrace FOLDER_OF_KINETO_FILES
"""

import collections
import json
import logging
import os
import sys

os.environ["HTA_DISABLE_NS_ROUNDING"] = "1"
logging.disable(logging.WARNING)

from hta.trace_analysis import TraceAnalysis  # noqa: E402
from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # noqa: E402


def perfetto(path):
    """Time and count of every name, and how many correlation ids join spans of collectives."""
    trace = perfetto_trace_pb2.Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    names, spans, open_spans = {}, collections.defaultdict(lambda: [0, 0]), collections.defaultdict(list)
    collectives = set()
    for packet in trace.packet:
        for name in packet.interned_data.event_names:
            names[name.iid] = name.name
        event = packet.track_event
        if event.type == event.TYPE_SLICE_BEGIN:
            open_spans[event.track_uuid].append((names[event.name_iid], packet.timestamp))
            if event.HasField("correlation_id"):
                collectives.add(event.correlation_id)
        elif event.type == event.TYPE_SLICE_END:
            name, begin = open_spans[event.track_uuid].pop()
            spans[name][0] += 1
            spans[name][1] += packet.timestamp - begin
    unended = sum(map(len, open_spans.values()))
    return {"ops": spans, "collectives": len(collectives), "unended": unended}


def hta(folder):
    """Share of each rank's communication under compute, in percent, and its nccl kernels."""
    analysis = TraceAnalysis(trace_dir=folder, include_last_profiler_step=True)
    overlap = analysis.get_comm_comp_overlap(visualize=False)
    symbols = analysis.t.symbol_table.get_sym_table()
    kernels = {}
    for rank, frame in analysis.t.traces.items():
        named = frame["name"].map(lambda code: symbols[code])
        kernels[rank] = int(((frame["stream"] >= 0) & named.str.startswith("nccl")).sum())
    shares = dict(zip(overlap["rank"], overlap["comp_comm_overlap_pctg"]))
    return {str(rank): {"overlap": float(shares[rank]), "collectives": kernels[rank]} for rank in kernels}


print(json.dumps({"perfetto": perfetto(sys.argv[1]), "hta": hta(sys.argv[2])}))
