// SPDX-License-Identifier: MIT
// What one would write first: Node's http, jpeg-js and onnxruntime-node, on one JPEG of 28 x 28.
//
//     node server.js WEIGHTS
//
// WEIGHTS holds a fully connected network as little-endian 32-bit words: the number of layers; then
// for each layer rows, columns, the weights (rows, columns) and the biases as f32. Prints its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import jpeg from 'jpeg-js';
import ort from 'onnxruntime-node';
import { modelOf } from './onnx.js';

function readLayers(path) {
    const bytes = readFileSync(path);
    const layers = [];
    let at = 4;
    const floats = (n) => {
        const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + 4 * n));
        at += 4 * n;
        return values;
    };
    for (let l = 0; l < bytes.readUInt32LE(0); l++) {
        const rows = bytes.readUInt32LE(at), cols = bytes.readUInt32LE(at + 4);
        at += 8;
        layers.push({ rows, cols, weights: floats(rows * cols), bias: floats(rows) });
    }
    return layers;
}

const session = await ort.InferenceSession.create(modelOf(readLayers(process.argv[2])), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
});

async function classify(body) {
    const picture = jpeg.decode(body, { useTArray: true, formatAsRGBA: false });
    const x = new Float32Array(784);
    for (let i = 0; i < 784; i++)
        x[i] = picture.data[3 * i] / 255;
    const { logits } = await session.run({ x: new ort.Tensor('float32', x, [1, 784]) });
    let best = 0, sum = 0;
    for (let i = 1; i < logits.data.length; i++)
        if (logits.data[i] > logits.data[best])
            best = i;
    for (const value of logits.data)
        sum += Math.exp(value - logits.data[best]);
    return JSON.stringify({ index: best, label: String(best), probability: 1 / sum });
}

const server = createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
        const text = await classify(Buffer.concat(parts));
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
        response.end(text);
    });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
