// Signs and verifies with sigstore-js: what its command line does not offer for an instance of one's own.
//
//   node sigstore.js sign READY TOKEN FILE BUNDLE
//   node sigstore.js verify READY TUF-ROOT CACHE IDENTITY FILE BUNDLE
//
// READY is the sandbox's ready line, IDENTITY an email address or a URI. The verifier fetches its trust by TUF.

const fs = require('fs');

async function sign(ready, token, file, out) {
  const { FulcioSigner, RekorWitness, TSAWitness, MessageSignatureBundleBuilder } = require('@sigstore/sign');
  const { bundleToJSON } = require('@sigstore/bundle');
  const identityProvider = { getToken: async () => fs.readFileSync(token, 'utf8') };
  const builder = new MessageSignatureBundleBuilder({
    signer: new FulcioSigner({ fulcioBaseURL: ready.fulcio, identityProvider }),
    witnesses: [
      new RekorWitness({ rekorBaseURL: ready.rekor, majorApiVersion: 2 }),
      new TSAWitness({ tsaBaseURL: ready.tsa }),
    ],
  });
  const bundle = await builder.create({ data: fs.readFileSync(file) });
  fs.writeFileSync(out, JSON.stringify(bundleToJSON(bundle)));
}

async function verify(ready, root, cache, identity, file, bundle) {
  const { verify } = require('sigstore');
  const name = identity.includes('://') ? { certificateIdentityURI: identity } : { certificateIdentityEmail: identity };
  const signer = await verify(JSON.parse(fs.readFileSync(bundle)), fs.readFileSync(file), {
    tufMirrorURL: ready.tuf,
    tufRootPath: root,
    tufCachePath: cache,
    certificateIssuer: process.env.ISSUER,
    ...name,
  });
  console.log(signer.identity.subjectAlternativeName);
}

const [verb, ready, ...rest] = process.argv.slice(2);
const verbs = { sign, verify };
verbs[verb](JSON.parse(fs.readFileSync(ready)), ...rest).catch((error) => {
  console.error(`${error.message}${error.cause ? `: ${error.cause.message ?? error.cause}` : ''}`);
  process.exit(1);
});
