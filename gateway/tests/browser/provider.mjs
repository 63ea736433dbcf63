// The certified OpenID provider `oidc-provider` over HTTPS, as an organisation's identity provider.
//
// Environment:
//   ISSUER_PORT        port to listen on; 0 takes a free one (default 0)
//   ISSUER_HOST        host in the issuer and the certificate (default localhost)
//   TLS_CERT, TLS_KEY  PEM files of the certificate and its key
//   CLIENT_ID, CLIENT_SECRET
//   REDIRECT_URIS      the gateway's callbacks, separated by blanks
//   POST_LOGOUT_URIS   where sign-out may return to, separated by blanks
//   USERS              subjects that can sign in, separated by blanks (default ada)
//
// Prints one line `{"issuer":"https://…"}` on standard output when it listens, and ends on SIGTERM or when
// standard input ends.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const needed = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};
const list = (name, fallback = '') => (process.env[name] ?? fallback).split(' ').filter(Boolean);

const host = process.env.ISSUER_HOST ?? 'localhost';
const users = list('USERS', 'ada');
const tls = { cert: readFileSync(needed('TLS_CERT')), key: readFileSync(needed('TLS_KEY')) };

const server = createServer(tls);
await new Promise((resolve) => server.listen(Number(process.env.ISSUER_PORT ?? 0), resolve));
const issuer = `https://${host}:${server.address().port}`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(issuer, {
  clients: [{
    client_id: needed('CLIENT_ID'),
    client_secret: needed('CLIENT_SECRET'),
    redirect_uris: list('REDIRECT_URIS'),
    post_logout_redirect_uris: list('POST_LOGOUT_URIS'),
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
  },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => (users.includes(id)
    ? { accountId: id, claims: () => ({ sub: id, name: `Name of ${id}`, email: `${id}@north.example` }) }
    : undefined),
});

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>
<main><h1>${title}</h1>${body}</main></html>`;

// One page per interaction: a button per person, which also gives consent.
const interact = async (request, response, uid) => {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    const buttons = users.map((user) => `<button name="user" value="${user}">${user}</button>`).join(' ');
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page('Company sign-in', `<form method="post" action="/interaction/${uid}">${buttons}</form>`));
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const user = new URLSearchParams(body).get('user');
  const grant = new provider.Grant({ accountId: user, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  const result = { login: { accountId: user }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
};

const answer = provider.callback();
server.on('request', (request, response) => {
  const [, uid] = /^\/interaction\/([\w-]+)$/.exec(request.url) ?? [];
  if (!uid) {
    answer(request, response);
    return;
  }
  interact(request, response, uid).catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end('the interaction failed');
  });
});

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ issuer }));
