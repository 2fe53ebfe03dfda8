// A bad line in front of a server: it carries bytes both ways, breaks off where it is told to, and is dead until it is mended.
import { connect, createServer } from 'node:net';

export async function startBadLine(target) {
  const { hostname, port } = new URL(target);
  const lines = new Set();
  let left = Number.POSITIVE_INFINITY;

  const breakAll = () => {
    for (const { near, far } of lines) {
      near.destroy();
      far.destroy();
    }
  };
  const server = createServer((near) => {
    if (left <= 0) return near.destroy();
    const far = connect(Number(port), hostname);
    const both = { near, far };
    lines.add(both);
    const part = () => {
      near.destroy();
      far.destroy();
      lines.delete(both);
    };
    for (const socket of [near, far]) socket.on('error', part).on('close', part);
    far.pipe(near);
    near.on('data', (bytes) => {
      left -= bytes.length;
      if (left > 0) far.write(bytes);
      else breakAll();
    });
    return undefined;
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Breaks off when so many more bytes have gone to the server. */
    cutAfter: (bytes) => {
      left = bytes;
    },
    mend: () => {
      left = Number.POSITIVE_INFINITY;
    },
    stop: async () => {
      breakAll();
      await new Promise((done) => server.close(done));
    },
  };
}
