// The JavaScript SDK (ali-oss) as it is published against the fake server. The Go test beside this directory starts the
// server, and tells this program where it is in FAKEOSS_URL, FAKEOSS_KEY_ID and FAKEOSS_KEY_SECRET. Each test is run
// for each style of address and version of the signature.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const OSS = require('ali-oss');

const server = new URL(process.env.FAKEOSS_URL);
const partSize = 100 * 1024;
const odd = 'dir/a b+c%2Fd/ü';

// Every name is the server's address: there is no name service in these tests.
const agent = new http.Agent({
  keepAlive: true,
  lookup: (host, options, done) =>
    options.all ? done(null, [{ address: server.hostname, family: 4 }]) : done(null, server.hostname, 4),
});

// sldEnable is path style. At an IP address the SDK sends the public host name of the bucket and its region in Host, with
// the path of the virtual-host style; sldEnable must be off there.
const styles = {
  ip: { endpoint: server.origin },
  path: { endpoint: `http://localhost:${server.port}`, sldEnable: true },
  virtual: { endpoint: `http://localhost:${server.port}` },
  public: { endpoint: `http://oss-cn-hangzhou.aliyuncs.com:${server.port}` },
  cname: { endpoint: `http://files.example.com:${server.port}`, cname: true },
};
const versions = { V1: { authorizationV4: false }, V4: { authorizationV4: true } };

function client(options) {
  return new OSS({
    region: 'oss-cn-hangzhou',
    bucket: 'clients',
    accessKeyId: process.env.FAKEOSS_KEY_ID,
    accessKeySecret: process.env.FAKEOSS_KEY_SECRET,
    agent,
    ...options,
  });
}

function random(size) {
  const b = Buffer.alloc(size);
  for (let i = 0, x = 1; i < size; i++) {
    x = (x * 1103515245 + 12345) % 2147483648;
    b[i] = x >> 16;
  }
  return b;
}

// send uses a URL without the SDK.
function send(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const rq = http.request(url, { method, headers, agent }, rs => {
      const chunks = [];
      rs.on('data', c => chunks.push(c));
      rs.on('end', () => resolve({ status: rs.statusCode, headers: rs.headers, body: Buffer.concat(chunks).toString() }));
    });
    rq.on('error', reject);
    rq.end(body);
  });
}

const refused = (code, status) => err => {
  assert.equal(err.code, code);
  assert.equal(err.status, status);
  assert.ok(err.requestId, 'an error has the ID of the request');
  return true;
};

async function empty(store) {
  const { objects } = await store.listV2({ 'max-keys': 1000 });
  for (const o of objects) await store.delete(o.name);
}

// put (buffer, file), putStream, get (whole, range, stream), head, getObjectMeta, putACL, getACL, putMeta's conditions,
// putObjectTagging, getObjectTagging, deleteObjectTagging, delete
async function objects(store) {
  const put = await store.put(odd, Buffer.from('hello, fake'), {
    mime: 'text/x', meta: { kind: 'a b' }, headers: { 'x-oss-storage-class': 'IA', 'Cache-Control': 'no-cache' },
  });
  assert.equal(put.name, odd);
  await assert.rejects(store.put(odd, Buffer.from('x'), { headers: { 'x-oss-forbid-overwrite': 'true' } }),
    refused('FileAlreadyExists', 409));
  const get = await store.get(odd);
  assert.equal(get.content.toString(), 'hello, fake');
  assert.equal(get.res.headers['content-type'], 'text/x');
  const range = await store.get(odd, { headers: { Range: 'bytes=7-10' } });
  assert.equal(range.content.toString(), 'fake');
  assert.equal(range.res.status, 206);
  const head = await store.head(odd);
  assert.deepEqual(head.meta, { kind: 'a b' });
  assert.equal(head.res.headers['content-length'], '11');
  assert.equal(head.res.headers['x-oss-storage-class'], 'IA');
  const same = await store.head(odd, { headers: { 'If-None-Match': put.res.headers.etag } });
  assert.equal(same.status, 304);
  const meta = await store.getObjectMeta(odd);
  assert.equal(meta.res.headers.etag, put.res.headers.etag);
  await assert.rejects(store.get('missing'), refused('NoSuchKey', 404));
  await assert.rejects(store.head('missing'), refused('NoSuchKey', 404));

  await store.putACL(odd, 'public-read');
  assert.equal((await store.getACL(odd)).acl, 'public-read');
  await store.putObjectTagging(odd, { a: '1', b: 'x y' });
  assert.deepEqual((await store.getObjectTagging(odd)).tag, { a: '1', b: 'x y' });
  await store.deleteObjectTagging(odd);
  assert.deepEqual((await store.getObjectTagging(odd)).tag, {});

  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'fakeoss-'));
  try {
    const file = path.join(dir, 'f.txt');
    fs.writeFileSync(file, 'from a file');
    await store.put('file', file);
    await store.putStream('stream', fs.createReadStream(file)); // its length is unknown: chunked
    const back = path.join(dir, 'back');
    await store.get('stream', back);
    assert.equal(fs.readFileSync(back, 'utf8'), 'from a file');
    const stream = await store.getStream('file');
    let text = '';
    for await (const chunk of stream.stream) text += chunk;
    assert.equal(text, 'from a file');
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
  assert.equal((await store.delete(odd)).res.status, 204);
  assert.equal((await store.delete(odd)).res.status, 204);
  await empty(store);
}

// list and listV2: prefix, delimiter, paging, keys that need escaping
async function lists(store) {
  const keys = ['a b+c', 'a/1', 'a/2', 'a/ü&<>', 'b', 'z%2F'];
  for (const k of keys) await store.put(k, Buffer.from(k));
  // A parameter that is undefined would be in the URL, but not in the SDK's V4 signature: it must not be there at all.
  for (const [query, want] of [[{}, keys], [{ delimiter: '/' }, ['a b+c', 'a/', 'b', 'z%2F']]]) {
    const found = { v1: [], v2: [] };
    for (let next = {}; next;) {
      const page = await store.list({ ...query, ...next, 'max-keys': 2 });
      found.v1.push(...page.objects.map(o => o.name), ...(page.prefixes || []));
      next = page.isTruncated && { marker: page.nextMarker };
    }
    for (let next = {}; next;) {
      const page = await store.listV2({ ...query, ...next, 'max-keys': 2 });
      found.v2.push(...page.objects.map(o => o.name), ...(page.prefixes || []));
      assert.equal(page.keyCount, page.objects.length + (page.prefixes || []).length);
      next = page.isTruncated && { 'continuation-token': page.nextContinuationToken };
    }
    assert.deepEqual(found.v1.sort(), want);
    assert.deepEqual(found.v2.sort(), want);
  }
  assert.deepEqual((await store.list({ prefix: 'a/' })).objects.map(o => o.name), ['a/1', 'a/2', 'a/ü&<>']);
  await empty(store);
}

// multipartUpload: stopped after some parts, resumed from its checkpoint by another client
async function multipart(store, options) {
  const data = random(5 * partSize + 17);
  let checkpoint;
  await assert.rejects(store.multipartUpload(odd, data, {
    partSize, parallel: 1, meta: { a: 'b' },
    headers: { 'x-oss-object-acl': 'public-read', 'x-oss-tagging': 'k=v' }, // the SDK repeats them with each part
    progress: (p, c) => {
      checkpoint = c;
      if (c && c.doneParts.length === 3) throw new Error('stop here');
    },
  }), /stop here/);
  assert.equal(checkpoint.doneParts.length, 3);
  const { parts } = await store.listParts(odd, checkpoint.uploadId, { 'max-parts': 2 });
  assert.deepEqual(parts.map(p => [p.PartNumber, p.Size, p.ETag]),
    checkpoint.doneParts.slice(0, 2).map(p => [String(p.number), String(partSize), p.etag]));
  const { uploads } = await store.listUploads({ prefix: 'dir/' });
  assert.deepEqual(uploads.map(u => [u.name, u.uploadId]), [[odd, checkpoint.uploadId]]);

  const again = client(options);
  const done = await again.multipartUpload(odd, data, { checkpoint, parallel: 2 });
  assert.match(done.etag, /^"[0-9A-F]{32}-6"$/);
  const get = await again.get(odd);
  assert.ok(get.content.equals(data), 'the object is not what was sent');
  assert.equal(get.res.headers['x-oss-meta-a'], 'b');
  assert.equal((await again.getACL(odd)).acl, 'public-read');
  assert.deepEqual((await again.getObjectTagging(odd)).tag, { k: 'v' });
  await assert.rejects(store.abortMultipartUpload(odd, checkpoint.uploadId), refused('NoSuchUpload', 404));

  // the steps one by one, and an upload that is given up
  const { uploadId } = await store.initMultipartUpload('steps');
  const first = await store.uploadPart('steps', uploadId, 1, data, 0, partSize);
  const second = await store.uploadPart('steps', uploadId, 2, data, partSize, partSize + 5);
  await store.completeMultipartUpload('steps', uploadId, [{ number: 1, etag: first.etag }, { number: 2, etag: second.etag }]);
  assert.ok((await store.get('steps')).content.equals(data.subarray(0, partSize + 5)));
  const lost = await store.initMultipartUpload('steps');
  await store.abortMultipartUpload('steps', lost.uploadId);
  await assert.rejects(store.listParts('steps', lost.uploadId), refused('NoSuchUpload', 404));
  await empty(store);
}

// signatureUrl, asyncSignatureUrl and signatureUrlV4, for GET, PUT and HEAD
async function presigned(store, options) {
  if (options.endpoint === styles.ip.endpoint) {
    // The SDK refuses to make V1 URLs at an IP address, and its V4 URLs there do not name the bucket.
    assert.throws(() => store.signatureUrl(odd), /endpoint is IP/);
    return;
  }
  const sign = async (method, headers) => options.authorizationV4
    ? store.signatureUrlV4(method, 600, { headers }, odd)
    : store.asyncSignatureUrl(odd, { method, expires: 600, 'Content-Type': headers['Content-Type'] });
  const put = await send('PUT', await sign('PUT', { 'Content-Type': 'text/x' }), { 'Content-Type': 'text/x' }, 'signed');
  assert.equal(put.status, 200, put.body);
  const get = await send('GET', await sign('GET', {}), {});
  assert.equal(get.body, 'signed');
  assert.equal(get.headers['content-type'], 'text/x');
  const head = await send('HEAD', await sign('HEAD', {}), {});
  assert.equal(head.headers['content-length'], '6');
  if (!options.authorizationV4) {
    const overridden = await send('GET', store.signatureUrl(odd, { response: { 'content-type': 'text/z' } }), {});
    assert.equal(overridden.headers['content-type'], 'text/z', overridden.body);
  }
  const other = await send('GET', (await sign('GET', {})).replace(/ignature=[0-9A-Za-z]/, m => m.slice(0, -1) + (m.at(-1) === '0' ? '1' : '0')), {});
  assert.equal(other.status, 403);
  assert.match(other.body, /SignatureDoesNotMatch/);
  await empty(store);
}

// putBucket, listBuckets, getBucketInfo, getBucketLocation, deleteBucket
async function buckets(store, options) {
  if (options.cname) return; // a CNAME is one bucket
  const name = 'javascript';
  await store.putBucket(name, { storageClass: 'IA', acl: 'public-read' });
  const { bucket } = await store.getBucketInfo(name);
  assert.equal(bucket.Name, name);
  assert.equal(bucket.StorageClass, 'IA');
  assert.equal(bucket.AccessControlList.Grant, 'public-read');
  assert.equal((await store.getBucketLocation(name)).location, 'oss-cn-hangzhou');
  const listed = await store.listBuckets({ prefix: 'java' });
  assert.deepEqual(listed.buckets.map(b => b.name), [name]);
  await store.deleteBucket(name);
  await assert.rejects(store.getBucketInfo(name), refused('NoSuchBucket', 404));
}

// copy (COPY, REPLACE, conditions), append, deleteMulti (loud and quiet), multipartUploadCopy, uploadPartCopy, putBucketACL,
// getBucketACL
async function copies(store, options) {
  const data = random(3 * partSize + 1);
  await store.put(odd, data, { meta: { a: 'b' } });
  await store.copy('copied', odd);
  let got = await store.get('copied');
  assert.ok(got.content.equals(data));
  assert.equal(got.res.headers['x-oss-meta-a'], 'b');
  await store.copy('copied', `/clients/${odd}`, { meta: { a: 'c' } });
  assert.deepEqual((await store.head('copied')).meta, { a: 'c' });
  await assert.rejects(store.copy('copied', 'missing'), refused('NoSuchKey', 404));
  await assert.rejects(store.copy('copied', odd, { headers: { 'If-Match': '"0"' } }), refused('PreconditionFailed', 412));
  const same = await store.copy('copied', odd, { headers: { 'If-None-Match': got.res.headers.etag } });
  assert.equal(same.res.status, 304);
  await store.copy('copied', odd, { headers: { 'Cache-Control': 'no-cache', 'Content-Disposition': 'attachment' } });
  got = await store.head('copied');
  assert.equal(got.res.headers['cache-control'], 'no-cache');
  assert.equal(got.res.headers['content-disposition'], 'attachment');

  await store.multipartUploadCopy('parts', { sourceKey: odd, sourceBucketName: 'clients' }, { partSize });
  assert.ok((await store.get('parts')).content.equals(data));

  const first = await store.append('log', Buffer.from('one,'));
  assert.equal(first.nextAppendPosition, '4');
  const second = await store.append('log', Buffer.from('two'), { position: first.nextAppendPosition });
  assert.equal(second.nextAppendPosition, '7');
  assert.equal((await store.get('log')).content.toString(), 'one,two');
  await assert.rejects(store.append('log', Buffer.from('x'), { position: 1 }), refused('PositionNotEqualToLength', 409));
  await assert.rejects(store.append('parts', Buffer.from('x')), refused('ObjectNotAppendable', 409));

  const deleted = await store.deleteMulti(['copied', 'parts', 'missing']);
  assert.deepEqual(deleted.deleted.map(d => d.Key), ['copied', 'parts', 'missing']);
  const quiet = await store.deleteMulti([odd, 'log'], { quiet: true });
  assert.deepEqual(quiet.deleted, []);
  assert.deepEqual((await store.listV2()).objects, []);

  if (!options.cname) {
    await store.putBucketACL('clients', 'public-read');
    assert.equal((await store.getBucketACL('clients')).acl, 'public-read');
    await store.putBucketACL('clients', 'private');
  }
}

for (const [style, address] of Object.entries(styles)) {
  for (const [version, signature] of Object.entries(versions)) {
    for (const run of [objects, lists, multipart, presigned, copies, buckets]) {
      const options = { ...address, ...signature };
      test(`${run.name}/${style}/${version}`, () => run(client(options), options));
    }
  }
}

test.after(() => agent.destroy());
