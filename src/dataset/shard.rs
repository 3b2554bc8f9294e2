//! Shards: which images of a folder are this machine's.
//!
//! The name of an image alone decides, so that any number of machines agree without talking to each
//! other: an image belongs to shard `1 + h mod N`, where `h` is the first eight bytes, the lowest
//! first, of the BLAKE3 hash of its path relative to the folder.

use std::fmt;
use std::str::FromStr;

use super::store::Key;

/// One of several parts of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u64,
    count: u64,
}

impl Shard {
    /// Whether an image is in it.
    #[must_use]
    pub fn has(self, image: &Key) -> bool {
        let hash = blake3::hash(image.as_bytes());
        let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first) % self.count == self.number - 1
    }
}

/// "2 of 8", for people and in the names of files.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.number, self.count)
    }
}

/// "2/8"
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a number and how many there are, as in 2/8".to_owned();
        let (number, count) = text.split_once('/').ok_or_else(expected)?;
        let parsed = |text: &str| text.trim().parse::<u64>().map_err(|_| expected());
        let shard = Self {
            number: parsed(number)?,
            count: parsed(count)?,
        };
        if (1..=shard.count).contains(&shard.number) {
            Ok(shard)
        } else {
            Err(format!(
                "there is no shard {} of {}; they are numbered from 1",
                shard.number, shard.count
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::from_bytes(name.as_bytes())
    }

    #[test]
    fn every_image_is_in_one_shard_and_all_are_of_like_size() {
        let images: Vec<Key> = (0..4000).map(|n| key(&format!("class/{n}.jpg"))).collect();
        let shards: Vec<Shard> = (1..=8).map(|number| Shard { number, count: 8 }).collect();
        for image in &images {
            assert_eq!(shards.iter().filter(|shard| shard.has(image)).count(), 1);
        }
        for shard in shards {
            let share = images.iter().filter(|image| shard.has(image)).count();
            assert!((400..600).contains(&share), "{share}");
        }
    }

    #[test]
    fn the_name_alone_decides_and_goes_on_deciding() {
        // By BLAKE3's Python package: int.from_bytes(blake3(name).digest()[:8], "little") % N + 1
        for (name, shard) in [
            ("cat.jpg", "7/8"),
            ("cat.jpg", "367/1000"),
            ("dogs/ä 1.png", "3/8"),
            ("dogs/ä 1.png", "515/1000"),
        ] {
            assert!(shard.parse::<Shard>().unwrap().has(&key(name)), "{name}");
        }
    }

    #[test]
    fn what_is_no_shard_is_said() {
        for text in ["", "3", "0/8", "9/8", "1/0", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("2/8".parse::<Shard>().unwrap().to_string(), "2 of 8");
    }
}
