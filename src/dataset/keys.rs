//! Keys: which image of the list a name in the store means, and the other way round.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::store::{Key, Place};
use super::{ImageEntry, ImageId};

/// Finds images by their keys, in 16 bytes an image.
#[derive(Debug)]
pub struct Keys {
    place: Place,
    /// Hashes of keys in order, and whose they are.
    images: Vec<(u64, u32)>,
}

impl Keys {
    #[must_use]
    pub fn new(place: Place, images: &[ImageEntry]) -> Self {
        let mut hashes: Vec<(u64, u32)> = images
            .iter()
            .filter_map(|image| {
                let key = place.key(&image.path);
                Some((hash(key.as_bytes()), u32::try_from(image.id.0).ok()?))
            })
            .collect();
        hashes.sort_unstable();
        Self {
            place,
            images: hashes,
        }
    }

    #[must_use]
    pub fn of(&self, image: &ImageEntry) -> Key {
        self.place.key(&image.path)
    }

    /// The image of a key; nothing where it is not in the list.
    #[must_use]
    pub fn find(&self, key: &[u8], images: &[ImageEntry]) -> Option<ImageId> {
        let wanted = hash(key);
        let first = self.images.partition_point(|(hash, _)| *hash < wanted);
        let same = self.images.iter().skip(first);
        let same = same.take_while(|(hash, _)| *hash == wanted);
        same.filter_map(|(_, id)| images.get(usize::try_from(*id).ok()?))
            .find(|image| self.of(image).as_bytes() == key)
            .map(|image| image.id)
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_image_is_found_by_its_key_and_no_other_is() {
        let folder = tempfile::tempdir().unwrap();
        let images: Vec<ImageEntry> = (0..300)
            .map(|number| ImageEntry {
                id: ImageId(number),
                path: Arc::from(folder.path().join(format!("{number}.png"))),
                name: Arc::from("x"),
            })
            .collect();
        let review = Some(Path::new("unused.sqlite"));
        let place = Place::new(&[folder.path().to_owned()], review, None).unwrap();
        let keys = Keys::new(place, &images);
        for image in &images {
            let key = keys.of(image);
            assert_eq!(keys.find(key.as_bytes(), &images), Some(image.id));
        }
        assert_eq!(keys.find(b"300.png", &images), None);
    }
}
