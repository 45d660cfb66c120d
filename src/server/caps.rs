//! Caps: so many connections in all, and so many from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections there are, and from where.
#[derive(Debug)]
pub(super) struct Caps {
    in_all: usize,
    of_one_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    caps: Arc<Caps>,
    address: IpAddr,
}

impl Caps {
    pub(super) fn new(in_all: usize, of_one_address: usize) -> Arc<Self> {
        Arc::new(Self { in_all, of_one_address, taken: Mutex::default() })
    }

    /// A seat for a connection from this address; `None` where there are too many.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = one_owner(address);
        let mut taken = self.taken();
        let from_there = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.in_all >= self.in_all || from_there >= self.of_one_address {
            return None;
        }
        taken.in_all += 1;
        taken.by_address.insert(address, from_there + 1);
        Some(Seat { caps: Arc::clone(self), address })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.caps.taken();
        taken.in_all -= 1;
        if let Entry::Occupied(mut from_there) = taken.by_address.entry(self.address) {
            *from_there.get_mut() -= 1;
            if *from_there.get() == 0 {
                from_there.remove();
            }
        }
    }
}

/// One owner has a whole /64 of IPv6, and one address of IPv4.
pub(super) fn one_owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    #[test]
    fn seats_are_few_and_come_back() {
        let caps = Caps::new(3, 2);
        let mine: Vec<_> = (0..3).filter_map(|_| caps.seat(ip("10.0.0.1"))).collect();
        assert_eq!(mine.len(), 2);
        let other = caps.seat(ip("10.0.0.2"));
        assert!(other.is_some() && caps.seat(ip("10.0.0.3")).is_none());
        drop(mine);
        assert!(caps.seat(ip("10.0.0.1")).is_some());
        drop(other);
        assert!(caps.taken().by_address.is_empty() && caps.taken().in_all == 0);
    }

    #[test]
    fn a_prefix_of_ipv6_is_one_owner() {
        let caps = Caps::new(9, 1);
        let first = caps.seat(ip("2001:db8:1:2::1"));
        assert!(first.is_some() && caps.seat(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(caps.seat(ip("2001:db8:1:3::1")).is_some());
        let mapped = caps.seat(ip("::ffff:10.0.0.1"));
        assert!(mapped.is_some() && caps.seat(ip("10.0.0.1")).is_none());
    }
}
