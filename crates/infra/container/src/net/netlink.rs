//! What is asked of the kernel by netlink, for the namespace of the calling thread: its loopback interface, its routes,
//! and its rules that catch connections. Everything is about a namespace that was made a moment ago.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::{Domain, Protocol, Socket, Type};

use super::{CATCH_PORT, OWN_ADDRESS};

const AF_NETLINK: i32 = 16;
const NETLINK_ROUTE: i32 = 0;
const NETLINK_NETFILTER: i32 = 12;

// Kinds of messages, and their flags.
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NFTABLES: u8 = 10;
const NEW_TABLE: u16 = (NFTABLES as u16) << 8;
const NEW_CHAIN: u16 = NEW_TABLE | 3;
const NEW_RULE: u16 = NEW_TABLE | 6;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// The loopback interface: the first of every namespace.
const LOOPBACK: u32 = 1;

/// A kind of address: its number, the same in routes and in rules, and where a packet has its destination.
struct Family {
    number: u8,
    destination_offset: u32,
}

const IPV4: Family = Family { number: 2, destination_offset: 16 };
const IPV6: Family = Family { number: 10, destination_offset: 24 };

/// Brings the loopback interface up, which gives it 127.0.0.1 and ::1.
pub(super) fn bring_up() -> io::Result<()> {
    const UP: u32 = 1;
    let header = [0, LOOPBACK, UP, UP].map(u32::to_ne_bytes);
    request(NETLINK_ROUTE, &message(RTM_NEWLINK, ACKNOWLEDGE, header.as_flattened(), &[]))
}

/// Makes every address one of the namespace itself. Connections leave from [`OWN_ADDRESS`]: by default they would from
/// the address that they go to, and might meet themselves.
pub(super) fn route_all() -> io::Result<()> {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const PREFERRED_SOURCE: u16 = 7;
    let own = OWN_ADDRESS.octets();
    let header = [&[IPV4.number, 32, 0, 0], LOOPBACK.to_ne_bytes().as_slice()].concat();
    let attributes = [attribute(LOCAL, &own), attribute(ADDRESS, &own)];
    request(NETLINK_ROUTE, &message(RTM_NEWADDR, ACKNOWLEDGE | CREATE, &header, &attributes))?;
    route_family(&IPV4, &[attribute(PREFERRED_SOURCE, &own)])?;
    // Where the machine has no IPv6, a container has none to reach.
    let _ = route_family(&IPV6, &[]);
    Ok(())
}

/// `ip route add local default dev lo`.
fn route_family(family: &Family, attributes: &[Vec<u8>]) -> io::Result<()> {
    const OUTGOING_INTERFACE: u16 = 4;
    const TABLE_LOCAL: u8 = 255;
    const BY_ADMINISTRATOR: u8 = 4;
    const SCOPE_HOST: u8 = 254;
    const KIND_LOCAL: u8 = 2;
    let header = [family.number, 0, 0, 0, TABLE_LOCAL, BY_ADMINISTRATOR, SCOPE_HOST, KIND_LOCAL, 0, 0, 0, 0];
    let attributes = [&[attribute(OUTGOING_INTERFACE, &LOOPBACK.to_ne_bytes())], attributes].concat();
    request(NETLINK_ROUTE, &message(RTM_NEWROUTE, ACKNOWLEDGE | CREATE, &header, &attributes))
}

/// Leads all TCP connections, but those to the container itself, to [`CATCH_PORT`], their destination unchanged.
pub(super) fn catch_all() -> io::Result<()> {
    const LOOPBACK_NET: [u8; 1] = [Ipv4Addr::LOCALHOST.octets()[0]];
    request(NETLINK_NETFILTER, &catch_family(&IPV4, &[&LOOPBACK_NET, &OWN_ADDRESS.octets()]))?;
    // As with routes.
    let _ = request(NETLINK_NETFILTER, &catch_family(&IPV6, &[&Ipv6Addr::LOCALHOST.octets()]));
    Ok(())
}

/// What `nft` makes of this, with a rule `accept` for destinations that begin with one of `own`:
/// ```text
/// chain mu { type filter hook prerouting priority mangle; ip daddr 127.0.0.0/8 accept; tproxy to :1; }
/// ```
fn catch_family(family: &Family, own: &[&[u8]]) -> Vec<u8> {
    const HOOK_PREROUTING: u32 = 0;
    const PRIORITY_MANGLE: i32 = -150;
    const NAME: &[u8] = b"mu\0";
    let header = [family.number, 0, 0, 0];
    let batch = |kind| message(kind, 0, &[0, 0, 0, NFTABLES], &[]);
    let hook = [attribute(1, &HOOK_PREROUTING.to_be_bytes()), attribute(2, &PRIORITY_MANGLE.to_be_bytes())];
    let chain = [attribute(1, NAME), attribute(3, NAME), nested(4, &hook), attribute(7, b"filter\0")];
    let rule = |flags, expressions: &[Vec<u8>]| {
        let attributes = [attribute(1, NAME), attribute(2, NAME), nested(4, expressions)];
        message(NEW_RULE, CREATE | APPEND | flags, &header, &attributes)
    };
    let mut messages = vec![
        batch(BATCH_BEGIN),
        message(NEW_TABLE, CREATE, &header, &[attribute(1, NAME)]),
        message(NEW_CHAIN, CREATE, &header, &chain),
    ];
    messages.extend(own.iter().map(|start| rule(0, &expressions::accept_to(family.destination_offset, start))));
    // The answer to the last tells of all.
    messages.push(rule(ACKNOWLEDGE, &expressions::catch(family.number)));
    messages.push(batch(BATCH_END));
    messages.concat()
}

mod expressions {
    use super::{CATCH_PORT, attribute, nested};

    const VERDICT: [u8; 4] = 0_u32.to_be_bytes();
    const REGISTER: [u8; 4] = 1_u32.to_be_bytes();

    /// Accepts what goes to a destination that begins so.
    pub(super) fn accept_to(offset: u32, start: &[u8]) -> [Vec<u8>; 3] {
        const NETWORK_HEADER: [u8; 4] = 1_u32.to_be_bytes();
        const EQUAL: [u8; 4] = 0_u32.to_be_bytes();
        const ACCEPT: [u8; 4] = 1_u32.to_be_bytes();
        let length = u32::try_from(start.len()).expect("an address is short").to_be_bytes();
        let place = [(1, REGISTER), (2, NETWORK_HEADER), (3, offset.to_be_bytes()), (4, length)];
        let verdict = nested(2, &[attribute(1, &ACCEPT)]);
        [
            expression("payload", &place.map(|(kind, value)| attribute(kind, &value))),
            expression("cmp", &[attribute(1, &REGISTER), attribute(2, &EQUAL), nested(3, &[attribute(1, start)])]),
            expression("immediate", &[attribute(1, &VERDICT), nested(2, &[verdict])]),
        ]
    }

    pub(super) fn catch(family: u8) -> [Vec<u8>; 2] {
        let port = nested(2, &[attribute(1, &CATCH_PORT.to_be_bytes())]);
        [
            expression("immediate", &[attribute(1, &REGISTER), port]),
            expression("tproxy", &[attribute(1, &u32::from(family).to_be_bytes()), attribute(3, &REGISTER)]),
        ]
    }

    fn expression(name: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
        nested(1, &[attribute(1, format!("{name}\0").as_bytes()), nested(2, attributes)])
    }
}

fn message(kind: u16, flags: u16, header: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = [header, &attributes.concat()].concat();
    let length = u32::try_from(16 + body.len()).expect("messages are short");
    let flags = (REQUEST | flags).to_ne_bytes();
    [&length.to_ne_bytes(), kind.to_ne_bytes().as_slice(), &flags, &[0; 8], &body].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes are short");
    let mut bytes = [&length.to_ne_bytes(), kind.to_ne_bytes().as_slice(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    attribute(kind | NESTED, &attributes.concat())
}

/// Sends messages of which one is to be acknowledged. Errors of any of them are answered before that.
fn request(protocol: i32, messages: &[u8]) -> io::Result<()> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(protocol)))?;
    socket.send(messages)?;
    // The kernel has answered by now: it works through messages while they are sent.
    let mut answer = [0; 4096];
    let length = (&socket).read(&mut answer)?;
    match *answer.get(..length).unwrap_or_default() {
        [_, _, _, _, k0, k1, _, _, _, _, _, _, _, _, _, _, e0, e1, e2, e3, ..]
            if u16::from_ne_bytes([k0, k1]) == NLMSG_ERROR =>
        {
            match i32::from_ne_bytes([e0, e1, e2, e3]) {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(-error)),
            }
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel did not acknowledge a request")),
    }
}
