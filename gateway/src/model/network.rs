//! Networks as people write them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is no address with a prefix.
    #[error("`{0}` is no network: write `10.1.0.0/16` or `fd00::/8`")]
    Text(String),
    /// It would be no restriction.
    #[error("`{0}` is every address: name the networks")]
    Everything(String),
    /// It says something else than it seems to.
    #[error("`{given}` has bits behind its prefix: write `{meant}`")]
    Bits {
        /// What was written.
        given: String,
        /// The network it lies in.
        meant: IpNet,
    },
}

/// Reads a network, as `10.1.0.0/16`; a single address has a prefix of all its bits.
///
/// # Errors
/// [`NetworkError`]: also for every address there is, and for bits behind the prefix.
pub fn network(text: &str) -> Result<IpNet, NetworkError> {
    let given = || text.to_owned();
    let network: IpNet = text.parse().map_err(|_| NetworkError::Text(given()))?;
    if network.prefix_len() == 0 {
        return Err(NetworkError::Everything(given()));
    }
    let meant = network.trunc();
    if meant != network {
        return Err(NetworkError::Bits { given: given(), meant });
    }
    Ok(network)
}

/// Whether `address` lies in one of `networks`; an IPv4 address may come written as an IPv6 one (RFC 4291 §2.5.5.2).
pub fn lies_in(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_they_are_meant() {
        for good in ["10.1.0.0/16", "192.0.2.7/32", "fd00::/8", "2001:db8::1/128"] {
            assert_eq!(network(good).unwrap().to_string(), good);
        }
        for (wrong, told) in [
            ("10.1.0.0", "is no network"),
            ("10.1.0.0/33", "is no network"),
            ("everywhere", "is no network"),
            ("0.0.0.0/0", "is every address"),
            ("::/0", "is every address"),
            ("10.1.2.3/16", "write `10.1.0.0/16`"),
        ] {
            assert!(network(wrong).unwrap_err().to_string().contains(told), "{wrong}");
        }
    }

    #[test]
    fn an_address_lies_in_its_network_however_it_is_written() {
        let networks = [network("192.0.2.0/24").unwrap(), network("2001:db8::/32").unwrap()];
        for inside in ["192.0.2.1", "::ffff:192.0.2.255", "2001:db8:1::1"] {
            assert!(lies_in(inside.parse().unwrap(), &networks), "{inside}");
        }
        for outside in ["192.0.3.1", "::ffff:192.0.3.1", "2001:db9::1", "::192.0.2.1"] {
            assert!(!lies_in(outside.parse().unwrap(), &networks), "{outside}");
        }
        assert!(!lies_in("192.0.2.1".parse().unwrap(), &[]));
    }
}
