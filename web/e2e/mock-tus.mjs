// Uploads in parts of the mock city, by tus 1.0 as the city speaks it: what has come of a part stays, whatever happens to its line.
import { randomUUID } from 'node:crypto';

const VERSION = { 'tus-resumable': '1.0.0' };

/** `land(feed, { id, name, mends }, text)` makes the answer that a file in one request would get. */
export function mockTus(land) {
  const uploads = new Map();

  const said = (header) =>
    Object.fromEntries(
      (header ?? '').split(',').map((pair) => {
        const [key, value = ''] = pair.trim().split(' ');
        return [key, Buffer.from(value, 'base64').toString()];
      }),
    );

  function create(feed, base, request) {
    const { filename, mends = null } = said(request.headers['upload-metadata']);
    const upload = { id: randomUUID(), feed, name: filename, mends, length: Number(request.headers['upload-length']) };
    uploads.set(upload.id, { ...upload, chunks: [], offset: 0, ended: null });
    return [201, 'text/plain', '', { ...VERSION, location: `${base}/${upload.id}`, 'upload-offset': '0' }];
  }

  async function append(upload, request) {
    if (Number(request.headers['upload-offset']) !== upload.offset) return [409, 'text/plain', '', VERSION];
    try {
      for await (const chunk of request) {
        upload.chunks.push(chunk);
        upload.offset += chunk.length;
      }
    } catch {
      return 'cut';
    }
    if (upload.offset === upload.length) void end(upload);
    return [204, 'text/plain', '', { ...VERSION, 'upload-offset': String(upload.offset) }];
  }

  async function end(upload) {
    const [status, , answer] = await land(upload.feed, upload, Buffer.concat(upload.chunks).toString());
    upload.chunks = [];
    upload.ended = status < 300 ? { state: 'landed', receipt: answer } : { ...answer, state: 'refused' };
  }

  /** As the other routes of the mock: status, type, body, headers. */
  return async (feed, base, id, request) => {
    if (id === undefined) return create(feed, base, request);
    const upload = uploads.get(id);
    if (upload === undefined) return [404, 'application/problem+json', { code: 'NOT_FOUND', detail: 'no such upload' }];
    if (request.method === 'PATCH') return append(upload, request);
    const { offset, length, ended } = upload;
    const told = { ...VERSION, 'upload-offset': String(offset), 'upload-length': String(length) };
    if (request.method === 'HEAD') return [200, 'text/plain', '', told];
    const state = offset < length ? 'receiving' : 'landing';
    return [200, 'application/json', { upload: id, feed, received: offset, length, state, ...ended }];
  };
}
