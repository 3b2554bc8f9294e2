//! Crew: how the work is spread over the machine.

use crate::model::device::DeviceChoice;

/// More lanes than this on the processor take memory, a model each, for little.
const MOST_LANES: usize = 8;
/// Images that a lane on the processor runs at once: several take longer each, and more memory.
const BATCH: usize = 1;
/// While one of them waits for the GPU, the other makes its next batch ready and sends it there.
const LANES_OF_GPU: usize = 2;
/// Images that a GPU runs at once.
const GPU_BATCH: usize = 64;

/// How many threads there are of each kind, and what they do at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    /// One for each lane.
    pub devices: Vec<DeviceChoice>,
    /// Cores that an operation of the network is spread over.
    pub threads: usize,
    pub readers: usize,
    pub finishers: usize,
    /// Images that run through the network at once.
    pub batch: usize,
    /// Whether there is one image, which is answered before weights would be packed for many.
    pub expects_one: bool,
}

/// What the user says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// What to run on, one lane each; one choice is spread over the processor.
    pub devices: Vec<DeviceChoice>,
    /// Cores to use; all of them without it.
    pub jobs: Option<usize>,
    pub batch: Option<usize>,
}

impl Crew {
    /// `on_gpu` tells whether a choice means a GPU; `images` is how many there are, where that is
    /// known.
    #[must_use]
    pub fn new(
        wishes: &Wishes,
        images: Option<usize>,
        on_gpu: impl Fn(DeviceChoice) -> bool,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = wishes.jobs.unwrap_or(cores).max(1);
        let is_gpu = wishes.devices.iter().any(|device| on_gpu(*device));
        let batch = wishes
            .batch
            .unwrap_or(if is_gpu { GPU_BATCH } else { BATCH });
        let devices = match wishes.devices.as_slice() {
            [] | [_] if !is_gpu => {
                let lanes = jobs.min(MOST_LANES).min(images.unwrap_or(jobs)).max(1);
                let device = wishes.devices.first().copied().unwrap_or_default();
                vec![device; lanes]
            }
            [] => vec![DeviceChoice::Auto; LANES_OF_GPU],
            devices => {
                let lanes = |device: &DeviceChoice| {
                    let lanes = if on_gpu(*device) { LANES_OF_GPU } else { 1 };
                    vec![*device; lanes]
                };
                devices.iter().flat_map(lanes).collect()
            }
        };
        let threads_of = |count: usize| images.unwrap_or(count).clamp(1, count);
        Self {
            // Beside a GPU the cores are for reading and drawing.
            threads: if is_gpu {
                1
            } else {
                (jobs / devices.len()).max(1)
            },
            readers: threads_of(jobs),
            finishers: threads_of(jobs),
            batch: batch.clamp(1, images.unwrap_or(batch).max(1)),
            expects_one: images == Some(1),
            devices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(wishes: &Wishes, images: Option<usize>) -> Crew {
        Crew::new(wishes, images, |device| {
            matches!(device, DeviceChoice::Cuda(_))
        })
    }

    #[test]
    fn the_processor_has_lanes_of_few_cores_and_each_gpu_has_one() {
        let wishes = Wishes {
            jobs: Some(16),
            ..Wishes::default()
        };
        let on_processor = crew(&wishes, None);
        assert_eq!(on_processor.devices, [DeviceChoice::Auto; MOST_LANES]);
        assert_eq!((on_processor.threads, on_processor.readers), (2, 16));
        assert_eq!(on_processor.batch, BATCH);
        let gpus = [0, 1].map(|number| DeviceChoice::Cuda(Some(number)));
        let on_gpus = crew(
            &Wishes {
                devices: gpus.to_vec(),
                ..wishes
            },
            None,
        );
        assert_eq!(on_gpus.devices, [gpus[0], gpus[0], gpus[1], gpus[1]]);
        assert_eq!((on_gpus.batch, on_gpus.readers), (GPU_BATCH, 16));
        assert_eq!(on_gpus.threads, 1);
    }

    #[test]
    fn one_image_has_all_cores() {
        let wishes = Wishes {
            jobs: Some(4),
            ..Wishes::default()
        };
        let one = crew(&wishes, Some(1));
        assert_eq!((one.devices.len(), one.threads, one.batch), (1, 4, 1));
        assert!(one.expects_one && one.readers == 1);
    }
}
