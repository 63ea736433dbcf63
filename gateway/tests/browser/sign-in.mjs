// Signs in through a real provider in headless Chromium: two tabs at once, who am I, sign-out.
//
// Environment:
//   GATEWAY_URL            where the gateway listens, without a last slash: https://hub.localhost:8443
//   ORGANISATION           slug to sign in with (default north)
//   EXPECTED_ORGANISATION  organisation id that /.hubgate/me must name (default ORGANISATION)
//   EXPECTED_SUBJECT       subject that must be signed in, one of the provider's USERS (default ada)
//   EXPECTED_MEMBER        member id that /.hubgate/me must name; `none` for a person without membership
//                          (default EXPECTED_SUBJECT)
//   PROTECTED_PATH         a path that sends an anonymous browser to sign-in; left out, it is not tried
//   CHROMIUM               the browser (default /usr/bin/chromium)
//
// Certificates are those of a CA made for the run, which Chromium does not know: this script does not check
// them. That the gateway checks the provider's is the business of the Rust tests.
//
// Prints one line per step; exit code 0 when all passed, 1 with the failed step otherwise.
import assert from 'node:assert/strict';
import { open } from './browser.mjs';

const gateway = process.env.GATEWAY_URL;
if (!gateway) throw new Error('GATEWAY_URL is not set');
const organisation = process.env.ORGANISATION ?? 'north';
const subject = process.env.EXPECTED_SUBJECT ?? 'ada';
const expected = {
  organisation: process.env.EXPECTED_ORGANISATION ?? organisation,
  member: process.env.EXPECTED_MEMBER ?? subject,
};
const isMember = expected.member !== 'none';

const browser = await open();
const context = await browser.newContext({ ignoreHTTPSErrors: true });
context.setDefaultTimeout(15_000);
const violations = [];
context.on('page', (page) => page.on('console', (message) => {
  if (/content security policy/i.test(message.text())) violations.push(message.text());
}));

const me = async () => {
  const answer = await context.request.get(`${gateway}/.hubgate/me`, { ignoreHTTPSErrors: true });
  return { status: answer.status(), body: answer.ok() ? await answer.json() : undefined };
};
const session = async () => {
  const cookies = await context.cookies(gateway);
  return cookies.find((cookie) => cookie.name === '__Host-hubgate');
};
const step = async (name, work) => {
  try {
    await work();
    console.log(`ok   ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}\n${error.stack}`);
    process.exitCode = 1;
    throw error;
  }
};
/** At the provider: clicks the person. */
const choose = (page) => page.locator(`button[name="user"][value="${subject}"]`).click();
const arrived = (page) => page.waitForURL((url) => url.href.startsWith(gateway)
  && !url.pathname.startsWith('/.hubgate/sign-in'));

try {
  await step('nobody is signed in at first', async () => {
    assert.equal((await me()).status, 401);
  });

  const tabs = [await context.newPage(), await context.newPage()];
  await step('two tabs start to sign in at once', async () => {
    await Promise.all(tabs.map((tab, index) => tab.goto(
      `${gateway}/.hubgate/sign-in?organisation=${organisation}&return_to=${encodeURIComponent(`/.hubgate/me?tab=${index}`)}`,
    )));
    for (const tab of tabs) assert.ok(!tab.url().startsWith(gateway), tab.url());
    const cookies = await context.cookies(gateway);
    assert.equal(cookies.filter((cookie) => cookie.name.startsWith('__Host-hubgate_tx_')).length, 2);
  });

  await step('both tabs come back to where each wanted to go', async () => {
    for (const [index, tab] of tabs.entries()) {
      await choose(tab);
      await arrived(tab);
      if (isMember) assert.equal(new URL(tab.url()).search, `?tab=${index}`);
      else assert.match(await tab.textContent('h1'), /no access yet/i);
    }
  });

  await step('the session cookie is a host cookie no script can read', async () => {
    const cookie = await session();
    assert.ok(cookie, 'no session cookie');
    assert.equal(cookie.value.length, 43);
    assert.ok(cookie.secure && cookie.httpOnly);
    assert.equal(cookie.sameSite, 'Lax');
    assert.equal(cookie.path, '/');
    const left = (await context.cookies(gateway)).map(({ name }) => name);
    assert.deepEqual(left.filter((name) => name.startsWith('__Host-hubgate_tx_')), []);
  });

  await step('the gateway knows who it is', async () => {
    const { status, body } = await me();
    assert.equal(status, 200);
    assert.equal(body.subject, subject);
    assert.equal(body.organisation.id, expected.organisation);
    assert.equal(body.member?.id ?? 'none', expected.member);
  });

  await step('signing in through the page replaces the session', async () => {
    const before = (await session()).value;
    const page = tabs[0];
    await page.goto(`${gateway}/.hubgate/sign-in`);
    await page.getByLabel('Work e-mail or organisation').fill(organisation);
    await page.getByRole('button', { name: 'Continue' }).click();
    // The provider knows the person already and sends them straight back, or asks once more.
    await page.waitForURL((url) => url.pathname.startsWith('/interaction/')
      || (url.href.startsWith(gateway) && !url.pathname.startsWith('/.hubgate/sign-in')));
    if (!page.url().startsWith(gateway)) {
      await choose(page);
      await arrived(page);
    }
    assert.notEqual((await session()).value, before);
  });

  await step('signs out here and at the provider', async () => {
    const page = tabs[1];
    const before = (await session()).value;
    await page.goto(`${gateway}/.hubgate/sign-out`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL((url) => !url.href.startsWith(gateway) || url.pathname === '/.hubgate/signed-out');
    if (!page.url().startsWith(gateway)) {
      const yes = page.locator('button[value="yes"], button[name="logout"]');
      if (await yes.count()) await yes.first().click();
      await page.waitForURL(`${gateway}/.hubgate/signed-out**`);
    }
    assert.match(await page.textContent('h1'), /you are signed out/i);
    assert.equal(await session(), undefined);
    const revived = await context.request.get(`${gateway}/.hubgate/me`, {
      ignoreHTTPSErrors: true, headers: { cookie: `__Host-hubgate=${before}` },
    });
    assert.equal(revived.status(), 401, 'the old session is dead on the server too');
  });

  if (process.env.PROTECTED_PATH) {
    await step('a protected page sends a browser to sign-in', async () => {
      const page = tabs[0];
      await page.goto(`${gateway}${process.env.PROTECTED_PATH}`);
      assert.ok(page.url().includes('/.hubgate/sign-in') || !page.url().startsWith(gateway), page.url());
    });
  }

  await step('no page broke its content security policy', async () => {
    assert.deepEqual(violations, []);
  });
} catch {
  process.exitCode = 1;
} finally {
  await browser.close();
}
