//! What was used lately: up to so many values by key.

use std::collections::BTreeMap;

/// Keeps `most` values; for one more, the one goes whose last use lies furthest back.
pub(super) struct Lately<K, V> {
    most: usize,
    /// Each with its last use.
    kept: BTreeMap<K, (u64, V)>,
    uses: u64,
}

impl<K: Ord + Clone, V: Clone> Lately<K, V> {
    /// None yet.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: BTreeMap::new(), uses: 0 }
    }

    /// The value of this key, which is made where there is none.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept or dropped then.
    pub(super) fn get<E>(&mut self, key: K, make: impl FnOnce(&K) -> Result<V, E>) -> Result<V, E> {
        self.uses += 1;
        if let Some((last, value)) = self.kept.get_mut(&key) {
            *last = self.uses;
            return Ok(value.clone());
        }
        let value = make(&key)?;
        if self.kept.len() >= self.most {
            let oldest = self.kept.iter().min_by_key(|(_, (last, _))| last).map(|(key, _)| key.clone());
            oldest.map(|key| self.kept.remove(&key));
        }
        self.kept.insert(key, (self.uses, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut lately = Lately::new(2);
        let mut made = |key: char| {
            let mut made = false;
            let value = lately.get(key, |key| {
                made = true;
                Ok::<_, ()>(*key)
            });
            assert_eq!(value, Ok(key));
            assert!(lately.kept.len() <= 2);
            made
        };
        assert!(made('a') && made('b'));
        assert!(!made('a') && !made('b') && !made('a'));
        assert!(made('c'), "for b, which is the older one");
        assert!(!made('a') && !made('c'));
        assert!(made('b'));
        assert!(!made('c') && made('a'));
    }

    #[test]
    fn what_cannot_be_made_changes_nothing() {
        let mut lately = Lately::new(1);
        assert_eq!(lately.get('a', |_| Ok::<_, &str>(1)), Ok(1));
        assert_eq!(lately.get('b', |_| Err("no")), Err("no"));
        assert_eq!(lately.get('a', |_| Err("gone")), Ok(1));
    }
}
