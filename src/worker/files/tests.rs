use std::collections::HashSet;
use std::sync::Mutex;

use super::*;

/// Files of which some do not answer until they are told to.
struct Disk {
    files: Files,
    stuck: Arc<Mutex<HashSet<String>>>,
}

impl Disk {
    fn new(stuck: &[usize]) -> Self {
        let stuck: HashSet<String> = stuck.iter().map(ToString::to_string).collect();
        let stuck = Arc::new(Mutex::new(stuck));
        let theirs = Arc::clone(&stuck);
        let read: ReadImage = Arc::new(move |path: &Path| {
            let name = path.to_str().unwrap();
            while theirs.lock().unwrap().contains(name) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(RgbImage::new(1, 1))
        });
        let files = Files::new(read);
        Self { files, stuck }
    }

    /// Waits for the next file that is read.
    fn wait(&mut self) -> usize {
        let read = self.files.done().recv_timeout(Duration::from_secs(20));
        let read = read.unwrap();
        let image = read.0.0;
        self.files.take_in(read);
        image
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.stuck.lock().unwrap().clear();
    }
}

fn image(number: usize) -> ImageRef {
    ImageRef {
        id: ImageId(number),
        path: Arc::from(Path::new(&number.to_string())),
    }
}

#[test]
fn a_file_that_does_not_answer_is_named_and_holds_up_no_other() {
    let mut disk = Disk::new(&[1]);
    let start = Instant::now();
    assert_eq!(disk.files.want(&image(1), start), Reading::Soon);
    assert_eq!(disk.files.want(&image(2), start), Reading::Soon);
    assert_eq!(disk.wait(), 2);
    assert_eq!(disk.files.want(&image(2), start), Reading::Done);
    let later = start + SLOW;
    let slow = Reading::Slow(ImageId(1), start);
    assert_eq!(disk.files.want(&image(1), later), slow);
    // What is read ahead waits for those that should not take long, and for no other.
    assert_eq!(disk.files.expect(&image(3), later), Reading::Soon);
    assert_eq!(disk.wait(), 3);
    disk.stuck.lock().unwrap().clear();
    assert_eq!(disk.wait(), 1);
    assert_eq!(disk.files.want(&image(1), later), Reading::Done);
    assert!(disk.files.take(ImageId(1)).unwrap().is_ok());
    assert!(!disk.files.is_busy());
}

#[test]
fn files_that_answer_are_read_a_few_at_a_time() {
    let mut disk = Disk::new(&[1, 2, 3]);
    let start = Instant::now();
    for number in 1..=3 {
        assert_eq!(disk.files.want(&image(number), start), Reading::Soon);
    }
    assert_eq!(disk.files.under_way.len(), AT_ONCE);
}

#[test]
fn threads_that_are_lost_to_files_are_few_and_some_are_left_for_what_is_wanted() {
    let all: Vec<usize> = (0..20).collect();
    let mut disk = Disk::new(&all);
    let start = Instant::now();
    let at = |step: usize| start + SLOW * u32::try_from(step).unwrap();
    for step in 0..6 {
        disk.files.expect(&image(step), at(step));
    }
    assert_eq!(disk.files.under_way.len(), MOST_AHEAD);
    for step in 6..20 {
        disk.files.want(&image(step), at(step));
    }
    assert_eq!(disk.files.under_way.len(), MOST);
    // Whoever asks now hears for which file it waits.
    let reading = disk.files.want(&image(19), at(20));
    assert_eq!(reading, Reading::Slow(ImageId(0), start));
}
