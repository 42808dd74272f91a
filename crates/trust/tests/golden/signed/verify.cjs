// Verifies the bundles of signatures.json with @sigstore/verify, each with its key and with another: see verify.py.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const made = JSON.parse(fs.readFileSync(path.join(__dirname, 'signatures.json')));
const root = { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' };
const nobody = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };

const verify = (bundle, pem) => {
  const publicKey = crypto.createPublicKey(pem);
  const verifier = new Verifier(toTrustMaterial({ ...root, ...nobody }, () => ({ publicKey, validFor: () => true })), {
    ctlogThreshold: 0,
    tlogThreshold: 0,
    timestampThreshold: 0,
  });
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
    return 'accepted';
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
};

const answers = {};
const keys = Object.keys(made);
keys.forEach((key, at) => {
  answers[`${key} bundle`] = verify(made[key].bundle, made[key].key);
  answers[`${key} bundle by another key`] = verify(made[key].bundle, made[keys.at(at - 1)].key);
});
console.log(JSON.stringify(answers));
