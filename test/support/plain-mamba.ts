/** Mamba's equations (arXiv 2312.00752) one token at a time in double precision, for what the golden values do not hold. */

/** Row-major weights [rows × x.length] times x. */
export type Product = (weight: Float32Array, x: Float64Array) => Float64Array;

export function exactProduct(weight: ArrayLike<number>, x: Float64Array): Float64Array {
  const out = new Float64Array(weight.length / x.length);
  for (let row = 0; row < out.length; row++) {
    for (let i = 0; i < x.length; i++) out[row] = at(out, row) + at(weight, row * x.length + i) * at(x, i);
  }
  return out;
}

/** Both sides as int8 keeps them: whole multiples of a step, the largest magnitude of 128 neighbours over 127. */
export function int8Product(weight: Float32Array, x: Float64Array): Float64Array {
  return exactProduct(quantised(weight, x.length), Float64Array.from(quantised(x, x.length)));
}

function quantised(values: ArrayLike<number>, columns: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let row = 0; row < values.length; row += columns) {
    for (let begin = row; begin < row + columns; begin += 128) {
      const end = Math.min(begin + 128, row + columns);
      let largest = 0;
      for (let i = begin; i < end; i++) largest = Math.max(largest, Math.abs(at(values, i)));
      const step = Math.fround(largest / 127);
      for (let i = begin; i < end; i++) out[i] = step === 0 ? 0 : step * nearestEven(at(values, i) / step);
    }
  }
  return out;
}

function nearestEven(x: number): number {
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

/** Logits of every token of a sequence from an empty state, all in one row after another. */
export function plainLogits(
  tensors: ReadonlyMap<string, Float32Array>,
  { epsilon, layers }: { readonly epsilon: number; readonly layers: number },
  tokens: readonly number[],
  product: Product,
): Float32Array {
  const tensor = (name: string): Float32Array => {
    const found = tensors.get(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found;
  };
  const norm = (x: Float64Array, weight: Float32Array): Float64Array => {
    const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    return x.map((value, i) => (value * at(weight, i)) / Math.sqrt(square + epsilon));
  };
  const embedding = tensor("backbone.embeddings.weight");
  const hidden = tensor("backbone.norm_f.weight").length;
  const mixers = Array.from({ length: layers }, (_, layer) => plainMixer(`backbone.layers.${layer}.mixer.`));

  /** A layer's mixer with a state of its own. */
  function plainMixer(prefix: string): (x: Float64Array) => Float64Array {
    const [conv, aLog, d] = ["conv1d.weight", "A_log", "D"].map((name) => tensor(prefix + name)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const inner = d.length;
    const [taps, states] = [conv.length / inner, aLog.length / inner];
    const linear = (name: string, x: Float64Array): Float64Array => {
      const bias = tensors.get(`${prefix}${name}.bias`);
      return product(tensor(`${prefix}${name}.weight`), x).map((value, i) => value + (bias ? at(bias, i) : 0));
    };
    const seen = Array.from({ length: taps }, () => new Float64Array(inner));
    const state = new Float64Array(inner * states);
    return (input) => {
      const xz = linear("in_proj", input);
      seen.shift();
      seen.push(xz.slice(0, inner));
      const convBias = tensors.get(`${prefix}conv1d.bias`);
      const u = new Float64Array(inner).map((_, c) =>
        silu(seen.reduce((sum, x, k) => sum + at(conv, c * taps + k) * at(x, c), convBias ? at(convBias, c) : 0)),
      );
      const parameters = linear("x_proj", u);
      const rank = parameters.length - 2 * states;
      const delta = linear("dt_proj", parameters.slice(0, rank)).map((x) => (x > 20 ? x : Math.log1p(Math.exp(x))));
      const y = new Float64Array(inner).map((_, c) => {
        let sum = at(d, c) * at(u, c);
        for (let n = 0; n < states; n++) {
          const i = c * states + n;
          const decay = Math.exp(-at(delta, c) * Math.exp(at(aLog, i)));
          state[i] = decay * at(state, i) + at(delta, c) * at(u, c) * at(parameters, rank + n);
          sum += at(state, i) * at(parameters, rank + states + n);
        }
        return sum * silu(at(xz, inner + c));
      });
      return linear("out_proj", y);
    };
  }

  const rows = tokens.map((token) => {
    const residual = Float64Array.from(embedding.subarray(token * hidden, (token + 1) * hidden));
    mixers.forEach((mixer, layer) => {
      const out = mixer(norm(residual, tensor(`backbone.layers.${layer}.norm.weight`)));
      out.forEach((value, i) => (residual[i] = at(residual, i) + value));
    });
    return product(tensors.get("lm_head.weight") ?? embedding, norm(residual, tensor("backbone.norm_f.weight")));
  });
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? NaN;
}
