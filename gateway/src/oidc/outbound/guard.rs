//! Where the gateway may connect to: looked at on the resolved address, for every call (DI-05).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::OutboundError;
use crate::model::Connection;

/// What the platform allows besides the public internet on port 443.
#[derive(Clone, Debug, Default)]
pub struct OutboundSettings {
    /// Networks of private identity providers. Any port is allowed there. Set by the platform, never by
    /// an organisation (DI-06).
    pub allow: Vec<IpNet>,
    /// PEM certificates trusted for every provider besides the web's and the connection's own.
    pub ca_pem: Option<String>,
    /// Whether both count for connections that organisations set up themselves, too.
    pub administered: bool,
}

impl OutboundSettings {
    /// What counts for one connection: of what the platform opened, one that an organisation set up itself has nothing
    /// unless the platform says so (DI-06). It could otherwise look around in the platform's own network.
    pub(in crate::oidc) fn of(&self, connection: &Connection) -> Self {
        if connection.by_platform || self.administered {
            return self.clone();
        }
        Self::default()
    }

    /// Resolves a host and keeps the addresses that may be dialled. The caller connects to these very
    /// addresses, so a second answer of the name server changes nothing (DNS rebinding).
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, OutboundError> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        if found.is_empty() {
            return Err(OutboundError::Address("the name has no address"));
        }
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.permits(*address)).collect();
        if allowed.is_empty() {
            return Err(OutboundError::Address("it is private and the platform does not allow it"));
        }
        Ok(allowed)
    }

    fn permits(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let listed = self.allow.iter().any(|network| network.contains(&ip));
        listed || (address.port() == 443 && is_public(address.ip()))
    }
}

/// Whether an address belongs to the public internet. What is not known to be public is not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // "This network", private, loopback, and everything from multicast up (RFC 6890).
        (0 | 10 | 127 | 224..=255, _, _)
        // Shared address space (RFC 6598).
        | (100, 64..=127, _)
        // Link-local, where cloud machines keep their credentials.
        | (169, 254, _)
        | (172, 16..=31, _)
        // IETF protocol assignments and documentation.
        | (192, 0, 0 | 2)
        // 6to4 relays (RFC 7526).
        | (192, 88, 99)
        | (192, 168, _)
        // Benchmarks (RFC 2544).
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is handed out; of it not the tunnels that carry a v4 address inside (Teredo, 6to4),
    // nor documentation. That leaves out ::, ::1, v4-mapped, v4-compatible, NAT64, fc00::/7, fe80::/10
    // and multicast.
    let global = a & 0xe000 == 0x2000;
    let special = matches!((a, b), (0x2001, 0..=0x01ff | 0x0db8) | (0x2002 | 0x3fff, _));
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_public() {
        for text in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn special_addresses_are_not() {
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in special {
            assert!(!is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn the_allow_list_opens_exactly_what_it_names() {
        let settings = OutboundSettings {
            allow: vec!["10.1.0.0/16".parse().unwrap()],
            ca_pem: None,
            ..OutboundSettings::default()
        };
        let permits = |text: &str| settings.permits(text.parse().unwrap());
        assert!(permits("10.1.2.3:8443"));
        assert!(permits("[::ffff:10.1.2.3]:8443"));
        assert!(permits("1.1.1.1:443"));
        assert!(!permits("1.1.1.1:8443"));
        assert!(!permits("10.2.0.1:443"));
        assert!(!permits("127.0.0.1:443"));
        assert!(!permits("[::ffff:127.0.0.1]:443"));
    }

    #[tokio::test]
    async fn refuses_loopback_by_name_and_by_number() {
        let settings = OutboundSettings::default();
        for host in ["localhost", "127.0.0.1", "::1", "0.0.0.0", "127.1", "2130706433"] {
            assert!(settings.resolve(host, 443).await.is_err(), "{host}");
        }
    }
}
