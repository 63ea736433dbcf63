//! Relying party over the network: discovery, keys, code flow, logout.
