// Adds to operators.json, which make_operators.py writes, what ONNX Runtime (1.30) computes: the first output's shape and
// every n-th of its values, or, with ArgMax as the last node, the indices of the largest scores. onnxruntime_crosscheck_test.cc compares
// the executor with them.
//
//   npm ci --ignore-scripts
//   /usr/bin/python3 make_operators.py && node operators.mjs
//
// With an argument, the same for that file.
import { readFileSync, writeFileSync } from 'node:fs';
import ort from 'onnxruntime-node';

const FILE = process.argv[2] ?? new URL('operators.json', import.meta.url);
const MAX_VALUES = 40;
const product = (shape) => shape.reduce((a, b) => a * b, 1);

const cases = JSON.parse(readFileSync(FILE, 'utf8'));
for (const item of cases) {
  // Without graph rewriting, as crosscheck.mjs does.
  const session = await ort.InferenceSession.create(Buffer.from(item.model, 'base64'), { graphOptimizationLevel: 'disabled' });
  const stretch = (i) => Math.fround(item.low + (item.high - item.low) * (((37 * i) % 101) / 101));
  const type = item.type ?? 'float32';
  const Values = type === 'float64' ? Float64Array : Float32Array;
  const values = Values.from({ length: product(item.input) }, (_, i) => stretch(i));
  const results = await session.run({ x: new ort.Tensor(type, values, item.input) });
  item.indices = results.y.type === 'int64';
  item.shape = results.y.dims;
  item.every = Math.ceil(results.y.data.length / MAX_VALUES);
  item.values = Array.from(results.y.data, (v) => Number(item.indices ? v : Math.fround(v).toPrecision(7)))
    .filter((_, i) => i % item.every === 0);
}
writeFileSync(FILE, `[\n${cases.map((c) => JSON.stringify(c)).join(',\n')}\n]\n`);
console.log(`${cases.length} models`);
