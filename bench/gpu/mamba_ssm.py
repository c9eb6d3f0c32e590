"""mamba-ssm's and causal-conv1d's kernels in the shapes of kernels.cpp, in microseconds: rows of JSON on stdout.

Needs a GPU, PyTorch and both packages; ends with status 77 where one is missing. In f32 and bf16 inputs, as theirs take
them.
"""

import json
import statistics
import sys


def missing(what):
    print(f"not compared: {what}", file=sys.stderr)
    sys.exit(77)


if "--dry-run" in sys.argv:
    missing("needs a GPU, torch, mamba-ssm and causal-conv1d")
try:
    import torch
    from causal_conv1d import causal_conv1d_fn, causal_conv1d_update
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    from mamba_ssm.ops.triton.selective_state_update import selective_state_update
except ImportError as error:
    missing(error)

INNER, STATES, TAPS, PREFILL = 5120, 16, 4, 2048
LAUNCHES, ROUNDS = 20, 15


def microseconds(op):
    """Median over rounds of the time of one call, by events."""
    op()
    times = []
    for _ in range(ROUNDS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(LAUNCHES):
            op()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1e3 / LAUNCHES)
    return statistics.median(times)


def rows(dtype):
    def random(*shape):
        return torch.randn(*shape, device="cuda", dtype=dtype) * 0.1

    a = -torch.rand(INNER, STATES, device="cuda") - 0.5
    skip, bias = torch.randn(INNER, device="cuda"), torch.randn(INNER, device="cuda") - 2
    u, delta, z = (random(1, INNER, PREFILL) for _ in range(3))
    b, c = (random(1, STATES, PREFILL) for _ in range(2))
    taps, tap_bias = random(INNER, TAPS), random(INNER)
    yield f"conv1d, {PREFILL} tokens", lambda: causal_conv1d_fn(u, taps, tap_bias, activation="silu")
    yield f"selective_scan, {PREFILL} tokens", lambda: selective_scan_fn(
        u, delta, a, b, c, skip, z, bias, delta_softplus=True, return_last_state=True
    )
    for count in (1, 16):
        inputs = random(count, INNER, TAPS - 1 + 1)
        state = torch.randn(count, INNER, STATES, device="cuda")
        x, dt, gate = (random(count, INNER) for _ in range(3))
        bs, cs = (random(count, STATES) for _ in range(2))
        yield f"conv1d_update, {count} sequences", lambda: causal_conv1d_update(
            x, inputs, taps, tap_bias, activation="silu"
        )
        # Without dt_proj, which ours has inside.
        yield f"state_update, {count} sequences", lambda: selective_state_update(
            state, x, dt, a, bs, cs, skip, gate, bias, dt_softplus=True
        )


for kind in (torch.float32, torch.bfloat16):
    for name, op in rows(kind):
        row = {"kernel": name, "dtype": str(kind).removeprefix("torch."), "us": microseconds(op)}
        print(f"  {json.dumps(row)}", flush=True)
