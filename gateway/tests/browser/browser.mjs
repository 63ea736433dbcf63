// Headless Chromium for the browser tests.
import { chromium } from 'playwright-core';

// Nothing but loopback is reachable, and nothing else may be tried.
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Opens a browser with an empty profile. `CHROMIUM` names the program (default /usr/bin/chromium). */
export const open = (more = []) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [...flags, ...more],
});
