//! Results that may be needed again, newest kept, within a bound on their memory.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key with an estimate of their size in bytes; the least recently used go first.
#[derive(Debug)]
pub struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    limit: usize,
    used: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    last_use: u64,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
    /// An empty cache for values of `limit` bytes in all.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            limit,
            used: 0,
            clock: 0,
        }
    }

    /// The value of a key, which counts as used now.
    pub fn get(&mut self, key: K) -> Option<&mut V> {
        self.clock += 1;
        let entry = self.entries.get_mut(&key)?;
        entry.last_use = self.clock;
        Some(&mut entry.value)
    }

    pub fn contains(&self, key: K) -> bool {
        self.entries.contains_key(&key)
    }

    /// Keeps a value and lets go of the least recently used ones beyond the limit. The newest
    /// value stays even where it alone is larger than the limit: it is on the screen.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.clock += 1;
        self.remove(key);
        self.used += bytes;
        self.entries.insert(
            key,
            Entry {
                value,
                bytes,
                last_use: self.clock,
            },
        );
        while self.used > self.limit && self.entries.len() > 1 {
            let Some(oldest) = self
                .entries
                .iter()
                .min_by_key(|(_, e)| e.last_use)
                .map(|(k, _)| *k)
            else {
                return;
            };
            self.remove(oldest);
        }
    }

    /// Says how large a value has become. The others go on until all fit, the least recently used
    /// first; this one stays.
    pub fn resize(&mut self, key: K, bytes: usize) {
        if let Some(entry) = self.entries.remove(&key) {
            self.used -= entry.bytes;
            self.insert(key, entry.value, bytes);
        }
    }

    fn remove(&mut self, key: K) {
        if let Some(entry) = self.entries.remove(&key) {
            self.used -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_value_goes_first() {
        let mut cache = Cache::new(30);
        for key in 1..=3 {
            cache.insert(key, key, 10);
        }
        assert_eq!(cache.get(1), Some(&mut 1));
        cache.insert(4, 4, 10);
        let kept: Vec<_> = (1..=4).filter(|&key| cache.contains(key)).collect();
        assert_eq!(kept, [1, 3, 4]);
    }

    #[test]
    fn the_newest_value_stays_even_when_it_is_too_large() {
        let mut cache = Cache::new(30);
        cache.insert(1, "small", 10);
        cache.insert(2, "large", 100);
        assert!(!cache.contains(1) && cache.contains(2));
        cache.insert(3, "small", 10);
        assert!(!cache.contains(2) && cache.contains(3));
    }

    #[test]
    fn a_value_that_is_replaced_is_counted_once() {
        let mut cache = Cache::new(20);
        cache.insert(1, 'a', 10);
        cache.insert(1, 'b', 10);
        cache.insert(2, 'c', 10);
        assert_eq!(cache.get(1), Some(&mut 'b'));
    }
}
