//! The true classes of many images, close together in memory.

use crate::dataset::ImageId;

/// The true classes of each image, each class once. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrueClasses {
    /// Where the classes of an image begin; those of the next one end them.
    starts: Vec<u32>,
    classes: Vec<u32>,
}

impl TrueClasses {
    /// `of` gives the classes of an image, for images with numbers below `images`.
    #[must_use]
    pub fn new<C: IntoIterator<Item = usize>>(images: usize, of: impl Fn(ImageId) -> C) -> Self {
        let mut known = Self {
            starts: Vec::with_capacity(images + 1),
            classes: Vec::new(),
        };
        known.starts.push(0);
        for image in (0..images).map(ImageId) {
            let begin = known.classes.len();
            for class in of(image) {
                // A network with more classes than this has no memory left for its weights.
                let class = u32::try_from(class).unwrap_or(u32::MAX);
                if !known.classes[begin..].contains(&class) {
                    known.classes.push(class);
                }
            }
            let end = u32::try_from(known.classes.len()).unwrap_or(u32::MAX);
            known.starts.push(end);
        }
        known
    }

    /// The true classes of an image; none where they are not known.
    #[must_use]
    pub fn of(&self, image: ImageId) -> &[u32] {
        let bound = |place: usize| self.starts.get(place).map(|start| *start as usize);
        match (bound(image.0), bound(image.0 + 1)) {
            (Some(begin), Some(end)) => self.classes.get(begin..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Whether nothing is known of any image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_has_its_own_classes_once() {
        let all = [vec![3, 5, 3], vec![], vec![0]];
        let known = TrueClasses::new(3, |image| all[image.0].clone());
        assert_eq!(known.of(ImageId(0)), [3, 5]);
        assert!(known.of(ImageId(1)).is_empty());
        assert_eq!(known.of(ImageId(2)), [0]);
        assert!(known.of(ImageId(3)).is_empty(), "found later");
        assert!(!known.is_empty() && TrueClasses::default().is_empty());
    }
}
