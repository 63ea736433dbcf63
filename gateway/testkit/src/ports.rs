//! Loopback addresses for processes that are told where to listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;

/// Below the range Linux takes ports of outgoing connections and of "any port" from (32768 and up, unless
/// changed): between choosing such a port and listening on it, no connection of another test can take it.
const FIRST: u16 = 10_240;
const COUNT: u16 = 22_000;

/// An address nobody listens on, and none given out before by this process.
///
/// # Errors
/// When every port of the range is taken.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    (0..COUNT)
        .find_map(|_| {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = begin.wrapping_add(step) % u32::from(COUNT);
            let port = FIRST + u16::try_from(offset).ok()?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            TcpListener::bind(address).is_ok().then_some(address)
        })
        .context("no free port")
}
