use std::path::{Path, PathBuf};
use std::time::Duration;

use super::server::{Request, Server, cut, file, head, send};
use super::*;
use crate::model::catalog::hub::Patience;

/// Not the whole of it: SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const ABC: &str = "ba7816bf";

/// Bytes whose hash is in the name of their file.
fn content() -> Vec<u8> {
    (0..200_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect()
}

fn digits(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = format!("{:x}", sha2::Sha256::digest(bytes));
    hash.chars().take(8).collect()
}

/// Published weights with this content.
fn entry(hash: &str) -> Entry {
    let url = format!("https://host.invalid/models/tiny-{hash}.pth");
    Entry {
        model: "tiny",
        weights: "V1",
        is_default: true,
        url: Box::leak(url.into_boxed_str()),
        mib: 1.0,
        classes: 3,
        top1: 50.0,
        recipe: Recipe::imagenet(),
    }
}

/// A machine with empty caches, a server in the place of the hub, and little patience.
struct Machine {
    folder: tempfile::TempDir,
    server: Server,
}

impl Machine {
    fn new(answer: impl Fn(&Request, &mut std::net::TcpStream) + Send + 'static) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::start(answer),
        }
    }

    fn hub(&self) -> Hub {
        Hub {
            told_by: hub::ToldBy::default(),
            torch: Some(self.folder.path().join("torch")),
            hugging_face: Some(self.folder.path().join("hub")),
            mirror: Some(self.server.url()),
            offline: false,
            patience: Patience {
                connect: Duration::from_secs(5),
                silence: Duration::from_millis(300),
            },
        }
    }

    fn bring(&self, entry: &Entry) -> Result<PathBuf, String> {
        let result = entry.bring(&self.hub(), &mut |_| ());
        result.map_err(|error| error.to_string())
    }

    /// Names of the files in torch hub's folder.
    fn kept(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.folder.path().join("torch")) else {
            return Vec::new();
        };
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// First bytes that were asked for.
    fn parts(&self) -> Vec<Option<usize>> {
        self.server
            .seen()
            .iter()
            .map(|request| request.from)
            .collect()
    }

    /// As if an earlier download had left this.
    fn leave_partial(&self, entry: &Entry, bytes: &[u8]) {
        let folder = self.folder.path().join("torch");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{}.partial", entry.file())), bytes).unwrap();
    }
}

#[test]
fn every_row_of_the_table_is_read_and_every_file_has_a_hash() {
    let rows = TABLE.lines().skip(2).count();
    assert_eq!(entries().len(), rows);
    let models = entries().iter().filter(|entry| entry.is_default).count();
    assert_eq!((rows, models), (114, 80));
    for entry in entries() {
        let hash = entry.hash();
        let is_hash = hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hash, "{}", entry.file());
        assert_eq!(of_file_name(entry.file()), Some(entry));
        assert!(
            entry
                .recipe
                .clone()
                .with(&crate::model::recipe::RecipeOverrides::default())
                .is_ok()
        );
    }
}

#[test]
fn a_name_alone_means_the_default_weights_and_recipes_differ() {
    let recipe = |name: &str| {
        let entry = of_torchvision(name).unwrap();
        (entry.file(), entry.recipe.in_words())
    };
    let v1 = "shorter side 256 (bilinear), center crop 224, ImageNet mean and std";
    let v2 = "shorter side 232 (bilinear), center crop 224, ImageNet mean and std";
    assert_eq!(recipe("resnet50"), ("resnet50-11ad3fa6.pth", v2.to_owned()));
    assert_eq!(
        recipe("resnet50.IMAGENET1K_V1"),
        ("resnet50-0676ba61.pth", v1.to_owned())
    );
    assert_eq!(recipe("ResNet50.imagenet1k_v2"), recipe("resnet50"));
    // Built with these weights, torchvision's network normalizes a second time.
    assert!(recipe("inception_v3").1.ends_with("mean and std 0.5"));
}

#[test]
fn a_name_is_told_from_a_file_that_is_missing() {
    let of = |text: &str| Name::of(Path::new(text));
    for file in [
        "best.pth",
        "models/best.pth",
        "a/b/c",
        "./resnet",
        "/x/y",
        "src/resnet",
        "../a/b",
    ] {
        assert_eq!(of(file).unwrap(), None, "{file}");
    }
    for (text, name) in [
        ("timm/resnet50.a1_in1k", "timm/resnet50.a1_in1k"),
        ("hf-hub:timm/vit_base", "timm/vit_base"),
        ("hf_hub:gpt2", "gpt2"),
    ] {
        let repository = Repository::new(name).unwrap();
        assert_eq!(of(text).unwrap(), Some(Name::HuggingFace(repository)));
    }
    for text in [
        "hf-hub:../../etc",
        "hf-hub:a/b/c",
        "hf-hub:a--b/c",
        "hf-hub:",
        "hf-hub:.a/b",
    ] {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_near_ones() {
    let error = |text: &str| Name::of(Path::new(text)).unwrap_err().to_string();
    let text = error("resnet5O");
    assert!(
        text.starts_with(
            "there is no file resnet5O, and no model of this name; near to it are resnet50, "
        ),
        "{text}"
    );
    let text = error("resnet50.V3");
    assert!(
        text.contains("near to it are resnet50.IMAGENET1K_V1, resnet50.IMAGENET1K_V2;"),
        "{text}"
    );
    assert_eq!(
        error("\u{1b}zebra"),
        "there is no file \\u{1b}zebra, and no model of this name; `gradcam models` lists them"
    );
}

#[test]
fn a_file_of_that_name_goes_before_the_name() {
    let machine = Machine::new(|_, _| panic!("asked"));
    let file = ModelSource::File(machine.folder.path().join("resnet50"));
    std::fs::create_dir(machine.folder.path().join("resnet50")).unwrap();
    assert_eq!(bring(&file, &machine.hub(), &mut |_| ()).unwrap(), file);
}

#[test]
fn a_file_is_downloaded_once_into_torch_hubs_folder_and_progress_is_told() {
    let machine = Machine::new(|request, stream| file(request, stream, &content()));
    let entry = entry(&digits(&content()));
    let mut told = Vec::new();
    let path = entry
        .bring(&machine.hub(), &mut |progress| {
            assert_eq!(progress.file, entry.file());
            told.push((progress.done, progress.total));
        })
        .unwrap();
    let length = content().len() as u64;
    assert_eq!(told.first(), Some(&(0, Some(length))));
    assert_eq!(told.last(), Some(&(length, Some(length))));
    assert!(told.len() > 3 && told.is_sorted());
    assert_eq!(std::fs::read(&path).unwrap(), content());
    assert_eq!(machine.kept(), [entry.file()]);
    assert_eq!(
        machine.server.seen()[0].path,
        format!("/models/{}", entry.file())
    );
    // The second time nobody is asked.
    assert_eq!(machine.bring(&entry), Ok(path));
    assert_eq!(machine.server.seen().len(), 1);
}

#[test]
fn a_wrong_hash_is_told_with_both_hashes_and_leaves_nothing() {
    let machine = Machine::new(|request, stream| file(request, stream, b"abc"));
    let error = machine.bring(&entry("0676ba61")).unwrap_err();
    assert!(
        error.contains(&format!("begins with {ABC}, not with 0676ba61")),
        "{error}"
    );
    assert!(machine.kept().is_empty());
}

#[test]
fn a_cut_connection_is_told_and_the_next_download_goes_on() {
    let half = content().len() / 2;
    let machine = Machine::new(move |request, stream| match request.from {
        None => cut(stream, &content(), half),
        Some(_) => file(request, stream, &content()),
    });
    let entry = entry(&digits(&content()));
    let error = machine.bring(&entry).unwrap_err();
    assert!(
        error.contains(
            "stopped after 400000 bytes of 800000 bytes: the connection was cut; the same command"
        ),
        "{error}"
    );
    assert_eq!(machine.kept(), [format!("{}.partial", entry.file())]);
    let path = machine.bring(&entry).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
    assert_eq!(machine.parts(), [None, Some(half)]);
    assert_eq!(machine.kept(), [entry.file()]);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let machine = Machine::new(|request, stream| {
        let whole = Request {
            from: None,
            ..request.clone()
        };
        file(&whole, stream, &content());
    });
    let entry = entry(&digits(&content()));
    machine.leave_partial(&entry, &content()[..1000]);
    let path = machine.bring(&entry).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
    assert_eq!(machine.parts(), [Some(1000)]);
}

#[test]
fn a_part_of_another_file_is_thrown_away() {
    let machine = Machine::new(|request, stream| file(request, stream, &content()));
    let entry = entry(&digits(&content()));
    machine.leave_partial(&entry, &[7; 1000]);
    let path = machine.bring(&entry).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
    assert_eq!(machine.parts(), [Some(1000), None]);
}

#[test]
fn a_part_that_is_the_whole_file_is_kept() {
    let machine = Machine::new(|request, stream| file(request, stream, &content()));
    let entry = entry(&digits(&content()));
    machine.leave_partial(&entry, &content());
    let path = machine.bring(&entry).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content());
    assert_eq!(machine.parts(), [Some(content().len())]);
}

#[test]
fn a_part_that_was_not_asked_for_is_refused() {
    let machine = Machine::new(|_, stream| {
        let headers = [("Content-Length", "3"), ("Content-Range", "bytes 0-2/3")];
        head(stream, "206 Partial Content", &headers);
        send(stream, b"abc");
    });
    let entry = entry(ABC);
    machine.leave_partial(&entry, b"ab");
    let error = machine.bring(&entry).unwrap_err();
    assert!(error.contains("another part than was asked for"), "{error}");
}

#[test]
fn an_answer_that_is_no_file_is_told_and_leaves_nothing() {
    for (status, words) in [
        (
            "404 Not Found",
            "answers 404 Not Found; there is no such file",
        ),
        (
            "403 Forbidden",
            "answers 403 Forbidden; it is not open to everyone",
        ),
        (
            "503 Service Unavailable",
            "answers 503 Service Unavailable; try again later",
        ),
    ] {
        let machine =
            Machine::new(move |_, stream| head(stream, status, &[("Content-Length", "0")]));
        let error = machine.bring(&entry(ABC)).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(machine.kept().is_empty());
    }
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let machine = Machine::new(|_, stream| {
        cut(stream, &content(), 1000);
        // Until the client has gone: an end of the stream, or an error.
        drop(std::io::Read::read(stream, &mut [0]));
    });
    let error = machine.bring(&entry(&digits(&content()))).unwrap_err();
    assert!(
        error.contains("stopped after 1000 bytes of 800000 bytes: no byte came within 0.3 s"),
        "{error}"
    );
}

#[test]
fn a_slow_server_is_waited_for_as_long_as_bytes_come() {
    let machine = Machine::new(|_, stream| {
        head(stream, "200 OK", &[("Content-Length", "3")]);
        for byte in b"abc" {
            std::thread::sleep(Duration::from_millis(180));
            send(stream, &[*byte]);
        }
    });
    assert!(machine.bring(&entry(ABC)).is_ok());
}

#[test]
fn a_server_that_never_ends_is_not_listened_to() {
    let machine = Machine::new(|_, stream| {
        head(stream, "200 OK", &[("Transfer-Encoding", "chunked")]);
        let chunk = [b"10000\r\n", vec![0; 1 << 16].as_slice(), b"\r\n"].concat();
        while std::io::Write::write_all(stream, &chunk).is_ok() {}
    });
    let error = machine.bring(&entry(ABC)).unwrap_err();
    assert!(
        error.contains("has more than 2.0 MiB, but 2.0 MiB were announced"),
        "{error}"
    );
    assert!(machine.kept().is_empty());
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let machine = Machine::new(|_, _| ());
    let mut hub = machine.hub();
    drop(machine.server);
    let error = |hub: &Hub| entry(ABC).bring(hub, &mut |_| ()).unwrap_err().to_string();
    assert!(error(&hub).contains("the server refuses the connection"));
    hub.mirror = Some("127.0.0.1".to_owned());
    assert!(
        error(&hub).contains("GRADCAM_HUB must begin with http://"),
        "{}",
        error(&hub)
    );
}

#[test]
fn a_full_disk_and_a_folder_that_is_closed_are_told_in_words() {
    let machine = Machine::new(|request, stream| file(request, stream, b"abc"));
    let entry = entry(ABC);
    let folder = machine.folder.path().join("torch");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join("tiny-ba7816bf.pth.partial")).unwrap();
    let error = machine.bring(&entry).unwrap_err();
    assert!(
        error.contains("tiny-ba7816bf.pth.partial: the disk is full; make room"),
        "{error}"
    );
    let denied = std::io::ErrorKind::PermissionDenied.into();
    let error = download::write_error(&folder, &denied).to_string();
    assert!(
        error.contains("TORCH_HOME or HF_HOME names another folder"),
        "{error}"
    );
}

#[test]
fn two_programs_do_not_write_the_same_file() {
    let machine = Machine::new(|_, _| panic!("asked"));
    let entry = entry(ABC);
    machine.leave_partial(&entry, b"a");
    let path = machine
        .folder
        .path()
        .join("torch/tiny-ba7816bf.pth.partial");
    let other = std::fs::File::open(path).unwrap();
    other.lock().unwrap();
    let error = machine.bring(&entry).unwrap_err();
    assert!(
        error.contains("is being downloaded by another program"),
        "{error}"
    );
}

#[test]
fn offline_nobody_is_asked_and_the_place_and_the_way_are_told() {
    let machine = Machine::new(|_, _| panic!("asked"));
    let hub = Hub {
        offline: true,
        ..machine.hub()
    };
    let error = |name: &str| {
        let source = ModelSource::File(PathBuf::from(name));
        bring(&source, &hub, &mut |_| ()).unwrap_err().to_string()
    };
    let (place, text) = (machine.folder.path().display(), error("resnet18"));
    let path = format!("resnet18.IMAGENET1K_V1 is not in {place}/torch/resnet18-f37072fd.pth, and");
    assert!(text.starts_with(&path), "{text}");
    assert!(
        text.contains("put resnet18-f37072fd.pth there, from https://"),
        "{text}"
    );
    let text = error("timm/resnet50.a1_in1k");
    let path = format!("is not in {place}/hub/models--timm--resnet50.a1_in1k, and --offline");
    assert!(
        text.contains(&path) && text.contains("--fetch timm/resnet50.a1_in1k"),
        "{text}"
    );
}
