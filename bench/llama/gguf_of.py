"""Writes a Mamba or Falcon-Mamba checkpoint of ours, as `stateline models make` writes them, for llama.cpp: same weights, so that both
compute the same thing. Needs the packages gguf and numpy.

    python bench/llama/gguf_of.py DIRECTORY FILE.gguf BF16|F16|Q8_0

Names and types of tensors as llama.cpp's own converter gives them: matrices in the type asked for, the rest f32.
"""

import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np

LAYER = {
    "norm.weight": "attn_norm.weight",
    "mixer.in_proj.weight": "ssm_in.weight",
    "mixer.conv1d.weight": "ssm_conv1d.weight",
    "mixer.conv1d.bias": "ssm_conv1d.bias",
    "mixer.x_proj.weight": "ssm_x.weight",
    "mixer.dt_proj.weight": "ssm_dt.weight",
    "mixer.dt_proj.bias": "ssm_dt.bias",
    "mixer.A_log": "ssm_a",
    "mixer.D": "ssm_d",
    "mixer.out_proj.weight": "ssm_out.weight",
}
MATRICES = {"ssm_in.weight", "ssm_x.weight", "ssm_dt.weight", "ssm_out.weight", "token_embd.weight", "output.weight"}


def tensors(path):
    """Name and float32 values of each tensor of a safetensors file in BF16."""
    data = np.memmap(path, np.uint8, "r")
    (size,) = struct.unpack("<Q", data[:8].tobytes())
    for name, entry in json.loads(data[8 : 8 + size].tobytes()).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "BF16":
            raise SystemExit(f"{path}: {name} is {entry['dtype']}, expected BF16")
        begin, end = entry["data_offsets"]
        words = data[8 + size + begin : 8 + size + end].view(np.uint16).astype(np.uint32) << 16
        yield name, words.view(np.float32).reshape(entry["shape"])


def peer_name(name):
    if name == "backbone.embeddings.weight":
        return "token_embd.weight"
    if name == "backbone.norm_f.weight":
        return "output_norm.weight"
    if name == "lm_head.weight":
        return "output.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER[rest]}"


def main(directory, out, type_name):
    kind = gguf.GGMLQuantizationType[type_name]
    config = json.loads((directory / "config.json").read_text())
    writer = gguf.GGUFWriter(out, "mamba")
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_ssm_conv_kernel(config["conv_kernel"])
    writer.add_ssm_inner_size(config["intermediate_size"])
    writer.add_ssm_state_size(config["state_size"])
    writer.add_ssm_time_step_rank(config["time_step_rank"])
    writer.add_layer_norm_rms_eps(config["layer_norm_epsilon"])
    # Falcon-Mamba: norms without weights before dt, B and C.
    writer.add_ssm_dt_b_c_rms(config["model_type"] == "falcon_mamba")
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config["vocab_size"])
    for path in sorted(directory.glob("*.safetensors")):
        for name, values in tensors(path):
            peer = peer_name(name)
            if peer.endswith("ssm_a"):
                values = -np.exp(values)
            if peer.endswith("ssm_conv1d.weight"):
                values = values.reshape(values.shape[0], -1)
            if peer.split(".", 2)[-1] in MATRICES or peer in MATRICES:
                # Q8_0 has blocks of 32 values; llama-quantize leaves other rows in F16.
                fits = type_name != "Q8_0" or values.shape[-1] % 32 == 0
                own = kind if fits else gguf.GGMLQuantizationType.F16
                writer.add_tensor(peer, gguf.quants.quantize(values, own), raw_dtype=own)
            else:
                writer.add_tensor(peer, np.ascontiguousarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in ("BF16", "F16", "Q8_0"):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
