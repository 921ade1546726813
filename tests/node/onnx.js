// SPDX-License-Identifier: MIT
// Writes a fully connected network as an ONNX model: protocol buffers by hand, as they are few.
// Field numbers are those of onnx.proto (https://github.com/onnx/onnx), IR version 8, opset 13.

function varint(n) {
    const bytes = [];
    for (; n > 127; n = Math.floor(n / 128))
        bytes.push((n % 128) | 128);
    return Buffer.from([...bytes, n]);
}

const number = (field, n) => Buffer.concat([varint(8 * field), varint(n)]);
const bytes = (field, b) => Buffer.concat([varint(8 * field + 2), varint(b.length), b]);
const text = (field, s) => bytes(field, Buffer.from(s));
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

const FLOAT = 1, INT = 2;

function tensor(name, dims, values) { // TensorProto
    return message(5, ...dims.map((d) => number(1, d)), number(2, FLOAT), text(8, name),
                   bytes(9, Buffer.from(values.buffer)));
}

function value(field, name, dims) { // ValueInfoProto
    const shape = message(2, ...dims.map((d) => message(1, number(1, d))));
    return message(field, text(1, name), message(2, message(1, number(1, FLOAT), shape)));
}

function node(op, inputs, output, ...attributes) { // NodeProto
    return message(1, ...inputs.map((i) => text(1, i)), text(2, output), text(4, op), ...attributes);
}

const transposed = message(5, text(1, 'transB'), number(3, 1), number(20, INT));

// layers: {rows, cols, weights, bias}, each but the last followed by a relu. From "x" to "logits".
export function modelOf(layers) {
    const nodes = [], tensors = [];
    layers.forEach((layer, l) => {
        const last = l + 1 === layers.length;
        tensors.push(tensor(`w${l}`, [layer.rows, layer.cols], layer.weights), tensor(`b${l}`, [layer.rows], layer.bias));
        nodes.push(node('Gemm', [l === 0 ? 'x' : `h${l}`, `w${l}`, `b${l}`], last ? 'logits' : `z${l}`, transposed));
        if (!last)
            nodes.push(node('Relu', [`z${l}`], `h${l + 1}`));
    });
    const graph = message(7, ...nodes, text(2, 'network'), ...tensors, value(11, 'x', [1, layers[0].cols]),
                          value(12, 'logits', [1, layers.at(-1).rows]));
    return Buffer.concat([number(1, 8), graph, message(8, number(2, 13))]);
}
