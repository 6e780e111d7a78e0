//! Which addresses a function may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Which addresses a function may reach. The decision is made on the resolved address of every connection, also after
/// a redirection, so that a name that points inward gains nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EgressPolicy {
    /// Public addresses only: nothing on this machine, on its links, or in private networks.
    #[default]
    PublicOnly,
    /// 127.0.0.1 and nothing else: a server of a test.
    #[cfg(test)]
    OneAddress,
    /// Any address: for development, and for operators whose functions call services of their own network.
    Anywhere,
}

impl EgressPolicy {
    /// Whether a connection to `address` is permitted.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            #[cfg(test)]
            Self::OneAddress => address == IpAddr::V4(Ipv4Addr::LOCALHOST),
            Self::PublicOnly => {
                let is_public = match address {
                    IpAddr::V4(v4) => is_public_v4(v4),
                    IpAddr::V6(v6) => is_public_v6(v6),
                };
                // A machine may have a public address of its own, and reaches itself by it past every firewall.
                is_public && !is_of_this_machine(address)
            }
        }
    }
}

/// Whether an address is one of this machine's: a socket can be bound to those, and to no others.
fn is_of_this_machine(address: IpAddr) -> bool {
    /// Of documents, and nobody's (RFC 5737, RFC 3849).
    const NOBODYS: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let can_bind = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    // Unless the system lets anything be bound, for addresses that move between machines (`ip_nonlocal_bind`).
    let nobodys = if address.is_ipv4() { IpAddr::V4(NOBODYS.0) } else { IpAddr::V6(NOBODYS.1) };
    can_bind(address) && !can_bind(nobodys)
}

/// Not in IANA's registry of special-purpose addresses (RFC 6890 and its updates).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || address.is_broadcast()
        || a == 0
        // Shared address space of carriers, 100.64.0.0/10.
        || (a == 100 && (64..128).contains(&b))
        // IETF protocol assignments, 192.0.0.0/24; 6to4 relays, 192.88.99.0/24.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks of network devices, 198.18.0.0/15.
        || (a == 198 && (18..20).contains(&b))
        // Reserved, 240.0.0.0/4.
        || a >= 240;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An IPv4 address in IPv6's clothes is judged as what it is.
    if let Some(v4) = embedded_v4(address) {
        return is_public_v4(v4);
    }
    let segments = address.segments();
    // Only 2000::/3 is global unicast; in it, 2001::/23 is for protocols and 2001:db8::/32, 3fff::/20 for documents.
    let is_global_unicast = segments[0] & 0xe000 == 0x2000;
    let is_protocol = segments[0] == 0x2001 && segments[1] < 0x0200;
    let is_documentation =
        (segments[0] == 0x2001 && segments[1] == 0x0db8) || (segments[0] == 0x3fff && segments[1] < 0x1000);
    is_global_unicast && !is_protocol && !is_documentation
}

/// The IPv4 address that a mapped, compatible, NAT64 (64:ff9b::/96) or 6to4 (2002::/16) address stands for.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, _, _, _, _, _] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_knows_its_own_addresses() {
        for (address, expected) in [("127.0.0.1", true), ("127.8.9.1", true), ("1.1.1.1", false), ("2a00::1", false)] {
            assert_eq!(is_of_this_machine(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn only_public_addresses_are_permitted() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let permitted = [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "64:ff9b::101:101",
            "2002:101:101::",
            "::ffff:1.1.1.1",
        ];
        for address in refused {
            assert!(!EgressPolicy::PublicOnly.permits(address.parse().unwrap()), "{address}");
            assert!(EgressPolicy::Anywhere.permits(address.parse().unwrap()), "{address}");
        }
        for address in permitted {
            assert!(EgressPolicy::PublicOnly.permits(address.parse().unwrap()), "{address}");
        }
    }
}
