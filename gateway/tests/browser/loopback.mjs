// Loaded before a script (`node --import ./loopback.mjs`): names under `.localhost` are this machine
// (RFC 6761 §6.3). Browsers know that; Node asks the system's resolver, which may not.
import dns from 'node:dns';

const { lookup } = dns.promises;
const isLoopback = (name) => /(^|\.)localhost$/.test(name);
dns.promises.lookup = (name, options) => lookup(isLoopback(name) ? 'localhost' : name, options);
