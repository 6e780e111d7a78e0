//! Addresses that stand for names, inside one container.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Names of one container at once. The oldest gives way; whoever still uses its address finds that it stands for
/// nothing, and asks again.
const NAMES_MAX: usize = 4096;

/// 198.18.0.0/15, which belongs to nobody (RFC 2544), less the first, and the container's own.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 2]);
const COUNT: u32 = u32::from_be_bytes([198, 20, 0, 0]) - FIRST;

/// Names by number, in the order in which they came: those from `first` on are kept. The number says the address, which
/// comes to stand for another name long after the one before it was forgotten.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<str>, u64>,
    names: VecDeque<Arc<str>>,
    first: u64,
}

impl Names {
    /// The address of a name, which is given one.
    pub(super) fn assign(&mut self, name: &str) -> Ipv4Addr {
        if let Some(address) = self.address_of(name) {
            return address;
        }
        if self.names.len() == NAMES_MAX
            && let Some(oldest) = self.names.pop_front()
        {
            self.numbers.remove(&oldest);
            self.first += 1;
        }
        let (name, number): (Arc<str>, _) = (name.into(), self.first + self.names.len() as u64);
        self.names.push_back(Arc::clone(&name));
        self.numbers.insert(name, number);
        address_at(number)
    }

    /// The address that stands for a name already.
    pub(super) fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        self.numbers.get(name).map(|number| address_at(*number))
    }

    /// The name that an address stands for.
    pub(super) fn name_of(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        let offset = address.to_bits().checked_sub(FIRST).filter(|offset| *offset < COUNT)?;
        let behind_first = (offset + COUNT - place_of(self.first)) % COUNT;
        self.names.get(behind_first as usize).cloned()
    }
}

/// Whether an address is one of those that stand for names, or the container's own.
pub(super) fn is_of_pool(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 198 && b & 0xfe == 18
}

fn address_at(number: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + place_of(number))
}

fn place_of(number: u64) -> u32 {
    u32::try_from(number % u64::from(COUNT)).expect("smaller than the count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address() {
        let mut names = Names::default();
        let [one, two] = ["one.example", "two.example"].map(|name| names.assign(name));
        assert_eq!([one, two], [Ipv4Addr::new(198, 18, 0, 2), Ipv4Addr::new(198, 18, 0, 3)]);
        assert_eq!(names.assign("one.example"), one);
        assert_eq!(names.name_of(two).as_deref(), Some("two.example"));
        for nothing in
            [[198, 18, 0, 0], [198, 18, 0, 1], [198, 18, 0, 4], [198, 17, 0, 2], [198, 20, 0, 0], [1, 1, 1, 1]]
        {
            assert_eq!(names.name_of(nothing.into()), None, "{nothing:?}");
        }
    }

    #[test]
    fn names_are_bounded_and_addresses_come_round() {
        let mut names = Names::default();
        let total = COUNT as usize + 10;
        for number in 0..total {
            names.assign(&number.to_string());
        }
        assert_eq!((names.names.len(), names.numbers.len()), (NAMES_MAX, NAMES_MAX));
        for number in total - NAMES_MAX..total {
            let address = names.address_of(&number.to_string()).expect("it is one of the last");
            assert!(is_of_pool(address));
            assert_eq!(names.name_of(address).as_deref(), Some(number.to_string().as_str()));
        }
        assert_eq!(names.address_of(&(total - NAMES_MAX - 1).to_string()), None);
        assert_eq!(names.name_of(address_at((total - NAMES_MAX - 1) as u64)), None);
    }

    #[test]
    fn the_pool_is_a_network() {
        for (address, of_pool) in
            [("198.17.255.255", false), ("198.18.0.0", true), ("198.19.255.255", true), ("198.20.0.0", false)]
        {
            assert_eq!(is_of_pool(address.parse().expect("an address")), of_pool, "{address}");
        }
    }
}
