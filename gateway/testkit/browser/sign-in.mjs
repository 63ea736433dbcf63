// A person with a browser: asks for a page, is sent to sign in, comes back, is denied what is not theirs,
// signs out. Settings come as JSON in SETTINGS; every step that fails ends the run.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { hub, organisation, user, chromiumPath } = JSON.parse(process.env.SETTINGS);
const page1 = `${hub}/api/v1/teams/team-harbour`;
const foreign = `${hub}/api/v1/teams/team-meadow`;

const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ['--no-sandbox', '--host-resolver-rules=MAP *.localhost 127.0.0.1'],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const sessionCookie = async () =>
    (await context.cookies(hub)).find((cookie) => cookie.name === '__Host-hubgate');

  await step('asking for a page leads to the sign-in page', async () => {
    await page.goto(page1);
    await page.getByLabel('Work e-mail or organisation').fill(organisation);
    await page.getByRole('button', { name: 'Continue' }).click();
  });

  await step('the provider signs the person in', async () => {
    await page.locator('input[name=login]').fill(user);
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    // Consent.
    await page.getByRole('button', { name: 'Continue' }).click();
  });

  await step('the person is back at the page, as themselves', async () => {
    await page.waitForURL(page1);
    const answer = JSON.parse(await page.locator('body').innerText());
    assert.equal(answer.result.id, 'team-harbour');
    assert.match(JSON.stringify(answer.asked_by), new RegExp(user));
  });

  await step('the session cookie is out of reach of scripts and other sites', async () => {
    const cookie = await sessionCookie();
    assert.ok(cookie, 'there is a session cookie');
    assert.ok(cookie.httpOnly && cookie.secure && cookie.path === '/');
    assert.equal(cookie.sameSite, 'Lax');
    assert.equal(await page.evaluate('document.cookie'), '');
  });

  await step('another organisation stays out of reach', async () => {
    const answer = await page.goto(foreign);
    assert.equal(answer.status(), 403);
  });

  await step('signing out ends the session here and at the provider', async () => {
    await page.goto(`${hub}/.hubgate/sign-out`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: /yes, sign me out/i }).click();
    await page.getByText('You are signed out').waitFor();
    assert.equal(await sessionCookie(), undefined);
    await page.goto(page1);
    await page.getByLabel('Work e-mail or organisation').waitFor();
  });
  console.log('signed in, decided on and signed out with a real browser');
} finally {
  await browser.close();
}

async function step(name, run) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    console.log(`FAILED  ${name}`);
    throw error;
  }
}
