// Makes the bundles and the trusted root of this folder anew, without a network: a mock of sigstore's services signs.
//
//   npm install @sigstore/sign@4.0 @sigstore/mock@0.11 pkijs@3.2.5 asn1js@3.0.6 && NODE_PATH=node_modules node make.cjs
//
// Newer versions of pkijs leave the signatures of the mock CT log empty. Run it in a folder of its own, as it writes
// beside itself. All keys are made for the run and not kept.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const nock = require('nock');
const sign = require('@sigstore/sign');
const mock = require('@sigstore/mock');

const write = (name, value) =>
  fs.writeFileSync(path.join(__dirname, name), typeof value === 'string' ? value : JSON.stringify(value) + '\n');
const ecKeys = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest();
const spki = (key) => key.export({ format: 'der', type: 'spki' });

const FULCIO = 'https://fulcio.example';
const REKOR = 'https://rekor.example:3000';
const OTHER_REKOR = 'https://rekor.other.example';
const TSA = 'https://tsa.example';
const OTHER_TSA = 'https://tsa.other.example';
const ISSUER = 'https://accounts.example';

// The mock logs what it is sent; a real log makes an entry of its own of it.
const logged = (request) => {
  const proposed = JSON.parse(request);
  if (proposed.kind !== 'dsse') return request;
  const { envelope, verifiers } = proposed.spec.proposedContent;
  const { payload, signatures } = JSON.parse(envelope);
  const hash = (bytes) => ({ algorithm: 'sha256', value: sha256(bytes).toString('hex') });
  return JSON.stringify({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: hash(envelope),
      payloadHash: hash(Buffer.from(payload, 'base64')),
      signatures: signatures.map(({ sig }, at) => ({ signature: sig, verifier: verifiers[at] })),
    },
  });
};

async function serve(url, handler, entry = (request) => request) {
  nock(url)
    .persist()
    .post(handler.path)
    .reply(async (_, body) => {
      const request = typeof body === 'string' ? body : JSON.stringify(body);
      const { statusCode, response, contentType } = await handler.fn(entry(request));
      return [statusCode, response, { 'Content-Type': contentType || 'text/plain' }];
    });
}

const token = (claims) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.AAAA`;
};

// A signer with a key, named by the SHA-256 of its public key as cosign names it.
const keySigner = (keys) => ({
  sign: async (data) => ({
    signature: crypto.sign('sha256', data, keys.privateKey),
    key: {
      $case: 'publicKey',
      publicKey: keys.publicKey.export({ format: 'pem', type: 'spki' }),
      hint: sha256(spki(keys.publicKey)).toString('base64'),
    },
  }),
});

const certificateSigner = (subject) =>
  new sign.FulcioSigner({
    fulcioBaseURL: FULCIO,
    identityProvider: {
      getToken: async () =>
        token({ sub: subject, iss: ISSUER, repository: 'example/app', ref: 'refs/heads/main', event_name: 'push' }),
    },
  });

const statement = (digest, predicateType, predicate) => ({
  type: 'application/vnd.in-toto+json',
  data: Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: digest } }],
      predicateType,
      predicate,
    })
  ),
});

async function main() {
  nock.disableNetConnect();
  const keys = { ca: ecKeys(), ct: ecKeys(), rekor: ecKeys(), otherRekor: ecKeys(), tsa: ecKeys(), otherTsa: ecKeys() };
  const ctLog = await mock.initializeCTLog(keys.ct);
  const ca = await mock.initializeCA(keys.ca, ctLog);
  await serve(FULCIO, mock.fulcioHandler(ca));
  for (const [url, pair] of [[REKOR, keys.rekor], [OTHER_REKOR, keys.otherRekor]]) {
    await serve(url, mock.rekorHandler(await mock.initializeTLog(url, pair)), logged);
  }
  const tsas = {};
  for (const [url, pair] of [[TSA, keys.tsa], [OTHER_TSA, keys.otherTsa]]) {
    tsas[url] = await mock.initializeTSA(pair);
    await serve(url, mock.tsaHandler(tsas[url]));
  }

  const validFor = { start: new Date(Date.now() - 3600_000).toISOString() };
  const log = (baseUrl, pair) => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: spki(pair.publicKey).toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
    logId: { keyId: sha256(spki(pair.publicKey)).toString('base64') },
  });
  const authority = (uri, certificates) => ({
    subject: { organization: 'sigstore.mock', commonName: 'sigstore' },
    uri,
    certChain: { certificates: certificates.map((bytes) => ({ rawBytes: Buffer.from(bytes).toString('base64') })) },
    validFor,
  });
  write('trusted_root.json', {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [log(REKOR, keys.rekor)],
    certificateAuthorities: [authority(FULCIO, [ca.rootCertificate])],
    ctlogs: [log('https://ctfe.example', keys.ct)],
    timestampAuthorities: [authority(TSA, [tsas[TSA].intCertificate, tsas[TSA].rootCertificate])],
  });

  const images = { a: sha256('image a').toString('hex'), b: sha256('image b').toString('hex') };
  write('images.json', images);
  const cosign = 'https://sigstore.dev/cosign/sign/v1';
  const rekor = (url = REKOR) => new sign.RekorWitness({ rekorBaseURL: url, entryType: 'dsse' });
  const tsa = (url = TSA) => new sign.TSAWitness({ tsaBaseURL: url });
  const bundle = async (name, signer, witnesses, artifact) => {
    const Builder = artifact.type ? sign.DSSEBundleBuilder : sign.MessageSignatureBundleBuilder;
    const made = await new Builder({ signer, witnesses }).create(artifact);
    const { bundleToJSON } = require('@sigstore/bundle');
    write(`${name}.json`, bundleToJSON(made));
  };

  const ada = certificateSigner('https://example.com/ada');
  const eve = certificateSigner('https://example.com/eve');
  const key = ecKeys();
  write('key.pub', key.publicKey.export({ format: 'pem', type: 'spki' }));
  for (const [name, digest] of Object.entries(images)) {
    const image = statement(digest, cosign, {});
    await bundle(`certificate-log-${name}`, ada, [rekor()], image);
    await bundle(`certificate-log-time-${name}`, ada, [rekor(), tsa()], image);
    await bundle(`key-${name}`, keySigner(key), [], image);
    await bundle(`key-log-${name}`, keySigner(key), [rekor()], image);
  }
  const image = statement(images.a, cosign, {});
  await bundle('certificate-time', ada, [tsa()], image);
  await bundle('certificate-nothing', ada, [], image);
  await bundle('certificate-two-times', ada, [rekor(), tsa(), tsa()], image);
  await bundle('certificate-other-log', ada, [rekor(OTHER_REKOR)], image);
  await bundle('certificate-other-time', ada, [tsa(OTHER_TSA)], image);
  await bundle('certificate-log-and-other-time', ada, [rekor(), tsa(OTHER_TSA)], image);
  await bundle('other-signer', eve, [rekor()], image);
  await bundle('provenance', ada, [rekor()], statement(images.a, 'https://slsa.dev/provenance/v1', { builder: 'x' }));
  await bundle('key-provenance', keySigner(key), [], statement(images.a, 'https://slsa.dev/provenance/v1', {}));
  await bundle('message', ada, [rekor()], { data: Buffer.from('image a') });
  await bundle('key-message', keySigner(key), [], { data: Buffer.from('image a') });
}

main();
