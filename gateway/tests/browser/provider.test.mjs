// Checks the provider by itself: a code flow with PKCE in Chromium, the code exchanged by hand, sign-out.
// Run by `npm test`; it makes a certificate with openssl.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { open } from './browser.mjs';

const here = import.meta.dirname;
const folder = mkdtempSync(join(tmpdir(), 'hubgate-browser-'));
const cert = join(folder, 'cert.pem');
const key = join(folder, 'key.pem');
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
  '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert,
], { stdio: 'ignore' });
const ca = readFileSync(cert);

const fetchJson = (url, options = {}, body = '') => new Promise((resolve, reject) => {
  const request = httpsRequest(url, { ...options, ca }, (response) => {
    let text = '';
    response.on('data', (chunk) => { text += chunk; });
    response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
  });
  request.on('error', reject);
  request.end(body);
});

test('a person signs in and out', { timeout: 60_000 }, async () => {
  const relying = createServer({ cert: ca, key: readFileSync(key) }, (request, response) => response.end('back'));
  relying.listen(0, 'localhost');
  await once(relying, 'listening');
  const base = `https://localhost:${relying.address().port}`;
  const provider = spawn('node', [join(here, 'provider.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env, TLS_CERT: cert, TLS_KEY: key, CLIENT_ID: 'hubgate', CLIENT_SECRET: 'secret:+%',
      REDIRECT_URIS: `${base}/callback`, POST_LOGOUT_URIS: `${base}/out`, USERS: 'ada bob',
    },
  });
  const browser = await open();
  try {
    const [line] = await once(createInterface(provider.stdout), 'line');
    const { issuer } = JSON.parse(line);
    const { body: metadata } = await fetchJson(`${issuer}/.well-known/openid-configuration`);
    assert.equal(metadata.issuer, issuer);
    assert.ok(metadata.code_challenge_methods_supported.includes('S256'));
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);

    const verifier = randomBytes(32).toString('base64url');
    const url = new URL(metadata.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: 'code', client_id: 'hubgate', redirect_uri: `${base}/callback`, scope: 'openid profile',
      state: 's', nonce: 'n', code_challenge_method: 'S256',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    });
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    await page.goto(url.href);
    await page.locator('button[name="user"][value="ada"]').click();
    await page.waitForURL(`${base}/callback**`);
    const back = new URL(page.url()).searchParams;
    assert.equal(back.get('state'), 's');
    assert.equal(back.get('iss'), issuer);

    const basic = ['hubgate', 'secret:+%'].map(encodeURIComponent).join(':');
    const form = new URLSearchParams({
      grant_type: 'authorization_code', code: back.get('code'), redirect_uri: `${base}/callback`,
      code_verifier: verifier,
    });
    const { status, body: tokens } = await fetchJson(metadata.token_endpoint, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
    }, form.toString());
    assert.equal(status, 200, JSON.stringify(tokens));
    const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url'));
    assert.equal(claims.sub, 'ada');
    assert.equal(claims.nonce, 'n');

    const out = new URL(metadata.end_session_endpoint);
    out.search = new URLSearchParams({
      id_token_hint: tokens.id_token, client_id: 'hubgate', post_logout_redirect_uri: `${base}/out`, state: 'o',
    });
    await page.goto(out.href);
    await page.locator('button[name="logout"]').first().click();
    await page.waitForURL(`${base}/out?state=o`);
  } finally {
    await browser.close();
    provider.stdin.end();
    relying.close();
    relying.closeAllConnections();
    rmSync(folder, { recursive: true });
  }
});
