// Layer frames of `loom.v1` for the mock server, written straight from docs/stream.md and not from the page's reader.
import { deflateRawSync } from 'node:zlib';

const KIND = { cells: 1, snapshot: 2, delta: 3 };

function header(kind, { sid, epoch, rows, from, q, tsUs }, deflated) {
  const head = Buffer.alloc(40);
  head.writeUInt8(0xc7, 0);
  head.writeUInt8(1, 1);
  head.writeUInt8(KIND[kind], 2);
  head.writeUInt8(deflated ? 1 : 0, 3);
  head.writeUInt16LE(sid, 4);
  head.writeUInt8(0, 6);
  head.writeUInt8(1, 7);
  head.writeUInt32LE(epoch, 8);
  head.writeUInt32LE(rows, 12);
  head.writeBigUInt64LE(BigInt(from), 16);
  head.writeBigUInt64LE(BigInt(q), 24);
  head.writeBigUInt64LE(BigInt(tsUs), 32);
  return head;
}

function column({ type, scale, offset }, values) {
  const width = { q16: 2, u8: 1, f32: 4 }[type];
  const out = Buffer.alloc(values.length * width);
  values.forEach((value, i) => {
    if (type === 'q16') out.writeUInt16LE(value === null ? 65535 : Math.round((value - offset) / scale), i * 2);
    else if (type === 'u8') out.writeUInt8(value ?? 255, i);
    else out.writeFloatLE(value ?? Number.NaN, i * 4);
  });
  return out;
}

function varints(ordinals) {
  const bytes = [];
  ordinals.forEach((ordinal, i) => {
    let gap = i === 0 ? ordinal : ordinal - ordinals[i - 1];
    while (gap >= 128) {
      bytes.push((gap % 128) | 128);
      gap = Math.floor(gap / 128);
    }
    bytes.push(gap);
  });
  return Buffer.from(bytes);
}

/** `rows` of a snapshot or delta are lists of values in the schema's order. */
export function layerFrame(kind, about, schema, { cells = [], ordinals = [], rows = [], deflate = false }) {
  const parts = [];
  if (kind === 'cells') {
    const ids = Buffer.alloc(cells.length * 8);
    for (const [i, cell] of cells.entries()) ids.writeBigUInt64LE(BigInt(`0x${cell}`), i * 8);
    parts.push(ids);
  } else {
    if (kind === 'delta') parts.push(varints(ordinals));
    parts.push(
      ...schema.map((c, i) =>
        column(
          c,
          rows.map((row) => row[i]),
        ),
      ),
    );
  }
  const body = Buffer.concat(parts);
  const count = kind === 'cells' ? cells.length : rows.length;
  return Buffer.concat([header(kind, { ...about, rows: count }, deflate), deflate ? deflateRawSync(body) : body]);
}
