//! Table: flights that others may join, by what makes them the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::{self, Log, Missed, Reader, Wish, Writer};
use crate::call::Report;
use crate::principal::TenantId;

/// What a flight is found by. Nothing of one tenant is ever found by another: a key begins with whoever has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    tenant: TenantId,
    name: Name,
}

/// What a flight is found by within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// The caller's own id of the call.
    RequestId(String),
}

/// The SHA-256 of a request.
pub(super) type Print = [u8; 32];

/// Flights under way. Clones have the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Arc<Mutex<HashMap<Key, Flying>>>);

/// One of them.
#[derive(Debug, Clone)]
struct Flying {
    print: Print,
    log: Arc<Log>,
    report: Report,
}

/// What somebody finds who wants to fly.
#[derive(Debug)]
pub(super) enum Seat {
    /// Nobody flies: they are the first, and have to.
    First(Writer, Reader, Listing),
    /// Somebody does, with this report.
    Joined(Reader, Report),
    /// Somebody does, and it is too late to join.
    TooLate,
    /// Somebody does for another request.
    Other,
}

impl Key {
    /// The key of a tenant's.
    pub(super) fn new(tenant: &TenantId, name: Name) -> Self {
        Self { tenant: tenant.clone(), name }
    }
}

impl Table {
    /// A seat in the flight of this key, of which so many bytes are kept. `report` is that of a flight that begins.
    pub(super) fn enter(&self, key: Key, print: Print, keep: usize, wish: Wish, report: &Report) -> Seat {
        let mut flying = self.lock();
        if let Entry::Occupied(found) = flying.entry(key.clone()) {
            if found.get().print != print {
                return Seat::Other;
            }
            match found.get().log.join(wish) {
                Ok(reader) => return Seat::Joined(reader, found.get().report.clone()),
                Err(Missed::TooLong) => return Seat::TooLate,
                // It has landed, and its pilot has not come to say so.
                Err(Missed::Closed) => drop(found.remove()),
            }
        }
        let (log, writer, reader) = log::shared(keep, wish);
        flying.insert(key.clone(), Flying { print, log: Arc::clone(&log), report: report.clone() });
        Seat::First(writer, reader, Listing { table: self.clone(), key, log })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Flying>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight's entry in the table, for as long as it may be joined.
#[derive(Debug)]
pub(super) struct Listing {
    table: Table,
    key: Key,
    log: Arc<Log>,
}

impl Drop for Listing {
    fn drop(&mut self) {
        if let Entry::Occupied(found) = self.table.lock().entry(self.key.clone())
            && found.get().log.is(&self.log)
        {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests;
