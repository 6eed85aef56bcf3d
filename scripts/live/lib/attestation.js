// Verifies an attestation with sigstore-js, by certificate or by key, and prints what it verified.
//
//   node attestation.js ROOT BUNDLE identity NAME ISSUER
//   node attestation.js ROOT BUNDLE key PEM

const crypto = require('crypto');
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const [root, path, how, ...rest] = process.argv.slice(2);
try {
  const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(path)));
  const trusted = TrustedRoot.fromJSON(JSON.parse(fs.readFileSync(root)));
  let keys, policy;
  if (how === 'key') {
    const publicKey = crypto.createPublicKey(fs.readFileSync(rest[0]));
    keys = () => ({ publicKey, validFor: () => true });
  } else {
    policy = { subjectAlternativeName: rest[0], extensions: { issuer: rest[1] } };
  }
  const options = how === 'key' ? { ctlogThreshold: 0 } : {};
  new Verifier(toTrustMaterial(trusted, keys), options).verify(toSignedEntity(bundle), policy);
  const statement = JSON.parse(bundle.content.dsseEnvelope.payload);
  console.log(JSON.stringify(statement.subject));
} catch (error) {
  console.error(`${error.message}${error.cause ? `: ${error.cause.message ?? error.cause}` : ''}`);
  process.exit(1);
}
